"""Convolution as a sum of products of vectors."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import random_tensor
from torch.nn import functional as F  # noqa: N812

import flopcalc
from flopcalc.pytorch.layers import CPConv2d

# Its types have a test of their own; here a ratio is a number.
layer: Any = flopcalc.layer


def test_lebedev_second_layer() -> None:
    """AlexNet's conv2, one of its two groups: 48 -> 128, 5x5, rank 200.

    S T d^2 = 153,600 and R (S + 2 d + T) = 200 * 186 = 37,200 products per pixel: 4.13 times fewer.
    """
    e = layer("cp", 48, 128, k=5, hw=27, rank=200)
    assert (e.baseline.params, e.cost.params, e.cost.macs) == (153_600, 37_200, 37_200 * 27 * 27)
    assert round(float(1 / e.ratio("macs")), 2) == 4.13


def test_cp_is_a_sum_of_products_of_vectors() -> None:
    """Sum over r of out x in x column x row, as one kernel; each axis with its own stride and dilation."""
    module = CPConv2d(4, 6, (3, 5), stride=(2, 3), dilation=(2, 1), bias=True, rank=7, dtype=torch.float64)
    kernel = torch.einsum(
        "or,ri,rh,rw->oihw",
        module.expand.weight[:, :, 0, 0],
        module.reduce.weight[:, :, 0, 0],
        module.vertical.weight[:, 0, :, 0],
        module.horizontal.weight[:, 0, 0, :],
    )
    x = random_tensor(2, 4, 11, 13)
    expected = F.conv2d(x, kernel, module.expand.bias, stride=(2, 3), padding=(2, 2), dilation=(2, 1))
    assert torch.allclose(module(x), expected)
