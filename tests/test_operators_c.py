"""MixConv, octave, shift, group-equivariant and adder convolutions, and low-rank factorisations.

What each module does, against an independent computation, and numbers worked out by hand.
"""

from fractions import Fraction
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc import FlopcalcError, layer
from flopcalc.pytorch.layers import ConvShiftConv2d, MixConv2d, OctConv2d, Shift2d


def _random(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    out: Tensor = torch.randn(*shape, dtype=torch.float64, generator=generator)
    return out


# MixConv ---------------------------------------------------------------------------------------


def test_mixconv_by_hand() -> None:
    """64 = 22 + 21 + 21 with kernels 3, 5, 7: 22 * 9 + 21 * 25 + 21 * 49 = 1752 weights."""
    e = layer("mixconv", 64, hw=10)
    assert (e.derived["c_first"], e.derived["c_rest"]) == (22, 21)
    assert (e.cost.params, e.cost.macs) == (1752, 1752 * 100)
    # The convolutions run side by side, then the concatenation.
    assert e.cost.steps == 2
    # One kernel is a depthwise convolution, without a concatenation.
    one = layer("mixconv", 64, hw=10, kernels=(5,))
    assert (one.cost.params, one.cost.steps) == (64 * 25, 1)


def test_mixconv_is_one_grouped_convolution() -> None:
    """All kernels padded to 7 x 7 with zeros give the same output in one depthwise convolution."""
    module = MixConv2d(8, 8, 3, stride=2, dilation=2, dtype=torch.float64)
    weights = [conv.weight for conv in module.depthwise.values()]
    # 8 channels in three parts: 8 // 3 = 2, and the first takes the remainder.
    assert [tuple(w.shape) for w in weights] == [(4, 1, 3, 3), (2, 1, 5, 5), (2, 1, 7, 7)]
    dense = torch.cat([F.pad(w, [(7 - w.shape[-1]) // 2] * 4) for w in weights])
    x = _random(2, 8, 15, 18)
    assert torch.allclose(module(x), F.conv2d(x, dense, stride=2, padding=6, dilation=2, groups=8))


@pytest.mark.parametrize("kernels", [(3, 4), (3, 3), (1, 3, 5, 7, 9)])
def test_mixconv_refuses(kernels: tuple[int, ...]) -> None:
    """Even sizes, a size twice, more kernels than channels."""
    with pytest.raises(FlopcalcError, match="cannot stand"):
        layer("mixconv", 4, kernels=kernels)
    assert layer("mixconv", 4, groups=4).cost.params == 2 * 9 + 25 + 49


# Octave convolution ----------------------------------------------------------------------------


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
    # low -> high: convolution, upsampling, sum; the other paths are no longer.
    assert e.cost.steps == 3
    # Upsampling reads 12 * 4 elements and writes 12 * 16.
    assert next(part for part in e.cost if part.name == "upsample").traffic == 12 * 4 + 12 * 16


@pytest.mark.parametrize(
    ("alpha", "printed"),
    [("1/8", 82), ("1/4", 67), ("1/2", 44), ("3/4", 30), ("7/8", 26)],
)
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
    high, low = _random(2, 6, 6, 8), _random(2, 2, 3, 4, seed=1)
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
        with pytest.raises(FlopcalcError, match="cannot stand"):
            layer("octconv", 16, **options)


# Shift -----------------------------------------------------------------------------------------


def test_shift_by_hand() -> None:
    """10 channels, 3x3, 4x5: padding reads 200 elements and writes 10 * 6 * 7, the windows move 200."""
    e = layer("shift_only", 10, hw=(4, 5))
    assert (e.cost.params, e.cost.macs, e.cost.flops, e.cost.activations) == (0, 0, 0, 0)
    assert (e.cost.traffic, e.cost.steps) == (200 + 420 + 200 + 200, 2)


@pytest.mark.parametrize(("kernel", "dilation"), [((3, 3), 1), ((3, 5), 1), ((3, 3), 2)])
def test_shift_is_a_depthwise_convolution_with_one_hot_kernels(kernel: tuple[int, int], dilation: int) -> None:
    """Channel groups in the order of the taps; what does not divide stays with the centre."""
    area = kernel[0] * kernel[1]
    channels = 2 * area + 4
    module = Shift2d(channels, channels, kernel, dilation=dilation)
    taps = [tap for tap in range(area) for _ in range(2 + 4 * (tap == area // 2))]
    weight = F.one_hot(torch.tensor(taps), area).double().reshape(channels, 1, *kernel)
    padding = tuple(dilation * (k // 2) for k in kernel)
    x = _random(2, channels, 6, 7)
    assert torch.equal(module(x), F.conv2d(x, weight, padding=padding, dilation=dilation, groups=channels))


def test_conv_shift_conv_is_a_factored_convolution() -> None:
    """project[o, m] * (tap of m) * expand[m, i] as one dense kernel; the stride is at the end."""
    module = ConvShiftConv2d(4, 6, 3, stride=2, expansion=3, dtype=torch.float64)
    expand, project = module.expand.conv.weight, module.project.conv.weight
    taps = torch.tensor([tap for tap in range(9) for _ in range(2)])
    one_hot = F.one_hot(taps, 9).double().reshape(18, 3, 3)
    dense = torch.einsum("om,mhw,mi->oihw", project[:, :, 0, 0], one_hot, expand[:, :, 0, 0])
    x = _random(2, 4, 9, 8)
    assert torch.allclose(module(x), F.conv2d(x, dense, stride=2, padding=1))


def test_conv_shift_conv_normalises_and_rectifies_in_between() -> None:
    """With norm: batch norm after both convolutions, ReLU before the shift only."""
    module = ConvShiftConv2d(4, 18, 3, norm=True, dtype=torch.float64).eval()
    module.expand.norm.running_mean.fill_(0.3)
    module.project.norm.running_var.fill_(2.0)
    x = _random(1, 4, 5, 5)
    y = F.relu(module.expand.norm(F.conv2d(x, module.expand.conv.weight)))
    expected = module.project.norm(F.conv2d(module.shift(y), module.project.conv.weight))
    assert torch.allclose(module(x), expected)
    assert (module(x) < 0).any()


@pytest.mark.parametrize(("expansion", "params", "macs"), [(1, 34_906, 5_948_032), (9, 277_850, 47_891_072)])
def test_shift_resnet_20(expansion: int, params: int, macs: int) -> None:
    """ShiftResNet-20 for CIFAR-10 from its layers: stem, nine blocks, two 1x1 shortcuts with norm, classifier.

    At e = 1 by hand: stem 432 + 32; blocks 3 * 576 + (1664 + 2 * 2176) + (6400 + 2 * 8448); shortcuts
    576 + 2176; classifier 650: 34,906. MACs: 705,152 outside the blocks, and 5,242,880 e in them.
    """
    shapes = (
        [(16, 16, 32, 1)] * 3 + [(16, 32, 32, 2)] + [(32, 32, 16, 1)] * 2 + [(32, 64, 16, 2)] + [(64, 64, 8, 1)] * 2
    )
    layers = [
        layer("shift", c_in, c_out, hw=hw, stride=stride, expansion=expansion, norm=True)
        for c_in, c_out, hw, stride in shapes
    ]
    plain = [
        layer("conv", 3, 16, hw=32), layer("conv", 16, 32, k=1, hw=32, stride=2),
        layer("conv", 32, 64, k=1, hw=16, stride=2), layer("linear", 64, 10),
    ]  # fmt: skip
    norms = 2 * (16 + 32 + 64)
    assert sum(e.cost.params for e in [*layers, *plain]) + norms == params
    assert sum(e.cost.macs for e in [*layers, *plain]) == macs


def test_shift_needs_a_channel_for_each_offset() -> None:
    """9 offsets and 8 channels."""
    for name, options in (("shift_only", {}), ("shift", {}), ("shift_only", {"stride": 2})):
        with pytest.raises(FlopcalcError, match="cannot stand"):
            layer(name, 8, **options)
    assert layer("shift", 8, expansion=2).named["mid"] == 16
