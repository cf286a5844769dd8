"""Octave convolution: low and high frequencies on grids of their own."""

from fractions import Fraction
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import random_tensor
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc import FlopcalcError, layer
from flopcalc.pytorch.layers import OctConv2d


def test_octconv_by_hand() -> None:
    """8 -> 16 at alpha 1/4, 4x4: low 2 and 4, high 6 and 12; the small grid is 2x2.

    Weights 9 (6*12 + 2*12 + 2*4 + 6*4) = 9 * 128, as a convolution. MACs 9 (16*72 + 4*24 + 4*8 + 4*24) =
    9 * 1376; the printed factor 1 - 3/4 * 1/4 * 7/4 = 43/64, and 43/64 * 16 * 128 = 1376.
    Element-wise: sums 12*16 + 4*4 = 208 adds, pooling 6*4*4 = 96 adds and 24 divisions.
    """
    e = layer("octconv", 8, 16, hw=4, alpha="1/4")
    assert (e.cost.params, e.cost.macs) == (9 * 128, 9 * 1376)
    assert (e.cost.total("adds"), e.cost.total("other")) == (208 + 96, 24)
    assert e.ratio("macs") == Fraction(43, 64)
    # low -> high: convolution, upsampling, sum; no other path is longer.
    assert e.cost.steps == 3
    # Upsampling reads 12 * 4 elements and writes 12 * 16.
    assert next(part for part in e.cost if part.name == "upsample").traffic == 12 * 4 + 12 * 16


@pytest.mark.parametrize(("alpha", "printed"), [("1/8", 82), ("1/4", 67), ("1/2", 44), ("3/4", 30), ("7/8", 26)])
def test_octconv_printed_savings(alpha: str, printed: int) -> None:
    """The paper's table of relative FLOPs, in per cent: 1 - 3/4 a (2 - a), printed without decimals.

    1/8: 0.8242; 1/4: 0.6719; 1/2: 0.4375; 3/4: 0.2969; 7/8: 0.2617.
    """
    ratio = layer("octconv", 64, alpha=alpha).ratio("macs")
    a = Fraction(alpha)
    assert ratio == 1 - Fraction(3, 4) * a * (2 - a)
    assert round(ratio * 100) == printed


def test_octconv_by_its_definition() -> None:
    """Pooling and upsampling written out with reshapes and repeats."""
    module = OctConv2d(8, 12, 3, alpha="1/4", dtype=torch.float64)
    high, low = random_tensor(2, 6, 6, 8), random_tensor(2, 2, 3, 4, seed=1)
    pooled = high.reshape(2, 6, 3, 2, 4, 2).mean((3, 5))

    def conv(x: Tensor, layer: Any) -> Tensor:
        return F.conv2d(x, layer.weight, padding=1)

    up = conv(low, module.low_high).repeat_interleave(2, 2).repeat_interleave(2, 3)
    out_high, out_low = module((high, low))
    assert torch.allclose(out_high, conv(high, module.high_high) + up)
    assert torch.allclose(out_low, conv(low, module.low_low) + conv(pooled, module.high_low))
    assert out_high.shape == (2, 9, 6, 8)
    assert out_low.shape == (2, 3, 3, 4)


def test_octconv_refuses() -> None:
    """Odd sizes, strides, and an alpha that leaves a side without low or high channels."""
    for options in ({"hw": 7}, {"stride": 2}, {"alpha": 1}, {"alpha": "1/32"}, {"padding": 0}):
        with pytest.raises(FlopcalcError, match="does not apply"):
            layer("octconv", 16, **options)
