"""Arithmetic on sizes: the preset of torchprofile counts the products that a trace by torch.jit has."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from helpers import import_torchvision

torch = pytest.importorskip("torch")
pytest.importorskip("torchprofile")

from torch import nn
from torch.nn import functional

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
}


class Calls(nn.Module):
    """A module of one function."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Any) -> Any:
        """Its value."""
        return self.function(x)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_preset_counts_the_products_of_a_trace(name: str) -> None:
    """torchprofile runs beside it, on the same function."""
    module = Calls(FUNCTIONS[name])
    found = run_counter("torchprofile", module, (SHAPE,))
    assert isinstance(found, Figure), found
    log = log_of(module, (SHAPE,))
    assert sum(one.amount for one in RULES["torchprofile"](log)) == found.value
    assert not log.by_class


def test_a_function_that_looks_at_the_class_of_a_size() -> None:
    """It computes otherwise in a trace; what it does there is not known, and the log says so."""
    module = Calls(lambda x: functional.pad(x, (0, same_padding(x.shape[2]))))
    assert log_of(module, (SHAPE,)).by_class


def test_the_padding_of_timm() -> None:
    """Its function for tensors has one product for each axis."""
    import_torchvision()
    padding = pytest.importorskip("timm.layers.padding")
    module = Calls(lambda x: padding.pad_same(x, [3, 3], [2, 2]))
    found = run_counter("torchprofile", module, (SHAPE,))
    assert isinstance(found, Figure)
    log = log_of(module, (SHAPE,))
    assert sum(one.amount for one in RULES["torchprofile"](log)) == found.value == 2
    assert not log.by_class
