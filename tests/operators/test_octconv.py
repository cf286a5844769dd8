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
    # The side and the axis that are odd, of the input and of the output at stride 2.
    for hw, message in (((5, 8), "5x8 input"), ((8, 5), "8x5 input")):
        with pytest.raises(FlopcalcError, match=f"the {message} cannot be halved"):
            layer("octconv", 16, hw=hw)
    for hw, message in (((6, 8), "3x4 output"), ((8, 6), "4x3 output")):
        with pytest.raises(FlopcalcError, match=f"the {message} cannot be halved"):
            layer("octconv", 16, hw=hw, stride=2, stride_by="pool")


def test_octconv_of_the_first_and_the_last_layer() -> None:
    """8 -> 16 on 4x4, 3x3, alpha 1/2 on one side: one side of the paths is left, 1 - 3/8 = 5/8 of a convolution.

    First: 8 * 8 at 16 positions and 8 * 8 at 4. Last: 4 * 16 at 16 and 4 * 16 at 4.
    """
    first, last = layer("octconv", 8, 16, hw=4, alpha_in=0), layer("octconv", 8, 16, hw=4, alpha_out=0)
    assert first.cost.params == last.cost.params == 9 * 128
    assert first.cost.macs == last.cost.macs == 9 * (64 * 16 + 64 * 4) == Fraction(5, 8) * 9 * 128 * 16
    assert (first.in_shape, first.out_shape) == ((8, 4, 4), (4 * 8 + 8, 2, 2))
    assert (last.in_shape, last.out_shape) == ((4 * 4 + 4, 2, 2), (16, 4, 4))
    # Pooling and two convolutions side by side; convolution, upsampling and sum.
    assert (first.cost.steps, last.cost.steps) == (2, 3)
    # Separate ratios: low 2 of 8 in, 8 of 16 out; high to high 6 * 8 at 16 positions, the others at 4.
    both = layer("octconv", 8, 16, hw=4, alpha_in="1/4", alpha_out="1/2")
    assert both.cost.macs == 9 * (6 * 8 * 16 + (2 * 8 + 2 * 8 + 6 * 8) * 4)


def test_octconv_at_a_stride() -> None:
    """8 -> 16, 8x8 to 4x4: high and low are pooled first; low 4x4 already has the size of the high output.

    At alpha 1/2: high to high 4 * 8 and low to high 4 * 8 at 16 positions, the two others at 4: 5/8 of 128 * 16.
    """
    given: dict[str, Any] = {"hw": 8, "stride": 2, "stride_by": "pool"}
    e = layer("octconv", 8, 16, **given)
    assert e.cost.macs == 9 * (2 * 32 * 16 + 2 * 32 * 4) == Fraction(5, 8) * 9 * 128 * 16
    # 4 channels to 16 positions and to 4, each from four values; low 4 channels to 4; sums of 8 * 16 and 8 * 4.
    assert e.cost.total("adds") == 4 * (4 * 16 + 4 * 4 + 4 * 4) + 8 * 16 + 8 * 4
    last = layer("octconv", 8, 16, alpha_out=0, **given)
    assert last.cost.macs == layer("conv", 8, 16, hw=8, stride=2).cost.macs
    with pytest.raises(FlopcalcError, match="it has a stride"):
        layer("octconv", 8, stride=2)
    with pytest.raises(FlopcalcError, match="the operator has 1 or 2"):
        layer("octconv", 8, stride=3, stride_by="pool")


@pytest.mark.parametrize(("stride", "takes", "gives"), [(1, 0, 1), (1, 1, 0), (2, 1, 1), (2, 0, 1), (2, 1, 0)])
def test_octconv_variants_by_their_definition(stride: int, takes: int, gives: int) -> None:
    """The paths that there are, with pooling before the convolutions."""
    given: dict[str, Any] = {name: 0 for name, there in (("alpha_in", takes), ("alpha_out", gives)) if not there}
    module = OctConv2d(8, 12, 3, stride=stride, alpha="1/4", stride_by="pool", dtype=torch.float64, **given)
    x = (random_tensor(2, 6, 8, 8), random_tensor(2, 2, 4, 4, seed=1)) if takes else random_tensor(2, 8, 8, 8)
    high, low = x if isinstance(x, tuple) else (x, None)

    def conv(y: Tensor, layer: Any) -> Tensor:
        return F.conv2d(y, layer.weight, padding=1)

    def pool(y: Tensor) -> Tensor:
        return F.avg_pool2d(y, 2)

    high = pool(high) if stride == 2 else high
    expected = conv(high, module.high_high)
    if low is not None:
        lifted = conv(low, module.low_high)
        expected = expected + (lifted if stride == 2 else lifted.repeat_interleave(2, 2).repeat_interleave(2, 3))
    out = module(x)
    assert torch.allclose(out[0] if gives else out, expected)
    if gives:
        small = conv(pool(high), module.high_low)
        if low is not None:
            small = small + conv(pool(low) if stride == 2 else low, module.low_low)
        assert torch.allclose(out[1], small)
