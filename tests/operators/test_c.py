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
from flopcalc.analysis.layer import notes
from flopcalc.pytorch.layers import (
    AdderConv2d,
    ConvShiftConv2d,
    CPConv2d,
    GroupConv2d,
    MixConv2d,
    OctConv2d,
    Shift2d,
    SVDConv2d,
    Tucker2Conv2d,
)


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
        layer("conv", 3, 16, hw=32),
        layer("conv", 16, 32, k=1, hw=32, stride=2),
        layer("conv", 32, 64, k=1, hw=16, stride=2),
        layer("linear", 64, 10),
    ]
    norms = 2 * (16 + 32 + 64)
    assert sum(e.cost.params for e in [*layers, *plain]) + norms == params
    assert sum(e.cost.macs for e in [*layers, *plain]) == macs


def test_shift_needs_a_channel_for_each_offset() -> None:
    """9 offsets and 8 channels."""
    for name, options in (("shift_only", {}), ("shift", {}), ("shift_only", {"stride": 2})):
        with pytest.raises(FlopcalcError, match="cannot stand"):
            layer(name, 8, **options)
    assert layer("shift", 8, expansion=2).named["mid"] == 16


# Group-equivariant convolution -----------------------------------------------------------------


def test_gconv_by_hand() -> None:
    """2 -> 3 maps, 3x3, 4x4 image. p4 later: 3 * 2 * 4 * 9 weights, (3*4) x (2*4) planes; p4m lifting: G = 8.

    The p4 bank has 12 * 8 * 9 = 864 weights: each is read, and an index of 4 * 4 * 9 = 144, and written.
    """
    later = layer("gconv", 2, 3, hw=4, bias=True)
    assert later.cost.params == 216 + 3
    assert later.cost.macs == 16 * 12 * 8 * 9
    assert later.cost.total("adds") == 12 * 16
    assert next(part for part in later.cost if part.name == "filters").traffic == 864 + 144 + 864
    assert (later.in_shape, later.out_shape, later.cost.steps) == ((8, 4, 4), (12, 4, 4), 2)
    lifting = layer("gconv", 2, 3, hw=4, group="p4m", lifting=True)
    assert (lifting.cost.params, lifting.cost.macs) == (54, 16 * 24 * 2 * 9)
    assert (lifting.in_shape, lifting.out_shape) == ((2, 4, 4), (24, 4, 4))


@pytest.mark.parametrize(
    ("group", "narrow", "params", "macs"),
    [("", 96, 1_372_254, 281.2), ("p4", 48, 1_371_006, 1119.9), ("p4m", 32, 1_219_678, 1989.4)],
)
def test_all_cnn_c(group: str, narrow: int, params: int, macs: float) -> None:
    """All-CNN-C for CIFAR-10 with c / sqrt(G) maps: printed 1.37M and 1.22M parameters, MACs in millions.

    Nine layers, each with a bias and a batch norm (two) for each map. By hand for p4, weights:
    1296 + 2 * 82944 + 165888 + 3 * 331776 + 36864 + 3840 = 1,369,104, and 3 * (3 * 48 + 5 * 96 + 10) = 1902.
    """
    wide = 2 * narrow
    plan = [
        (3, narrow, 3, 32, 1),
        (narrow, narrow, 3, 32, 1),
        (narrow, narrow, 3, 32, 2),
        (narrow, wide, 3, 16, 1),
        (wide, wide, 3, 16, 1),
        (wide, wide, 3, 16, 2),
        (wide, wide, 3, 8, 1),
        (wide, wide, 1, 8, 1),
        (wide, 10, 1, 8, 1),
    ]
    found_params, found_macs = 0, 0
    for index, (c_in, c_out, k, hw, stride) in enumerate(plan):
        options: dict[str, Any] = {"group": group, "lifting": index == 0} if group else {}
        name = "gconv" if group else "conv"
        cost = layer(name, c_in, c_out, k=k, hw=hw, stride=stride, bias=True, **options).cost
        found_params += cost.params + 2 * c_out
        found_macs += cost.macs
    assert found_params == params
    assert round(found_macs / 1e6, 1) == macs


def _turn(x: Tensor, quarter_turns: int, mirrored: bool) -> Tensor:
    out: Tensor = torch.rot90(x.flip(3) if mirrored else x, quarter_turns, (2, 3))
    return out


