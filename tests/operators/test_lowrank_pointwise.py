"""Pointwise convolution of low rank: two matrices in the place of one."""

from fractions import Fraction
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import build, random_tensor, refused
from torch.nn import functional as F  # noqa: N812

from flopcalc import layer
from flopcalc.spec.equations import readings


def test_lowrank_pointwise() -> None:
    """N = 64 by M = 16: 2 * 64 * 16 = 2048 of 4096 weights, 2 M / N = 1/2; the printed 2 N / M would be 8."""
    e = layer("lowrank_pointwise", 64)
    assert (e.derived["m"], e.cost.params, e.ratio("params")) == (16, 2048, Fraction(1, 2))
    assert e.cost.macs == 2048 * 56 * 56
    reading = next(one for one in readings(e) if one.equation.status == "corrected")
    assert (reading.printed, reading.right, reading.value) == (8, Fraction(1, 2), Fraction(1, 2))
    # M = N / 2 costs the same as without; 6 -> 10 by 3 at stride 2 on 7 x 7: (18 + 30) * 16.
    assert layer("lowrank_pointwise", 64, mid=32).ratio("macs") == 1
    assert layer("lowrank_pointwise", 6, 10, hw=7, stride=2, mid=3).cost.macs == 48 * 16
    refused("at least one channel", "lowrank_pointwise", 8, 3)
    refused("kernel is 3x3", "lowrank_pointwise", 8, k=3)


def test_lowrank_pointwise_is_a_matrix_of_low_rank() -> None:
    """The product of both matrices, of rank 2, in one 1x1 convolution."""
    module, x = build("lowrank_pointwise", 6, 8, hw=5, stride=2), random_tensor(2, 6, 5, 5)
    matrix = module.expand.weight[:, :, 0, 0] @ module.reduce.weight[:, :, 0, 0]
    assert torch.linalg.matrix_rank(matrix) == 2
    assert torch.allclose(module(x), F.conv2d(x, matrix[:, :, None, None], stride=2))
