"""The traps that can be differentiated: both passes equal a plain count of the module itself."""

from functools import partial
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import import_torchvision
from pytorch.training.plain import plain_macs
from pytorch.traps import (  # noqa: F401  (they add to the lists)
    attention,
    convolutions,
    higher_order,
    inputs,
    more_functions,
    more_modules,
    more_objects,
    more_products,
    more_python,
    products,
    special_modules,
    values,
)
from pytorch.traps.table import MORE, TRAPS, Trap

from flopcalc import FlopcalcError
from flopcalc.networks.inputs import FORWARD, Input
from flopcalc.pytorch.counting.network import as_network, replay_of

ALL = (*TRAPS, *MORE)
# The plain count has no rule for their forward, or sees another kernel there: one of the CPU that holds several
# products, of sparse, nested, quantised or complex tensors, or in another thread; or it cannot train the module at all.
NOT_COMPARED = {
    "aot_inside",
    "bilinear",
    "bn_batch1_train",
    "cdist_l2",
    "cond2",
    "conv_complex",
    "conv_tbc",
    "csr",
    "cycles",
    "deform_conv",
    "encinf",
    "export_inside",
    "exported",
    "exported_dyn",
    "fake_inside",
    "flex_alibi",
    "flex_attention",
    "flex_block",
    "flex_gqa",
    "gcn",
    "getattr_",
    "gqa",
    "gqa_repeat",
    "grouped_mm",
    "hmap",
    "ho_cond",
    "ho_while",
    "inference_convT",
    "inference_linear",
    "inference_lstm",
    "inference_matmul",
    "inference_sdpa",
    "int_mm",
    "jagged",
    "jagged_qkv",
    "jagged_sdpa",
    "jagged_two",
    "kv_cache_decode",
    "lstm2",
    "lstm_drop",
    "lstm_unbatched",
    "mapout",
    "mha_bias_kv_zero_attn",
    "mha_kdim_vdim",
    "mha_key_padding",
    "model_on_meta",
    "nest",
    "nested_in",
    "nested_strided",
    "qstatic",
    "quantized_dynamic",
    "resizes",
    "scaled_mm",
    "scan",
    "shadowed",
    "sparse_mm",
    "thr",
    "traced",
    "weak",
    "wproxy",
    "yields",
    "zeros_without_device",
}
# A plain dispatch mode ends the process there.
NESTED = {"jagged", "nested_strided", "nested_in", "jagged_sdpa", "jagged_qkv", "jagged_two"}
# Neither can train them.
NOT_DIFFERENTIABLE = {"custom_op", "custom_op_cpu_only", "elt", "inpl", "losses", "pinn"}
# Functions without a gradient that can be seen: at least what is counted.
AT_LEAST = {
    "cond2",
    "deform_conv",
    "hmap",
    "ho_cond",
    "ho_while",
    "jagged_qkv",
    "linalg",
    "nested_strided",
    "scan",
}


def _passes(trap: Trap) -> tuple[tuple[int, int], bool]:
    """The MACs of both passes, and whether some kernels of the backward pass have no rule."""
    module, given, named = trap.build()
    record = partial(as_network, module, inputs=[Input((1,))], batch=1)
    found = replay_of(module, given, named, FORWARD, record).differentiated(())
    backward = sum(part.macs for parts in found.backward for part in parts)
    assert sum(map(sum, found.gradients)) == backward
    return (found.forward.macs, backward), bool(found.uncounted)


def _plain(trap: Trap) -> tuple[int, int] | None:
    """The MACs of both passes by the plain count; None where it fails."""
    if trap.name in NESTED:
        return None
    module, given, named = trap.build()
    try:
        return plain_macs(module, given, named)
    except Exception:
        return None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("trap", ALL, ids=lambda trap: trap.name)
def test_trap(trap: Trap) -> None:
    """Equal, or not comparable, as listed."""
    torch.manual_seed(0)
    if trap.name == "deform_conv":
        import_torchvision()
    plain = _plain(trap)
    if trap.name in NOT_DIFFERENTIABLE:
        assert plain is None
        with pytest.raises(FlopcalcError):
            _passes(trap)
        return
    found, unknown = _passes(trap)
    assert unknown == (trap.name in AT_LEAST)
    if trap.name in NOT_COMPARED:
        assert plain is None or plain[0] != found[0]
    else:
        assert found == plain
