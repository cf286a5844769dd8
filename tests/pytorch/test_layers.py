"""Layers as modules: they follow torch's conventions, refuse as the formulas do, and keep shapes."""

from collections.abc import Callable
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import random_tensor
from torch import nn

from flopcalc import FlopcalcError, layer
from flopcalc.pytorch import build_layer
from flopcalc.pytorch.layers import CompConv2d, GhostConv2d, SIC2d, SPConv2d


def test_layers_are_torch_citizens() -> None:
    """device, dtype, state_dict and half of the arguments of Conv2d work as in torch."""
    module = SPConv2d(8, 8, (3, 5), stride=(2, 1), dilation=2, device="meta", dtype=torch.float16)
    assert {(p.device.type, p.dtype) for p in module.parameters()} == {("meta", torch.float16)}
    one, other = SPConv2d(8, 8, 3, norm=True), SPConv2d(8, 8, 3, norm=True)
    other.load_state_dict(one.state_dict())
    x = torch.randn(1, 8, 6, 6)
    assert torch.equal(one.eval()(x), other.eval()(x))
    half = CompConv2d(16, 28, 3, depth=2, dtype=torch.bfloat16)
    assert half(torch.randn(1, 16, 5, 5, dtype=torch.bfloat16)).dtype == torch.bfloat16
    moved = CompConv2d(16, 28, 3, depth=2).to(torch.float64)
    assert moved(random_tensor(1, 16, 5, 5)).dtype == torch.float64


def test_impossible_layers_are_refused_like_in_the_formula() -> None:
    """The rules are the operator's, so module and formula refuse alike."""
    makers: tuple[Callable[[], nn.Module], ...] = (
        lambda: SPConv2d(63, 64, 3),
        lambda: CompConv2d(3, 64, 3, depth=3),
        lambda: SIC2d(4, 6, 3),
        lambda: SPConv2d(8, 8, 3, padding=0),
        lambda: GhostConv2d(8, 8, 3, d=2),
    )
    for make in makers:
        with pytest.raises(FlopcalcError, match="does not apply"):
            make()


def test_a_replaced_layer_keeps_the_output_shape() -> None:
    """Strides and odd sizes give what the plain convolution gives."""
    for hw in (7, 8, 15):
        for stride in (1, 2, 3):
            plain = nn.Conv2d(16, 32, 3, stride, 1)(torch.zeros(1, 16, hw, hw)).shape
            for name in ("dsc", "ghost", "spconv", "compconv"):
                e = layer(name, 16, 32, hw=hw, stride=stride, **({"depth": 2} if name == "compconv" else {}))
                assert build_layer(e)(torch.zeros(1, 16, hw, hw)).shape == plain
