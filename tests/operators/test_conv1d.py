"""Convolution of sequences, depthwise too."""

from fractions import Fraction
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import build, random_tensor, refused
from torch.nn import functional as F  # noqa: N812

from flopcalc import FlopcalcError, layer


def test_conv1d() -> None:
    """64 -> 128 over 100 steps by 5 taps: 64 * 128 * 5 weights; stride 2 with padding 2 leaves 50 positions."""
    e = layer("conv1d", 64, 128, k=5, hw=100, stride=2, bias=True)
    assert (e.in_shape, e.out_shape) == ((64, 100), (128, 50))
    assert (e.cost.params, e.cost.macs, e.cost.total("adds")) == (40_960 + 128, 40_960 * 50, 128 * 50)
    assert layer("conv1d", 8, groups=4, hw=10).ratio("macs") == Fraction(1, 4)
    assert layer("depthwise1d", 8, hw=10, multiplier=2).cost.macs == 8 * 2 * 3 * 10
    refused("c_in \\* multiplier", "depthwise1d", 8, 12)
    refused("groups = 3", "conv1d", 8, groups=3)


def test_conv1d_as_matrix() -> None:
    """Windows of the padded sequence times the weights; depthwise: each channel with its own filters."""
    x = random_tensor(2, 4, 9)
    windows = F.pad(x, (2, 2)).unfold(2, 5, 2)[..., ::2]
    module = build("conv1d", 4, 6, hw=9, stride=2, dilation=2)
    assert torch.allclose(module(x), torch.einsum("ncwk,ock->now", windows, module.weight))
    module = build("depthwise1d", 4, hw=9, stride=2, dilation=2, multiplier=2)
    filtered = torch.einsum("ncwk,cjk->ncjw", windows, module.weight.reshape(4, 2, 3))
    assert torch.allclose(module(x), filtered.reshape(2, 8, -1))


@pytest.mark.parametrize("size", ["k", "hw", "stride", "padding", "dilation"])
def test_a_second_axis_is_refused(size: str) -> None:
    """It was left out silently: a 3x5 kernel counted as one of 5."""
    for name in ("conv1d", "depthwise1d"):
        sizes: Any = {size: (2, 3)}
        with pytest.raises(FlopcalcError, match="works along one axis"):
            layer(name, 8, **sizes)
        flat = 0 if size == "padding" else 1
        same: Any = {size: (flat, 3)}
        one: Any = {size: 3}
        assert layer(name, 8, **same).cost == layer(name, 8, **one).cost