def _moved_maps(x: Tensor, maps: int, quarter_turns: int, mirrored: bool) -> Tensor:
    """The function on the group after the whole plane is turned: f(g) becomes f(a^-1 g).

    Written with matrices, apart from the layer's own tables. An element is (mirror, turns) as 4 m + r, the
    matrix R^r M^m; rot90 turns counterclockwise, which in (column, row) coordinates is x -> (y, -x).
    """
    order = x.shape[1] // maps
    if order == 1:
        return _turn(x, quarter_turns, mirrored)
    turn, mirror = torch.tensor([[0, 1], [-1, 0]]), torch.tensor([[-1, 0], [0, 1]])

    def matrix(element: int) -> Tensor:
        out: Tensor = torch.eye(2, dtype=torch.int64)
        for _ in range(element % 4):
            out = turn @ out
        return out @ mirror if element >= 4 else out

    acting = matrix(4 * mirrored + quarter_turns)
    planes = x.reshape(x.shape[0], maps, order, *x.shape[2:])
    moved: Tensor = torch.empty_like(planes.transpose(3, 4)) if quarter_turns % 2 else torch.empty_like(planes)
    for source in range(order):
        wanted = acting @ matrix(source)
        target = next(e for e in range(order) if torch.equal(matrix(e), wanted))
        moved[:, :, target] = _turn(planes[:, :, source], quarter_turns, mirrored)
    return moved.reshape(x.shape[0], maps * order, *moved.shape[3:])


@pytest.mark.parametrize("lifting", [True, False])
@pytest.mark.parametrize(("group", "order"), [("p4", 4), ("p4m", 8)])
@pytest.mark.parametrize(("k", "stride", "dilation", "size"), [(3, 1, 1, (5, 6)), (2, 1, 1, (4, 6)), (3, 2, 2, (9, 7))])
def test_gconv_is_equivariant(
    lifting: bool, group: str, order: int, k: int, stride: int, dilation: int, size: tuple[int, int]
) -> None:
    """Turning (and mirroring) the input turns the output and permutes its group axis, for every element."""
    module = GroupConv2d(
        2, 3, k, stride=stride, dilation=dilation, group=group, lifting=lifting, bias=True, dtype=torch.float64
    )
    x = _random(2, 2 if lifting else 2 * order, *size)
    out = module(x)
    for element in range(order):
        quarter_turns, mirrored = element % 4, element >= 4
        expected = _moved_maps(out, 3, quarter_turns, mirrored)
        assert torch.allclose(module(_moved_maps(x, 2, quarter_turns, mirrored)), expected), element
    # Not by being constant: another permutation of the group axis does not fit.
    assert not torch.allclose(out.roll(1, 1), out)


def test_gconv_first_channel_is_a_plain_convolution() -> None:
    """The identity's channel uses the weights as they are; the lifting layer's second one turned by 90 degrees."""
    later = GroupConv2d(2, 3, 3, dtype=torch.float64)
    x = _random(1, 8, 5, 5)
    weight = later.filters.weight.reshape(3, 8, 3, 3)
    assert torch.allclose(later(x)[:, 0::4], F.conv2d(x, weight, padding=1))
    lifting = GroupConv2d(2, 3, 3, lifting=True, dtype=torch.float64)
    turned = torch.rot90(lifting.filters.weight[:, :, 0], 1, (2, 3))
    assert torch.allclose(lifting(x[:, :2])[:, 1::4], F.conv2d(x[:, :2], turned, padding=1))


def test_gconv_says_where_it_is_not_exact() -> None:
    """Stride 2 on an even size leaves the last row out; a 3x5 kernel is refused."""
    assert any("not exactly equivariant" in note for note in notes(layer("gconv", 2, hw=8, stride=2)))
    assert not any("not exactly equivariant" in note for note in notes(layer("gconv", 2, hw=9, stride=2)))
    with pytest.raises(FlopcalcError, match="cannot stand"):
        layer("gconv", 2, k=(3, 5))


# AdderNet --------------------------------------------------------------------------------------


