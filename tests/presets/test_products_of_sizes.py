"""Arithmetic on sizes and branches on their class: presets of tools that trace count what a trace by torch.jit has."""

import collections.abc
import math
import operator
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import pytest
from helpers import import_torchvision

torch = pytest.importorskip("torch")
pytest.importorskip("torchprofile")
pytest.importorskip("fvcore")

from torch import nn
from torch.nn import functional

from flopcalc.presets.call import ToolFailsError
from flopcalc.presets.registry import RULES
from flopcalc.pytorch.calls.log import log_of
from flopcalc.pytorch.counters import Figure, run_counter

Function = Callable[[Any], Any]
SHAPE = (4, 6, 8, 10)


def same_padding(n: Any) -> Any:
    """As libraries write it: other functions where sizes are tensors."""
    if isinstance(n, torch.Tensor):
        return torch.clamp(((n / 3).ceil() - 1) * 3 - n, min=0)
    return max((math.ceil(n / 3) - 1) * 3 - n, 0)


def scaled(x: Any) -> Any:
    """A float that is multiplied by each size in place."""
    scale = 1.0
    for size in x.shape:
        scale *= size
    return x / scale


def filled(x: Any) -> Any:
    """A copy of which a part, as wide as a size says, is overwritten."""
    y = x.clone()
    y[:, : int(0.5 * x.shape[1])] = x.shape[2] * 2
    return y


