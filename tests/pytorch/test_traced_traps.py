"""fvcore and torchprofile next to their presets, on traps where a trace differs from what the forward calls."""

import warnings
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")
pytest.importorskip("fvcore")
pytest.importorskip("torchprofile")

from pytorch import snapshots
from pytorch.traps import (  # noqa: F401  (they add to the list)
    attention,
    convolutions,
    higher_order,
    inputs,
    modules,
    more_functions,
    more_modules,
    more_objects,
    more_products,
    more_python,
    products,
    special_modules,
    values,
)
from pytorch.traps.table import MORE, TRAPS
from torch import nn

from flopcalc.presets.call import ToolFailsError
from flopcalc.presets.registry import RULES
from flopcalc.pytorch.calls.log import log_of
from flopcalc.pytorch.counters import Figure, run_counter

BY_NAME = {trap.name: trap for trap in (*TRAPS, *MORE)}
EQUAL = (
    # The operators of a composite function in inference mode; those below vmap and forward differentiation.
    *("inference_convT", "vmap_linear", "vmap_dot", "vmap2", "conv_vmap", "jvp", "jacfwd", "linalg"),
    # Hooks of the outermost module; tensors in a field, which are no output; dots in an equation.
    *("hookpre2", "dataclass_output", "einsum_ellipsis"),
)


@pytest.mark.parametrize("tool", ["fvcore", "torchprofile"])
@pytest.mark.parametrize("name", EQUAL)
def test_a_preset_is_equal_to_the_tool(name: str, tool: str) -> None:
    """To the unit."""
    module, args, named = BY_NAME[name].build()
    module.eval()
    found = run_counter(tool, module, args, named)
    assert isinstance(found, Figure), found
    assert sum(one.amount for one in RULES[tool](log_of(module, args, named))) == found.value


def test_a_complex_convolution() -> None:
    """A trace has the real convolutions that it consists of."""
    module, args, named = BY_NAME["conv_complex"].build()
    found = run_counter("fvcore", module, args, named)
    assert isinstance(found, Figure), found
    assert sum(one.amount for one in RULES["fvcore"](log_of(module, args, named))) == found.value


def test_a_trace_leaves_the_process_as_it_was() -> None:
    """Its thread does not: the one that waits for it restores random numbers, flags and filters of warnings."""

    class Seeds(nn.Module):
        def forward(self, x: Any) -> Any:
            torch.manual_seed(3)
            torch.backends.cudnn.benchmark = not torch.backends.cudnn.benchmark
            return x * int(x.shape[0]) + torch.tensor(x.shape[0])

    module = Seeds()
    log = log_of(module, ((2, 3),))
    before, state = snapshots.of_process(), dict(vars(module))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert sum(one.amount for one in RULES["torchprofile"](log)) == 6
    after = snapshots.of_process()
    assert {what: (before[what], after[what]) for what in before if before[what] != after[what]} == {}
    assert vars(module) == state
    assert not caught


@pytest.mark.parametrize("name", ["mm_out", "bmm_out", "linmatmul"])
def test_a_product_into_a_tensor_that_is_given(name: str) -> None:
    """fvcore expects two tensors, and fails on three."""
    module, args, named = BY_NAME[name].build()
    assert isinstance(run_counter("fvcore", module, args, named), str)
    with pytest.raises(ToolFailsError):
        list(RULES["fvcore"](log_of(module, args, named)))