def test_adder_by_hand() -> None:
    """2 -> 3, 3x3, 4x5: 54 weights, 20 positions, 1080 steps of two additions; then 60 signs.

    Traffic: unfolding reads 40 and writes 18 * 20; distances read those and 54, write 60; the sign 2 * 60.
    """
    e = layer("adder", 2, 3, hw=(4, 5))
    assert (e.cost.params, e.cost.macs, e.cost.total("adds"), e.cost.total("muls")) == (54, 0, 2160, 0)
    assert (e.cost.total("other"), e.cost.activations, e.cost.steps) == (60, 60, 3)
    assert e.cost.traffic == (40 + 360) + (360 + 54 + 60) + 120
    biased = layer("adder", 2, 3, hw=(4, 5), bias=True)
    # The bias takes the place of the sign: one subtraction for each output.
    assert (biased.cost.params, biased.cost.total("adds"), biased.cost.total("other")) == (57, 2220, 0)


def test_adder_net_resnet_32() -> None:
    """The paper's Table 1: 69.12M MACs of ResNet-32 become 138.24M additions, twice as many.

    Ten layers a stage: 28 of 2,359,296 MACs, the first of stages 2 and 3 of 1,179,648; 1x1 shortcuts of
    131,072 each; the stem's 442,368, which stays a convolution: 28 * 2,359,296 + 2,359,296 + 262,144 +
    442,368 = 69,124,096.
    """
    shapes = (
        [(16, 16, 32, 1)] * 10 + [(16, 32, 32, 2)] + [(32, 32, 16, 1)] * 9 + [(32, 64, 16, 2)] + [(64, 64, 8, 1)] * 9
    )
    adders = [layer("adder", c_in, c_out, hw=hw, stride=stride) for c_in, c_out, hw, stride in shapes]
    adders += [layer("adder", 16, 32, k=1, hw=32, stride=2), layer("adder", 32, 64, k=1, hw=16, stride=2)]
    stem = layer("conv", 3, 16, hw=32)
    assert sum(e.cost.macs for e in adders) == 0
    additions = sum(e.cost.total("adds") for e in adders)
    assert additions == 2 * sum(e.baseline.macs for e in adders)
    assert additions // 2 + stem.cost.macs == 69_124_096


@pytest.mark.parametrize("bias", [False, True])
def test_adder_by_a_loop_over_taps(bias: bool) -> None:
    """Strides, dilation, a flat kernel and the border's zeros, as sums over shifted windows."""
    module = AdderConv2d(3, 4, (3, 2), stride=(2, 1), padding=1, dilation=(1, 2), bias=bias, dtype=torch.float64)
    x = _random(2, 3, 7, 6)
    padded = F.pad(x, (1, 1, 1, 1))
    expected = torch.zeros(2, 4, 4, 6, dtype=torch.float64)
    for i in range(3):
        for j in range(2):
            window = padded[:, None, :, i : i + 7 : 2, 2 * j : 2 * j + 6]
            expected -= (module.distance.weight[None, :, :, i, j, None, None] - window).abs().sum(2)
    if bias:
        expected += module.bias.bias.reshape(1, 4, 1, 1)
    assert torch.allclose(module(x), expected)


def test_adder_learns() -> None:
    """The gradient of the weight is the sign of x - w: here one patch, all weights below it."""
    module = AdderConv2d(1, 1, 2, padding=0, dtype=torch.float64)
    with torch.no_grad():
        module.distance.weight.fill_(-1.0)
    module(torch.ones(1, 1, 2, 2, dtype=torch.float64)).sum().backward()
    assert torch.equal(module.distance.weight.grad, torch.ones(1, 1, 2, 2, dtype=torch.float64))


# Factorisations --------------------------------------------------------------------------------


def test_factorisations_by_hand() -> None:
    """8 -> 12, 3x3, 6x4 at stride 2, so 3x2.

    svd, r = 3: 8 * 9 * 3 + 3 * 12 = 252 weights, all on 6 positions.
    tucker2, r1 = 2, r2 = 3: 16 on 24 positions, 2 * 3 * 9 = 54 and 36 on 6.
    cp, r = 12: 96 on 24, 12 * 3 on 3x4 and on 3x2, 144 on 3x2.
    """
    sizes: dict[str, Any] = {"hw": (6, 4), "stride": 2}
    svd = layer("svd", 8, 12, **sizes)
    assert (svd.named["r"], svd.cost.params, svd.cost.macs, svd.cost.steps) == (3, 252, 252 * 6, 2)
    tucker = layer("tucker2", 8, 12, **sizes)
    assert (tucker.cost.params, tucker.cost.macs, tucker.cost.steps) == (16 + 54 + 36, 16 * 24 + 90 * 6, 3)
    cp = layer("cp", 8, 12, **sizes)
    assert (cp.cost.params, cp.cost.steps) == (96 + 36 + 36 + 144, 4)
    assert cp.cost.macs == 96 * 24 + 36 * 12 + 36 * 6 + 144 * 6
    for name in ("svd", "tucker2", "cp"):
        assert layer(name, 8, 12, bias=True).cost.params == layer(name, 8, 12).cost.params + 12