FUNCTIONS: dict[str, Function] = {
    "a product": lambda x: x.new_zeros(x.shape[0] * 2),
    "an int of a product": lambda x: x.new_zeros(int(x.shape[0] * 2)),
    "a float of a product": lambda x: x + float(x.shape[0] * 2),
    "a product with a fraction": lambda x: x + x.shape[0] * 2.5,
    "a quotient": lambda x: x + x.shape[0] / 2,
    "a product of a quotient": lambda x: x + x.shape[0] / 2 * 3,
    "a number by a product": lambda x: x + 1 / (x.shape[2] * x.shape[3]),
    "the larger ratio": lambda x: x + max(x.shape[3] / x.shape[2], 1.0) * 3,
    "rounding": lambda x: x.new_zeros(math.floor(x.shape[0] / 2) * 3),
    "a power": lambda x: x + (x.shape[0] ** -0.5) * 2,
    "a root": lambda x: x * math.sqrt(x.shape[0] * 3),
    "halves": lambda x: x.view(x.shape[0] * (x.shape[1] // 2), -1),
    "a remainder": lambda x: functional.pad(x, (0, (3 - x.shape[2] % 3) % 3 * 2)),
    "an absolute value": lambda x: x.new_zeros(abs(x.shape[0] * -2)),
    "an interpolation": lambda x: functional.interpolate(x, size=(x.shape[2] * 2, x.shape[3] * 2)),
    "a recomputed scale": lambda x: functional.interpolate(x, scale_factor=2.0, recompute_scale_factor=True),
    "a split": lambda x: x.split(x.size(0) * 1 // 2)[0],
    "a tensor of sizes": lambda x: torch.tensor([x.size(0) * 2, x.size(1)]),
    "a slice": lambda x: x[: x.size(0) * 1 // 2],
    "a scale": lambda x: functional.scaled_dot_product_attention(x, x, x, scale=x.size(-1) ** -0.5),
    "distances of positions": lambda x: (
        torch.arange(x.shape[2])[:, None] * max(x.shape[3] / x.shape[2], 1.0)
        - (torch.arange(x.shape[3])[None, :] + (1.0 - x.shape[3])) * max(x.shape[2] / x.shape[3], 1.0)
    ),
    "a fraction by a size": lambda x: x + 0.5 * x.shape[2],
    "an int of a fraction by a size": lambda x: x.new_zeros(int(0.5 * x.shape[2])),
    "a fraction by a product": lambda x: x + 0.5 * (x.shape[2] * x.shape[3]),
    "a fraction and a product": lambda x: x + (0.5 + x.shape[2] * x.shape[3]),
    "a fraction less a product": lambda x: x + (0.5 - x.shape[2] * x.shape[3]),
    "one divided by a size": lambda x: x + 1.0 / x.shape[2],
    "a fraction by a size, twice": lambda x: (x + 0.5 * x.shape[2]) / (0.5 * x.shape[2]),
    "a power of a fraction": lambda x: x + 2.0 ** (x.shape[2] * 1),
    "a fraction modulo a product": lambda x: x + 20.5 % (x.shape[2] * 2),
    "a fraction in place": scaled,
    "a sum of fractions": lambda x: x + sum(0.5 * size for size in x.shape),
    "the largest of fractions": lambda x: x + max([0.5 * size for size in x.shape]),
    "the smallest": lambda x: x + min(x.shape[2] * 2, x.shape[3] * 3),
    "an infinite limit": lambda x: x + min(x.shape[2] * 2, float("inf")),
    "a square": lambda x: x + x.shape[2] ** 2 + pow(x.shape[3], 2.0),
    "a negative": lambda x: x + -x.shape[2] + -(x.shape[2] * 2) + +(x.shape[3] * 2),
    "bits": lambda x: x + ((x.shape[2] * 2 & 7) | (x.shape[3] * 2 >> 1)) + (x.shape[2] << 1) + ~(x.shape[3] * 2),
    "a comparison as a number": lambda x: x + (x.shape[2] > 4) * x.shape[3] + True * x.shape[2],
    "a branch on a comparison": lambda x: x + (x.shape[2] * 2 if x.shape[2] * 2 == 16 else 0),
    "a truth value": lambda x: x + 1 if x.shape[2] * 2 else x,
    "a list of sizes": lambda x: x.new_zeros([x.shape[2] * 2, 3]),
    "a list of ints of fractions": lambda x: x.new_zeros([int(size * 0.5) for size in x.shape]),
    "a sum of shapes": lambda x: x.new_zeros((*x.shape[:2], x.shape[2] * 2)),
    "all sizes multiplied": lambda x: x.view(-1, reduce(operator.mul, x.shape[1:])) / math.prod(x.shape),
    "the number of elements": lambda x: x / (x.numel() * 2) + x.shape.numel() * 2 + len(x) * 2 + x.stride(0) * 2,
    "by NumPy": lambda x: x + float(np.float64(0.5) * x.shape[2]) + float(np.prod(x.shape)) + np.sqrt(x.shape[2] * 2),
    "by Python's operators": lambda x: x + operator.mul(0.5, x.shape[2]),
    "a complex number": lambda x: x + abs(1j * x.shape[2]),
    "a tensor of a size": lambda x: x + torch.tensor(x.shape[2] * 2) + torch.tensor(0.5 * x.shape[3]),
    "a tensor of a size, doubled": lambda x: x + torch.tensor(x.shape[2]) * 2,
    "a tensor of a shape": lambda x: x + (torch.as_tensor(x.shape) * 2).sum() + (0.5 * torch.tensor(x.shape)).sum(),
    "a tensor like another": lambda x: x + x.new_tensor(x.shape[2] * 2) + x.new_tensor([x.shape[2] * 2]),
    "a number of a tensor": lambda x: x + torch.tensor(x.shape[2] * 2).item(),
    "constants of a size": lambda x: x.new_full((1,), 0.5 * x.shape[2]) + torch.full_like(x, x.shape[3] * 2),
    "a range": lambda x: x + sum(i * 2 for i in range(x.shape[2])) + torch.arange(x.shape[3] * 1),
    "positions of a grid": lambda x: 2.0 * torch.arange(x.shape[3]) / (0.5 * x.shape[3]) - 1.0,
    "one kernel size": lambda x: functional.avg_pool2d(x, x.shape[2] * 1),
    "kernel sizes": lambda x: functional.max_pool2d(x, (x.shape[2] * 1 // 2, x.shape[3] * 1 // 2)),
    "an axis": lambda x: x.sum(x.shape[0] * 1 - 3).roll(x.shape[2] * 1 // 2, 1),
    "an index": lambda x: x[x.shape[0] * 1 - 1, : int(0.5 * x.shape[1])],
    "a part that is overwritten": filled,
    "limits": lambda x: x.clamp(max=0.5 * x.shape[2]).masked_fill(x > 0, x.shape[3] * 2),
    "a choice": lambda x: torch.where(x > 0, x.shape[2] * 2, 0.5 * x.shape[3]),
    "a size less a tensor": lambda x: x.shape[2] - x + x.shape[2] / x + x.shape[3] * x,
    "a text": lambda x: x + len(f"{x.shape[2] * 2}"),
    "a result that nothing uses": lambda x: (0.5 * x.shape[2] * x.shape[3], x)[1],
    "an output": lambda x: (x, torch.tensor(x.shape[2] * 2)),
    "the padding of libraries": lambda x: functional.pad(x, (0, same_padding(x.shape[2]))),
    "a question for an int": lambda x: x + (x.shape[2] * 2 if isinstance(x.shape[2], int) else x.shape[2]),
    "a question for several": lambda x: x * (1 if isinstance(x.shape[2], collections.abc.Iterable) else x.shape[2] * 2),
    "a question for an attribute": lambda x: x + (1 if hasattr(x.shape[2], "item") else 2 * x.shape[2]),
    "a question for a trace": lambda x: x * 2 if torch.jit.is_tracing() else x,
    "a question for the tracer": lambda x: functional.linear(x, x[0, 0]) if torch._C._get_tracing_state() else x,
}

# A size in a trace has no such method.
FAIL: dict[str, Function] = {
    "rounding": lambda x: x + round(x.shape[2] * 0.3),
    "a quotient with its remainder": lambda x: x + divmod(x.shape[2] * 2, 3)[0],
    "bits of an int": lambda x: x + (x.shape[2] * 2).bit_length(),
    "a whole number": lambda x: x + math.trunc(0.5 * x.shape[2]),
    "a factor": lambda x: functional.interpolate(x, scale_factor=0.5 * x.shape[2]),
}


class Calls(nn.Module):
    """A module of one function."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Any) -> Any:
        """Its value."""
        return self.function(x)


@pytest.mark.parametrize("tool", ["torchprofile", "fvcore"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_preset_counts_what_a_trace_has(name: str, tool: str) -> None:
    """The tool runs beside it, on the same function."""
    module = Calls(FUNCTIONS[name])
    found = run_counter(tool, module, (SHAPE,))
    assert isinstance(found, Figure), found
    assert sum(one.amount for one in RULES[tool](log_of(module, (SHAPE,)))) == found.value


def test_products_of_sizes_have_a_name_of_their_own() -> None:
    """One product of two sizes, and one for each element."""
    log = log_of(Calls(lambda x: x.view(x.shape[0] * x.shape[1], -1) * 3), (SHAPE,))
    assert [(one.what, one.amount) for one in RULES["torchprofile"](log)] == [
        ("products of sizes, which a trace records", 1),
        ("element-wise products", math.prod(SHAPE)),
    ]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", FAIL)
def test_a_preset_says_where_a_trace_fails(name: str) -> None:
    """The tool raises the same error."""
    module = Calls(FAIL[name])
    found = run_counter("torchprofile", module, (SHAPE,))
    assert isinstance(found, str)
    with pytest.raises(ToolFailsError) as raised:
        list(RULES["torchprofile"](log_of(module, (SHAPE,))))
    assert found[:60] in str(raised.value)


def test_a_trace_that_fails_leaves_nothing_behind() -> None:
    """Torch keeps the size that it has read for the thread, and the next trace of a view would find it."""

    def view(x: Any) -> Any:
        return x.view(x.shape[0], "none" if torch.jit.is_tracing() else -1)

    log = log_of(Calls(view), (SHAPE,))
    with pytest.raises(ToolFailsError):
        list(RULES["torchprofile"](log))
    assert isinstance(run_counter("torchprofile", Calls(view), (SHAPE,)), str)
    graph, _ = torch.jit._get_trace_graph(Calls(lambda x: x.view(x.shape[0], -1)), (torch.ones(SHAPE),))
    assert "aten::view" in str(graph)


def test_the_module_of_an_operator_of_a_trace() -> None:
    """Each operator is that of the module that calls it, the outermost one included."""
    module = nn.Sequential(nn.Linear(10, 3), nn.Sequential(Calls(lambda x: x * 2)))
    log = log_of(module, (SHAPE,))
    found = {call.name: log.nodes[call.node].name for call in log.operators}
    assert found == {"aten::linear": "0", "aten::mul": "1.0"}
    assert {log.nodes[call.node].name for call in log_of(Calls(lambda x: x * 2), (SHAPE,)).operators} == {""}


def test_the_padding_of_timm() -> None:
    """Its function for tensors has one product for each axis."""
    import_torchvision()
    padding = pytest.importorskip("timm.layers.padding")
    module = Calls(lambda x: padding.pad_same(x, [3, 3], [2, 2]))
    found = run_counter("torchprofile", module, (SHAPE,))
    assert isinstance(found, Figure)
    assert sum(one.amount for one in RULES["torchprofile"](log_of(module, (SHAPE,)))) == found.value == 2
