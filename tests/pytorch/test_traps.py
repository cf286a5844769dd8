"""The 112 traps: exact, or another answer that their notes allow, named here with the reason."""

import pytest

torch = pytest.importorskip("torch")

from helpers import import_torchvision
from pytorch.traps import (  # noqa: F401  (they add to the list)
    attention,
    convolutions,
    higher_order,
    inputs,
    products,
    special_modules,
    values,
)
from pytorch.traps.table import TRAPS, Trap

from flopcalc.pytorch.counting.counter import count_call

# Where our answer is one of the alternatives: which one, and why.
ALTERNATIVES = {
    "linear_complex": (4 * 64 * 32, "one complex multiply-add is four real ones"),
    "conv_complex": (4 * 36 * 4 * 27, "a complex multiply-add is four real ones, as in a complex matrix product"),
    "cdist_l2": (30 * 40 * 18, "for 1,200 pairs torch runs a product over 18"),
    "ho_while": (64 * 64, "a loop whose turns depend on values is counted for one turn, with a note"),
    "custom_op": (0, "a user's kernel without a rule is listed as uncounted"),
    "custom_op_cpu_only": (0, "a user's kernel without a rule is listed as uncounted"),
}
UNCOUNTED = {"custom_op", "custom_op_cpu_only"}
# Those that need values, and therefore run on the CPU.
ON_CPU = {
    *("flex_attention", "quantized_dynamic", "sparse_mm", "value_assert", "item_scalar", "nonzero_index"),
    *("moe_sparse", "encoder_padding_mask", "zeros_without_device", "custom_op_cpu_only"),
}


def test_there_are_112() -> None:
    """None is lost, none comes twice, and those named here exist."""
    names = [trap.name for trap in TRAPS]
    assert len(names) == len(set(names)) == 112
    assert (ALTERNATIVES.keys() | UNCOUNTED | ON_CPU) <= set(names)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.name)
def test_trap(trap: Trap) -> None:
    """MACs, parameters, what is left uncounted, and where it ran."""
    torch.manual_seed(0)
    if trap.name == "deform_conv":
        import_torchvision()
    module, given, named = trap.build()
    params = sum(p.numel() for p in module.parameters()) if trap.params is None else trap.params
    found = count_call(module, given, named)
    right, _ = ALTERNATIVES.get(trap.name, (trap.right, ""))
    assert right == trap.right or right in trap.alternatives
    assert (found.macs, found.params) == (right, params)
    assert bool(found.uncounted) == (trap.name in UNCOUNTED)
    assert found.on == ("cpu" if trap.name in ON_CPU else "meta")
    assert any("real values" in note for note in found.notes) == (found.on == "cpu")
