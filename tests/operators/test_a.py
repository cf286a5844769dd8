"""Convolutions of every sort, topological and spatial subdivision, HetConv: numbers and behaviour.

Each number is worked out beside it; each module is compared with torch's functions on float64.
"""

import copy
from fractions import Fraction
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc import FlopcalcError, layer, network, registry
from flopcalc.analysis.equations import readings
from flopcalc.networks.replace import replace_convolutions
from flopcalc.pytorch import build_layer


def _random(*shape: int) -> Tensor:
    torch.manual_seed(0)
    out: Tensor = torch.randn(*shape, dtype=torch.float64)
    return out


def _build(name: str, *sizes: int, **given: Any) -> Any:
    return build_layer(layer(name, *sizes, **given), dtype=torch.float64)


def _refused(match: str, name: str, *sizes: int, **given: Any) -> None:
    with pytest.raises(FlopcalcError, match=match) as caught:
        layer(name, *sizes, **given)
    assert caught.value.code == "cannot-stand"
    assert caught.value.hint


def test_pointwise() -> None:
    """The slides' 128 -> 128 with bias: 128 * 128 + 128 = 16512. A product of matrices at each position."""
    e = layer("pointwise", 128, bias=True)
    assert (e.geometry.kernel, e.cost.params, e.cost.macs) == ((1, 1), 16_512, 128 * 128 * 56 * 56)
    # Stride 2 on 7 x 7 leaves 4 x 4 positions.
    assert layer("pointwise", 6, 10, hw=7, stride=2).cost.macs == 6 * 10 * 16
    assert layer("pointwise", 6, 10, groups=2).cost.params == 30
    _refused("kernel is 3x3", "pointwise", 8, k=3)
    module, x = _build("pointwise", 4, 6, hw=5, bias=True), _random(2, 4, 5, 5)
    expected = torch.einsum("oc,nchw->nohw", module.weight[:, :, 0, 0], x) + module.bias[:, None, None]
    assert torch.allclose(module(x), expected)


def test_depthwise() -> None:
    """128 channels, 3x3, with bias: 128 * 9 + 128 = 1280 (the slides' MobileNet block)."""
    assert layer("depthwise", 128, bias=True).cost.params == 1280
    e = layer("depthwise", 8, multiplier=3, hw=10, stride=2)
    # 8 * 3 filters of 9 taps on 5 x 5 outputs.
    assert (e.geometry.c_out, e.cost.params, e.cost.macs) == (24, 216, 216 * 25)
    assert layer("depthwise", 64).ratio("macs") == Fraction(1, 64)
    assert layer("depthwise", 8, groups=8).cost.macs == layer("depthwise", 8).cost.macs
    _refused("c_in \\* multiplier", "depthwise", 8, 12)
    _refused("groups = 2", "depthwise", 8, groups=2)


