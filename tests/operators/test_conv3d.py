"""Convolution of volumes, depthwise too."""

from fractions import Fraction
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import build, random_tensor, refused
from torch.nn import functional as F  # noqa: N812

from flopcalc import layer


def test_conv3d() -> None:
    """C3D's first layer, 3 -> 64 by 3x3x3 on 16 frames of 112 x 112: 5184 weights at 200,704 positions."""
    e = layer("conv3d", 3, 64, hw=112, depth=16, bias=True)
    assert (e.in_shape, e.out_shape) == ((3, 16, 112, 112), (64, 16, 112, 112))
    assert (e.cost.params, e.cost.macs) == (5184 + 64, 5184 * 200_704)
    # Depth as the height when not given; stride 2 halves all three: 4 * 4 * 4.
    assert layer("conv3d", 2, hw=8, stride=2).cost.macs == 2 * 2 * 27 * 64
    # The depth takes k = 5 and stride 3 of the height: (7 + 4 - 5) // 3 + 1 = 3.
    e = layer("conv3d", 2, k=(5, 1), hw=(9, 6), stride=(3, 1), depth=7)
    assert (e.out_shape, e.cost.macs) == ((2, 3, 3, 6), 4 * 25 * 54)
    assert layer("conv3d", 8, groups=4, hw=6).ratio("macs") == Fraction(1, 4)
    assert layer("depthwise3d", 8, hw=6, multiplier=2).cost.params == 8 * 2 * 27
    assert layer("depthwise3d", 8, hw=6).ratio("params") == Fraction(1, 8)
    refused("does not fit the depth 2", "conv3d", 4, padding=0, depth=2)


def test_conv3d_is_a_sum_over_slices() -> None:
    """Two-dimensional convolutions of neighbouring slices, added up."""
    x = F.pad(random_tensor(1, 4, 3, 6, 5), (0, 0, 0, 0, 1, 1))
    for name, groups, out in (("conv3d", 1, 6), ("depthwise3d", 4, 4)):
        module = build(name, 4, out, hw=(6, 5), depth=3)
        slices = [
            sum(F.conv2d(x[:, :, z + t], module.weight[:, :, t], padding=1, groups=groups) for t in range(3))
            for z in range(3)
        ]
        assert torch.allclose(module(x[:, :, 1:-1]), torch.stack(slices, 2))
