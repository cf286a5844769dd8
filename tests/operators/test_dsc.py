"""Depthwise separable convolution: a convolution with a factored kernel."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import random_tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc import layer
from flopcalc.pytorch.layers import DepthwiseSeparableConv2d


def test_dsc_is_a_convolution_with_a_factored_kernel() -> None:
    """pointwise[o, c] * depthwise[c, i, j] as one dense kernel gives the same output."""
    module = DepthwiseSeparableConv2d(4, 6, 3, stride=2, dtype=torch.float64)
    depthwise, pointwise = module.depthwise.conv.weight, module.pointwise.conv.weight
    dense = pointwise * depthwise.transpose(0, 1)
    x = random_tensor(2, 4, 9, 8)
    assert torch.allclose(module(x), F.conv2d(x, dense, stride=2, padding=1))


def test_dsc_with_a_multiplier() -> None:
    """Two filters for each channel, then a 1x1 of all: output c * 2 + j of the first is filter j of channel c."""
    module = DepthwiseSeparableConv2d(4, 6, 3, multiplier=2, dtype=torch.float64)
    depthwise, pointwise = module.depthwise.conv.weight, module.pointwise.conv.weight
    dense = torch.zeros(6, 4, 3, 3, dtype=torch.float64)
    for c in range(4):
        for j in range(2):
            dense[:, c] += pointwise[:, 2 * c + j, 0, 0, None, None] * depthwise[2 * c + j, 0]
    x = random_tensor(2, 4, 9, 8)
    assert torch.allclose(module(x), F.conv2d(x, dense, padding=1))
    # 4 * 2 filters of 9 taps, and 8 * 6 weights, at 56 * 56 positions.
    e = layer("dsc", 4, 6, multiplier=2)
    assert (e.cost.params, e.cost.macs) == (72 + 48, (72 + 48) * 56 * 56)