def test_depthwise_filters_each_channel_by_itself() -> None:
    """Output 2 c + j is channel c under filter j, nothing else."""
    module, x = _build("depthwise", 3, multiplier=2, stride=2), _random(1, 3, 9, 8)
    one_by_one = [F.conv2d(x[:, i // 2 : i // 2 + 1], module.conv.weight[i : i + 1], None, 2, 1) for i in range(6)]
    assert torch.allclose(module(x), torch.cat(one_by_one, 1))


def test_group() -> None:
    """Two groups unless told otherwise; M groups cost 1 / M; groups see only themselves."""
    e = layer("group", 64, 128)
    assert (e.geometry.groups, e.cost.params, e.ratio("macs")) == (2, 64 * 128 * 9 // 2, Fraction(1, 2))
    assert layer("group", 64, groups=8).ratio("params") == Fraction(1, 8)
    _refused("groups = 2", "group", 5)
    module, x = _build("group", 4, 6, bias=True), _random(1, 4, 5, 5)
    halves = [F.conv2d(x[:, 2 * i : 2 * i + 2], module.weight[3 * i : 3 * i + 3], padding=1) for i in range(2)]
    assert torch.allclose(module(x), torch.cat(halves, 1) + module.bias[:, None, None])


def test_dilated() -> None:
    """A 3x3 at dilation 2 sees 5 pixels, at 3 it sees 7, a 5-tap axis at 4 sees 17; the cost is that of conv."""
    e = layer("dilated", 16, 24)
    assert e.geometry.dilation == (2, 2)
    assert (e.derived["field_h"], e.derived["field_w"]) == (5, 5)
    assert e.cost.macs == layer("conv", 16, 24).cost.macs == 16 * 24 * 9 * 56 * 56
    assert layer("dilated", 8, dilation=3).derived["field_h"] == 7
    assert layer("dilated", 8, k=(1, 5), dilation=(1, 4)).derived == {"field_h": 1, "field_w": 17}
    # The same as a dense 5x5 kernel whose odd taps are zero.
    module, x = _build("dilated", 2, 3), _random(1, 2, 9, 9)
    dense = torch.zeros(3, 2, 5, 5, dtype=torch.float64)
    dense[:, :, ::2, ::2] = module.weight
    assert torch.allclose(module(x), F.conv2d(x, dense, padding=2))


def test_topological() -> None:
    """n c k^2 h w: 64 channels lie as 8 x 8, a neighbourhood is 4 x 4 = 16 of them, a quarter of the cost."""
    e = layer("topological", 64)
    assert (e.derived["connected"], e.ratio("macs")) == (16, Fraction(1, 4))
    assert e.cost.macs == 64 * 16 * 9 * 56 * 56
    # 24 as 4 x 6 with 2 x 3; 37 is prime: 1 x 37 with 1 x 19; 3 dims by hand: 1 * 2 * 3 of 2 * 3 * 4.
    assert layer("topological", 24).ratio("params") == Fraction(6, 24)
    assert layer("topological", 37).derived["connected"] == 19
    assert layer("topological", 24, dims="2,3,4", neighbourhood="1,2,3").cost.params == 24 * 6 * 9
    # Everybody sees everybody: a plain convolution.
    assert layer("topological", 24, dims="24", neighbourhood="24").cost.macs == layer("conv", 24).cost.macs


def test_topological_needs_a_torus_that_fits() -> None:
    """Wrong products, neighbourhoods larger than the torus, and a number that nobody can factor in time."""
    _refused("make 20 channels", "topological", 24, dims="4,5")
    _refused("does not fit", "topological", 24, neighbourhood="5,1")
    _refused("does not fit", "topological", 24, dims="4,6", neighbourhood="2")
    _refused("too many", "topological", 10**60)
    _refused("differ", "topological", 24, 48)
    assert layer("topological", 10**60, dims=(10**30, 10**30), neighbourhood="1,1").cost.params == 9 * 10**60


def test_topological_is_a_convolution_with_a_sparse_kernel() -> None:
    """On a 2 x 3 torus with 2 x 2, channel (r, c) sees (r, c), (r, c + 1), (r + 1, c), (r + 1, c + 1), cyclic."""
    given = {"dims": (2, 3), "neighbourhood": (2, 2), "hw": 7, "stride": 2}
    module, x = _build("topological", 6, **given), _random(2, 6, 7, 7)
    dense = torch.zeros(6, 6, 3, 3, dtype=torch.float64)
    for r in range(2):
        for c in range(3):
            seen = [(r, c), (r, (c + 1) % 3), ((r + 1) % 2, c), ((r + 1) % 2, (c + 1) % 3)]
            for j, (row, column) in enumerate(seen):
                dense[3 * r + c, 3 * row + column] = module.conv.weight[3 * r + c, j]
    assert torch.allclose(module(x), F.conv2d(x, dense, stride=2, padding=1))


def test_spatial_bottleneck() -> None:
    """h w (2 n + n^2 / k^2): at n = 128, k = 2, 56 x 56 it is 3136 * (256 + 4096) MACs.

    A SIC stage with k = 3 has 3136 * 128 * (9 + 128); 4352 / 17536 = 0.248. Of a 3x3 convolution it
    is (2 / n + 1 / k^2) / 9.
    """
    e = layer("spatial_bottleneck", 128, k=2, hw=56)
    assert e.cost.macs == 3136 * (256 + 4096) == 13_647_872
    assert e.cost.params == 2 * 128 * 4 + 128 * 128
    sic = layer("sic", 128, b=1, hw=56)
    assert sic.cost.macs == 3136 * 17_536
    assert round(e.cost.macs / sic.cost.macs, 3) == 0.248
    assert e.ratio("macs") == (Fraction(2, 128) + Fraction(1, 4)) / 9
    assert e.out_shape == (128, 56, 56)
    # k = (2, 3) on 8 x 9 with 16 channels: 12 coarse positions; 16 * 72 + 256 * 12 + 16 * 72.
    assert layer("spatial_bottleneck", 16, k=(2, 3), hw=(8, 9)).cost.macs == 2 * 1152 + 3072


def test_spatial_bottleneck_refuses() -> None:
    """Sizes that k does not divide, strides and paddings that would be ignored."""
    _refused("no multiple", "spatial_bottleneck", 8, hw=56)
    _refused("stride 2", "spatial_bottleneck", 8, stride=2)
    _refused("padding 0", "spatial_bottleneck", 8, padding=0)
    _refused("differ", "spatial_bottleneck", 8, 16)
    with pytest.raises(ValueError, match="no multiple"):
        _build("spatial_bottleneck", 4)(_random(1, 4, 10, 9))


def test_spatial_bottleneck_block_by_block() -> None:
    """Each 2 x 3 block becomes one number per channel, is mixed, and spreads over the same block again."""
    module, x = _build("spatial_bottleneck", 4, k=(2, 3), hw=(6, 9)), _random(2, 4, 6, 9)
    blocks = x.reshape(2, 4, 3, 2, 3, 3)
    coarse = torch.einsum("ncyixj,cij->ncyx", blocks, module.down.weight[:, 0])
    mixed = torch.einsum("oc,ncyx->noyx", module.projection.weight[:, :, 0, 0], coarse)
    spread = torch.einsum("ncyx,cij->ncyixj", mixed, module.up.weight[:, 0])
    assert torch.allclose(module(x), spread.reshape(2, 4, 6, 9))


def test_transposed() -> None:
    """DCGAN's two sorts: 1x1 -> 4x4 by a 4x4 kernel, then doubling by 4x4 at stride 2, padding 1."""
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
    _refused("output_padding = 2", "transposed", 6, stride=2, output_padding=2)
    _refused("groups = 4", "transposed", 6, groups=4)


def test_transposed_is_the_gradient_of_a_convolution() -> None:
    """<conv(y), x> = <y, transposed(x)> for all y: the transpose of conv as a matrix."""
    module = _build("transposed", 6, 4, hw=(4, 5), stride=(2, 1), groups=2, dilation=2)
    x = _random(2, 6, 4, 5)
    out = module(x)
    y = torch.cos(torch.arange(out.numel(), dtype=torch.float64)).reshape(out.shape)
    there = F.conv2d(y, module.weight, stride=(2, 1), padding=2, dilation=2, groups=2)
    assert torch.allclose((there * x).sum(), (y * out).sum())


# VGG-16 for CIFAR-10: channels in and out and the size of the map, as the authors of HetConv built it.
_VGG = [
    (3, 64, 32),
    (64, 64, 32),
    (64, 128, 16),
    (128, 128, 16),
    (128, 256, 8),
    (256, 256, 8),
    (256, 256, 8),
    (256, 512, 4),
    (512, 512, 4),
    (512, 512, 4),
    (512, 512, 2),
    (512, 512, 2),
    (512, 512, 2),
]
_HEAD = 512 * 512 + 512 * 10


@pytest.mark.parametrize(("part", "printed"), [(2, "175.23"), (4, "105.98"), (8, "71.35"), (64, "41.05")])
def test_hetconv_table_of_its_paper(part: int, printed: str) -> None:
    """MACs and one more per output for the bias; all but the first convolution scaled by R; cut to two digits."""
    first, *others = _VGG
    total = Fraction(first[2] ** 2 * (first[0] * 9 + 1) * first[1] + _HEAD)
    for c_in, c_out, hw in others:
        e = layer("hetconv", c_in, c_out, hw=hw, part=part)
        ratio = e.ratio("macs")
        assert ratio == Fraction(1, part) + (1 - Fraction(1, part)) / 9
        total += e.cost.macs + ratio * c_out * hw * hw
    assert int(total / 10_000) == int(printed.replace(".", ""))


def test_hetconv_parameters() -> None:
    """P = 4 in VGG-16: 5,172,490 by the formula; 5,590,538 in the authors' code, batch norms included.

    The head is 512-512-10 with biases, the first convolution has one too; 4224 channels and the 512
    of the head have a batch norm, which the first figure leaves out.
    """
    head = _HEAD + 512 + 10
    exact = sum(layer("hetconv", c_in, c_out, hw=hw).cost.params for c_in, c_out, hw in _VGG[1:])
    masked = sum(layer("hetconv", c_in, c_out, hw=hw, form="masked").cost.params for c_in, c_out, hw in _VGG[1:])
    channels = sum(c_out for _, c_out, _ in _VGG)
    assert channels == 4224
    assert masked + 3 * 64 * 9 + 64 + 2 * channels + 2 * 512 + head == 5_590_538
    assert exact + 3 * 64 * 9 + 64 + head == 5_172_490


def test_hetconv_in_resnet50() -> None:
    """P = 4 in the sixteen 3x3 convolutions: 2.85 G (cut), 30.32 % less by the printed digits 4.09 and 2.85."""
    done = replace_convolutions(network("resnet50"), registry.get("hetconv"), {})
    assert len(done.replaced) == 16
    assert int(done.network.total("macs") / 10**7) == 285
    assert round(100 * (1 - 2.85 / 4.09), 2) == 30.32


def test_hetconv_units() -> None:
    """Per pair of channels at k = 3: 9 / 4 + 1 - 1 / 4 = 3 exact, 9 / 4 + 1 = 3.25 masked."""
    assert layer("hetconv", 64, hw=10).cost.macs == 3 * 64 * 64 * 100
    assert layer("hetconv", 64, hw=10, form="masked").cost.macs == 64 * 64 * 100 * 13 // 4
    assert layer("hetconv", 64, part=1).cost.macs == layer("conv", 64).cost.macs
    # At P = 1 the code still has its 1x1, all zeros: 10 units for 9.
    assert layer("hetconv", 64, part=1, form="masked").ratio("macs") == Fraction(10, 9)
    # The exact form gathers while the k x k convolution runs: gather, 1x1, sum.
    assert (layer("hetconv", 64).cost.steps, layer("hetconv", 64, form="masked").cost.steps) == (3, 2)
    _refused("part = 4", "hetconv", 6, 8)


@pytest.mark.parametrize("form", ["exact", "masked"])
def test_hetconv_is_a_convolution_with_points_in_its_kernel(form: str) -> None:
    """One dense kernel: k x k on the own group, only the centre elsewhere; also at a stride."""
    module, x = _build("hetconv", 6, 9, hw=7, stride=2, part=3, form=form), _random(2, 6, 7, 7)
    dense = torch.zeros(9, 6, 3, 3, dtype=torch.float64)
    for o in range(9):
        own = [2 * (o // 3), 2 * (o // 3) + 1]
        others = [c for c in range(6) if c not in own]
        dense[o, own] = module.gwc.weight[o]
        points = module.pwc.weight[o, :, 0, 0]
        dense[o, others, 1, 1] = points if form == "exact" else points[others]
    assert torch.allclose(module(x), F.conv2d(x, dense, stride=2, padding=1))


def test_masked_hetconv_stays_masked() -> None:
    """Training, copies included, leaves the own group at zero and moves the others."""
    module = copy.deepcopy(_build("hetconv", 4, 8, hw=5, part=2, form="masked"))
    before = module.pwc.weight.detach().clone()
    torch.optim.SGD(module.parameters(), lr=0.1).zero_grad()
    module(_random(1, 4, 5, 5)).square().sum().backward()
    torch.optim.SGD(module.parameters(), lr=0.1).step()
    weight = module.pwc.weight.detach()[:, :, 0, 0]
    assert weight[:4, :2].abs().sum() == weight[4:, 2:].abs().sum() == 0
    assert (weight[:4, 2:] != before[:4, 2:, 0, 0]).all()


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
    _refused("no channel", "lowrank_pointwise", 8, 3)
    _refused("kernel is 3x3", "lowrank_pointwise", 8, k=3)


def test_lowrank_pointwise_is_a_matrix_of_low_rank() -> None:
    """The product of both matrices, of rank 2, in one 1x1 convolution."""
    module, x = _build("lowrank_pointwise", 6, 8, hw=5, stride=2), _random(2, 6, 5, 5)
    matrix = module.expand.weight[:, :, 0, 0] @ module.reduce.weight[:, :, 0, 0]
    assert torch.linalg.matrix_rank(matrix) == 2
    assert torch.allclose(module(x), F.conv2d(x, matrix[:, :, None, None], stride=2))


def test_conv1d() -> None:
    """64 -> 128 over 100 steps by 5 taps: 64 * 128 * 5 weights; stride 2 with padding 2 leaves 50 positions."""
    e = layer("conv1d", 64, 128, k=5, hw=100, stride=2, bias=True)
    assert (e.in_shape, e.out_shape) == ((64, 100), (128, 50))
    assert (e.cost.params, e.cost.macs, e.cost.total("adds")) == (40_960 + 128, 40_960 * 50, 128 * 50)
    assert layer("conv1d", 8, groups=4, hw=10).ratio("macs") == Fraction(1, 4)
    assert layer("depthwise1d", 8, hw=10, multiplier=2).cost.macs == 8 * 2 * 3 * 10
    _refused("c_in \\* multiplier", "depthwise1d", 8, 12)
    _refused("groups = 3", "conv1d", 8, groups=3)


def test_conv1d_as_matrix() -> None:
    """Windows of the padded sequence times the weights; depthwise: each channel with its own filters."""
    x = _random(2, 4, 9)
    windows = F.pad(x, (2, 2)).unfold(2, 5, 2)[..., ::2]
    module = _build("conv1d", 4, 6, hw=9, stride=2, dilation=2)
    assert torch.allclose(module(x), torch.einsum("ncwk,ock->now", windows, module.weight))
    module = _build("depthwise1d", 4, hw=9, stride=2, dilation=2, multiplier=2)
    filtered = torch.einsum("ncwk,cjk->ncjw", windows, module.weight.reshape(4, 2, 3))
    assert torch.allclose(module(x), filtered.reshape(2, 8, -1))


def test_conv3d() -> None:
    """C3D's first layer, 3 -> 64 by 3x3x3 on 16 frames of 112 x 112: 5184 weights at 200,704 positions."""
    e = layer("conv3d", 3, 64, hw=112, depth=16, bias=True)
    assert (e.in_shape, e.out_shape) == ((3, 16, 112, 112), (64, 16, 112, 112))
    assert (e.cost.params, e.cost.macs) == (5184 + 64, 5184 * 200_704)
    # Depth as the height when not given; stride 2 halves all three: 4 * 4 * 4.
    assert layer("conv3d", 2, hw=8, stride=2).cost.macs == 2 * 2 * 27 * 64
    # The depth takes k = 5 and stride 3 of the height: (7 + 4 - 5) // 3 + 1 = 3.
    e = layer("conv3d", 2, k=(5, 1), hw=(9, 6), stride=(3, 1), depth=7)
    assert (e.out_shape, e.cost.macs) == ((2, 3, 3, 6), 4 * 25 * 54)
    assert layer("conv3d", 8, groups=4, hw=6).ratio("macs") == Fraction(1, 4)
    assert layer("depthwise3d", 8, hw=6, multiplier=2).cost.params == 8 * 2 * 27
    assert layer("depthwise3d", 8, hw=6).ratio("params") == Fraction(1, 8)
    _refused("does not fit the depth 2", "conv3d", 4, padding=0, depth=2)


def test_conv3d_is_a_sum_over_slices() -> None:
    """Two-dimensional convolutions of neighbouring slices, added up."""
    x = F.pad(_random(1, 4, 3, 6, 5), (0, 0, 0, 0, 1, 1))
    for name, groups, out in (("conv3d", 1, 6), ("depthwise3d", 4, 4)):
        module = _build(name, 4, out, hw=(6, 5), depth=3)
        slices = [
            sum(F.conv2d(x[:, :, z + t], module.weight[:, :, t], padding=1, groups=groups) for t in range(3))
            for z in range(3)
        ]
        assert torch.allclose(module(x[:, :, 1:-1]), torch.stack(slices, 2))
