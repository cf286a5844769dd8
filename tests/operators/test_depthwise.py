"""Depthwise convolution: each channel has filters of its own."""

from fractions import Fraction
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import build, random_tensor, refused
from torch.nn import functional as F  # noqa: N812

from flopcalc import layer


def test_depthwise() -> None:
    """128 channels, 3x3, with bias: 128 * 9 + 128 = 1280 (the slides' MobileNet block)."""
    assert layer("depthwise", 128, bias=True).cost.params == 1280
    e = layer("depthwise", 8, multiplier=3, hw=10, stride=2)
    # 8 * 3 filters of 9 taps on 5 x 5 outputs.
    assert (e.geometry.c_out, e.cost.params, e.cost.macs) == (24, 216, 216 * 25)
    assert layer("depthwise", 64).ratio("macs") == Fraction(1, 64)
    assert layer("depthwise", 8, groups=8).cost.macs == layer("depthwise", 8).cost.macs
    refused("c_in \\* multiplier", "depthwise", 8, 12)
    refused("groups = 2", "depthwise", 8, groups=2)


def test_depthwise_filters_each_channel_by_itself() -> None:
    """Output 2 c + j is channel c under filter j, nothing else."""
    module, x = build("depthwise", 3, multiplier=2, stride=2), random_tensor(1, 3, 9, 8)
    one_by_one = [F.conv2d(x[:, i // 2 : i // 2 + 1], module.conv.weight[i : i + 1], None, 2, 1) for i in range(6)]
    assert torch.allclose(module(x), torch.cat(one_by_one, 1))
