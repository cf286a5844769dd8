"""Transposed convolution: the gradient of a convolution."""

from fractions import Fraction
from itertools import product
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import build, random_tensor, refused
from torch import nn
from torch.nn import functional as F  # noqa: N812

from flopcalc import layer


def test_transposed() -> None:
    """DCGAN's two kinds: 1x1 -> 4x4 by a 4x4 kernel, then doubling by 4x4 at stride 2, padding 1."""
    first = layer("transposed", 100, 512, k=4, hw=1, padding=0)
    assert (first.out_shape, first.cost.params, first.cost.macs) == ((512, 4, 4), 819_200, 819_200)
    double = layer("transposed", 512, 256, k=4, hw=4, stride=2, padding=1)
    # 16 input positions; a convolution that writes 8 x 8 would take four times as many.
    assert (double.out_shape, double.cost.macs) == ((256, 8, 8), 512 * 256 * 16 * 16)
    assert double.ratio("macs") == Fraction(1, 4)
    assert double.cost.activations == 256 * 64
    # (5 - 1) * 2 - 2 + 2 + 1 + 1 = 10 with output padding, and 9 without.
    assert layer("transposed", 6, hw=5, stride=2, output_padding=1, bias=True).cost.total("adds") == 6 * 100
    assert layer("transposed", 6, hw=5, stride=2).out_shape == (6, 9, 9)
    assert layer("transposed", 6, 9, groups=3).cost.params == 6 * 9 * 9 // 3
    refused("output_padding = 2", "transposed", 6, stride=2, output_padding=2)
    refused("groups = 4", "transposed", 6, groups=4)


def test_output_padding_is_that_of_torch() -> None:
    """What torch refuses, and no more, along both axes."""
    for stride, dilation in product(((1, 1), (2, 3), (3, 1)), ((1, 1), (1, 3), (3, 2), (2, 2))):
        for extra in (0, 1, 2, 3):
            module = nn.ConvTranspose2d(1, 1, 3, stride, dilation, output_padding=extra, dilation=dilation)
            given: dict[str, Any] = {"stride": stride, "dilation": dilation, "output_padding": extra, "hw": 5}
            if extra < min(map(max, zip(stride, dilation, strict=True))):
                assert layer("transposed", 1, **given).out_shape == module(torch.ones(1, 1, 5, 5)).shape[1:]
            else:
                refused(f"output_padding = {extra} is not less", "transposed", 1, **given)
                with pytest.raises(RuntimeError, match="output padding must be smaller"):
                    module(torch.ones(1, 1, 5, 5))


def test_transposed_is_the_gradient_of_a_convolution() -> None:
    """<conv(y), x> = <y, transposed(x)> for all y: the transpose of conv as a matrix."""
    module = build("transposed", 6, 4, hw=(4, 5), stride=(2, 1), groups=2, dilation=2)
    x = random_tensor(2, 6, 4, 5)
    out = module(x)
    y = torch.cos(torch.arange(out.numel(), dtype=torch.float64)).reshape(out.shape)
    there = F.conv2d(y, module.weight, stride=(2, 1), padding=2, dilation=2, groups=2)
    assert torch.allclose((there * x).sum(), (y * out).sum())