def test_lebedev_second_layer() -> None:
    """AlexNet's conv2, one of its two groups: 48 -> 128, 5x5, rank 200.

    S T d^2 = 153,600 and R (S + 2 d + T) = 200 * 186 = 37,200 products per pixel: 4.13 times fewer.
    """
    e = layer("cp", 48, 128, k=5, hw=27, rank=200)
    assert (e.baseline.params, e.cost.params, e.cost.macs) == (153_600, 37_200, 37_200 * 27 * 27)
    assert round(float(1 / e.ratio("macs")), 2) == 4.13


def test_svd_is_the_nearest_of_its_rank() -> None:
    """At full rank it is the convolution; below, its error is that of the singular values left out."""
    weight, bias = _random(6, 4, 3, 3), _random(6)
    x = _random(2, 4, 7, 8, seed=1)
    full = SVDConv2d(4, 6, 3, stride=2, bias=True, rank=6, dtype=torch.float64)
    full.factorise(weight, bias)
    assert torch.allclose(full(x), F.conv2d(x, weight, bias, stride=2, padding=1))
    low = SVDConv2d(4, 6, 3, rank=2, dtype=torch.float64)
    low.factorise(weight)
    product = torch.einsum("or,rihw->oihw", low.mix.weight[:, :, 0, 0], low.basis.weight)
    left_out = torch.linalg.svdvals(weight.flatten(1))[2:]
    assert torch.allclose((product - weight).square().sum(), left_out.square().sum())
    assert torch.allclose(low(x), F.conv2d(x, product, padding=1))


def test_tucker2_is_a_convolution_with_a_factored_kernel() -> None:
    """U_out core U_in as one kernel; at full ranks a convolution's own; the stride is the core's."""
    module = Tucker2Conv2d(5, 6, (3, 5), stride=(2, 1), dilation=2, rank1=2, rank2=3, dtype=torch.float64)
    kernel = torch.einsum(
        "or,rshw,si->oihw", module.expand.weight[:, :, 0, 0], module.core.weight, module.reduce.weight[:, :, 0, 0]
    )
    x = _random(2, 5, 9, 12)
    assert torch.allclose(module(x), F.conv2d(x, kernel, stride=(2, 1), padding=(2, 4), dilation=2))
    weight, bias = _random(6, 5, 3, 3), _random(6)
    full = Tucker2Conv2d(5, 6, 3, bias=True, rank1=5, rank2=6, dtype=torch.float64)
    full.factorise(weight, bias)
    assert torch.allclose(full(x), F.conv2d(x, weight, bias, padding=1))
    # At lower ranks the factors are projections: the kernel of a factored kernel is itself.
    again = Tucker2Conv2d(5, 6, (3, 5), rank1=2, rank2=3, dtype=torch.float64)
    again.factorise(kernel.detach())
    assert torch.allclose(again(x), F.conv2d(x, kernel, padding=(1, 2)))


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
    x = _random(2, 4, 11, 13)
    expected = F.conv2d(x, kernel, module.expand.bias, stride=(2, 3), padding=(2, 2), dilation=(2, 1))
    assert torch.allclose(module(x), expected)


@pytest.mark.parametrize(
    ("name", "options"),
    [("svd", {"rank": 13}), ("svd", {"groups": 2}), ("tucker2", {"rank1": 9}), ("tucker2", {"rank2": 13})],
)
def test_factorisations_refuse(name: str, options: dict[str, Any]) -> None:
    """Ranks beyond the matrix, and grouped convolutions."""
    with pytest.raises(FlopcalcError, match="cannot stand"):
        layer(name, 8, 12, **options)
    # A quarter of three channels is no rank.
    with pytest.raises(FlopcalcError, match="cannot stand"):
        layer(name, 3)
