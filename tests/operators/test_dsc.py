"""Depthwise separable convolution: a convolution with a factored kernel."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import random_tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc.pytorch.layers import DepthwiseSeparableConv2d


def test_dsc_is_a_convolution_with_a_factored_kernel() -> None:
    """pointwise[o, c] * depthwise[c, i, j] as one dense kernel gives the same output."""
    module = DepthwiseSeparableConv2d(4, 6, 3, stride=2, dtype=torch.float64)
    depthwise, pointwise = module.depthwise.conv.weight, module.pointwise.conv.weight
    dense = pointwise * depthwise.transpose(0, 1)
    x = random_tensor(2, 4, 9, 8)
    assert torch.allclose(module(x), F.conv2d(x, dense, stride=2, padding=1))
