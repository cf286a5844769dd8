"""Blocks of networks: numbers worked out by hand, and modules against their papers' definitions."""

from fractions import Fraction
from typing import Any

import pytest

from flopcalc import FlopcalcError, convention, layer, registry
from flopcalc.analysis.equations import readings
from flopcalc.operator import Site

torch: Any = pytest.importorskip("torch")

from helpers import import_torchvision
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc.cost import KINDS
from flopcalc.pytorch import build_layer, count


def _random(*shape: int) -> Tensor:
    torch.manual_seed(0)
    out: Tensor = torch.randn(*shape, dtype=torch.float64)
    return out


def _module(name: str, c_in: int, c_out: int | None = None, **settings: Any) -> Any:
    """The module of an operator, in evaluation mode, with norms that are not the identity."""
    module = build_layer(layer(name, c_in, c_out, **settings), dtype=torch.float64).eval()
    torch.manual_seed(1)
    for child in module.modules():
        if isinstance(child, torch.nn.BatchNorm2d):
            for tensor in (child.weight, child.bias, child.running_mean):
                torch.nn.init.normal_(tensor)
            torch.nn.init.uniform_(child.running_var, 0.5, 2)
    return module


def _conv(block: Any, x: Tensor, **rest: Any) -> Tensor:
    """The convolution of a block, as a function."""
    out: Tensor = F.conv2d(x, block.conv.weight, block.conv.bias, **rest)
    return out


def _norm(norm: Any, x: Tensor) -> Tensor:
    """Batch norm by its definition."""
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    out: Tensor = (x - norm.running_mean[:, None, None]) * scale[:, None, None] + norm.bias[:, None, None]
    return out


def _params(name: str, c_in: int, c_out: int | None = None, **settings: Any) -> dict[str, int]:
    return {part.name: part.params for part in layer(name, c_in, c_out, **settings).cost if part.params}


def test_fire_numbers() -> None:
    """128 -> (16; 64 + 64) with biases: 128*16+16, 16*64+64, 16*64*9+64; a conv has 128*128*9+128."""
    fire = layer("fire", 128)
    assert _params("fire", 128) == {"squeeze": 2064, "expand1": 1088, "expand3": 9280}
    assert fire.cost.params == 12_432
    assert fire.baseline.params == 147_584
    assert round(float(fire.ratio("params")), 4) == 0.0842
    # SqueezeNet's Table 1 prints 11,920 for fire2: 96 -> (16; 64 + 64).
    assert layer("fire", 96, 128, squeeze=16).cost.params == 11_920
    # Weights, each used at 56 * 56 positions: 2048 + 1024 + 9216.
    assert fire.cost.macs == 12_288 * 56 * 56
    # squeeze, ReLU, expansion, ReLU, concatenation; the expansions run side by side.
    assert fire.cost.steps == 5
    assert layer("fire", 128, expand1=100).named["e3"] == 28
    for wrong in ({"c_out": 33}, {"c_out": 32, "expand1": 8, "expand3": 8}, {"c_out": 32, "stride": 2}):
        with pytest.raises(FlopcalcError, match="fire cannot stand"):
            layer("fire", 32, **wrong)


def test_fire_by_its_definition() -> None:
    """Both expansions see the squeezed maps; the 1x1 maps come first."""
    module = _module("fire", 8, 12, squeeze=3, expand1=5)
    x = _random(2, 8, 7, 6)
    squeezed = F.relu(_conv(module.squeeze, x))
    maps = [F.relu(_conv(module.expand1, squeezed)), F.relu(_conv(module.expand3, squeezed, padding=1))]
    assert torch.allclose(module(x), torch.cat(maps, 1))
    assert [t.shape[1] for t in maps] == [5, 7]


def test_bottleneck_numbers() -> None:
    """The first blocks of ResNet-50's second stage, by hand; the published ones are torchvision's shapes."""
    # 256*64 + 64*64*9 + 64*256.
    assert layer("bottleneck", 256).cost.params == 16_384 + 36_864 + 16_384
    # layer2.0 of torchvision's resnet50: 256 -> 512, width 128, stride 2, projection, batch norms.
    # Convolutions 256*128 + 128*128*9 + 128*512 + 256*512; norms 2 * (128 + 128 + 512 + 512).
    first = {"hw": 56, "stride": 2, "norm": True, "shortcut": "auto"}
    assert layer("bottleneck", 256, 512, **first).cost.params == 32_768 + 147_456 + 65_536 + 131_072 + 2560
    # v1.5: the first 1x1 on 56 x 56, all else on 28 x 28; v1: everything on 28 x 28.
    late, early = (layer("bottleneck", 256, 512, stride_in=one, **first).cost.macs for one in ("v1.5", "v1"))
    assert late == 32_768 * 3136 + (147_456 + 65_536 + 131_072) * 784
    assert early == (32_768 + 147_456 + 65_536 + 131_072) * 784
    # Steps of the long branch: conv norm relu, conv norm relu, conv norm; then sum and relu.
    assert layer("bottleneck", 256, 512, **first).cost.steps == 10
    # The identity costs one addition per element, and fits equal shapes only.
    plain, added = layer("bottleneck", 64), layer("bottleneck", 64, shortcut="identity")
    assert added.cost.total("adds") - plain.cost.total("adds") == 64 * 56 * 56
    with pytest.raises(FlopcalcError, match="another shape"):
        layer("bottleneck", 64, 128, shortcut="identity")


@pytest.mark.parametrize("stride_in", ["v1", "v1.5"])
def test_bottleneck_by_its_definition(stride_in: str) -> None:
    """Norms, ReLUs, the place of the stride and the projection."""
    module = _module("bottleneck", 6, 8, stride=2, stride_in=stride_in, shortcut="auto", norm=True)
    x = _random(2, 6, 9, 7)
    strides = (2, 1) if stride_in == "v1" else (1, 2)
    y = F.relu(_norm(module.reduce.norm, _conv(module.reduce, x, stride=strides[0])))
    y = F.relu(_norm(module.spatial.norm, _conv(module.spatial, y, stride=strides[1], padding=1)))
    y = _norm(module.expand.norm, _conv(module.expand, y))
    y = F.relu(y + _norm(module.project.norm, _conv(module.project, x, stride=2)))
    assert torch.allclose(module(x), y)


def test_bottleneck_adds_its_input() -> None:
    """With zero weights in the last convolution only the shortcut is left."""
    module = _module("bottleneck", 8, shortcut="auto")
    torch.nn.init.zeros_(module.expand.conv.weight)
    x = _random(1, 8, 5, 5)
    assert torch.equal(module(x), x)


def _excite(se: Any, x: Tensor, function: Any) -> Tensor:
    """Squeeze and excitation with matrices instead of 1x1 convolutions."""
    means = x.mean((2, 3))
    inner = function(means @ se.reduce.weight.flatten(1).T + se.reduce.bias)
    weights = torch.sigmoid(inner @ se.expand.weight.flatten(1).T + se.expand.bias)
    out: Tensor = x * weights[:, :, None, None]
    return out


def test_se_numbers() -> None:
    """2 c m + c + m parameters, 2 c m MACs at any resolution: c = 64, m = 16."""
    for hw in (7, 56):
        se = layer("se", 64, hw=hw)
        assert (se.cost.params, se.cost.macs) == (2 * 64 * 16 + 64 + 16, 2 * 64 * 16)
        # Mean: one addition per element, one division per channel; ReLU on 16, sigmoid on 64; the product.
        assert se.cost.total("other") == 64 + 16 + 64
        assert se.cost.total("adds") == 64 * hw * hw + 64 + 16
        assert se.cost.total("muls") == 64 * hw * hw
    # SENet's own reduction of 16 in ResNet-50's last stage, without biases: 2 / 16 * 2048^2.
    assert layer("se", 2048, hw=7, reduction=16, bias=False).cost.params == 524_288
    assert layer("se", 64, n=5).cost.macs == 5 * 2048
    for wrong in ({"c_out": 32}, {"reduction": 65}, {"k": 3}):
        with pytest.raises(FlopcalcError, match="se cannot stand"):
            layer("se", 64, **wrong)


def test_se_by_its_definition() -> None:
    """Means, two matrices, a sigmoid, a product."""
    module = _module("se", 8, reduction=2)
    x = _random(3, 8, 5, 4)
    assert torch.allclose(module(x), _excite(module, x, F.relu))


def test_mbconv_numbers() -> None:
    """EfficientNet-B0's blocks and MobileNetV2's, by hand."""
    # MobileNetV2: h w d' t (d' + k^2 + d'') at 64 -> 96, t = 6: 64 * 6 * (64 + 9 + 96).
    v2 = layer("mbconv", 64, 96, hw=14, se=0)
    assert v2.cost.macs == 14 * 14 * 64 * 6 * 169
    assert v2.cost.params == 384 * 169
    # A residual costs c h w additions where shapes allow, and nothing else.
    assert layer("mbconv", 64, hw=14, se=0).cost.total("adds") == 64 * 14 * 14
    assert layer("mbconv", 64, hw=14, se=0, residual=False).cost.total("adds") == 0
    for other in ({"c_out": 96}, {"stride": 2}):
        assert layer("mbconv", 64, se=0, **other).cost.total("adds") == 0
    # EfficientNet-B0's second block, 16 -> 24 at 112 x 112, stride 2: expansion 16*96, depthwise 96*9,
    # squeeze and excitation of 16 // 4 = 4 channels on 96 (2*96*4 + 96 + 4), projection 96*24,
    # norms 2 * (96 + 96 + 24). torchvision's module of that block has 6,004 parameters.
    b0 = {"hw": 112, "stride": 2, "norm": True}
    parts = _params("mbconv", 16, 24, **b0)
    assert parts["se.reduce"] + parts["se.expand"] == 868
    assert sum(parts.values()) == 1536 + 864 + 868 + 2304 + 432 == 6004
    # The expansion works on 112 x 112, the others on 56 x 56, the excitation on one position.
    assert layer("mbconv", 16, 24, **b0).cost.macs == 1536 * 112**2 + (864 + 2304) * 56**2 + 768
    # The first block: expansion 1, so no 1x1 before; 32 * 9, 8 of 32 channels, 32 * 16, norms 2 * 48.
    assert sum(_params("mbconv", 32, 16, expansion=1, norm=True).values()) == 288 + 552 + 512 + 96 == 1448
    with pytest.raises(FlopcalcError, match="leaves no channel"):
        layer("mbconv", 3, 16)


@pytest.mark.parametrize("expansion", [1, 4])
def test_mbconv_by_its_definition(expansion: int) -> None:
    """The last convolution is linear; the input is added; the excitation stands on the expanded maps."""
    module = _module("mbconv", 8, k=5, expansion=expansion, norm=True)
    x = y = _random(2, 8, 7, 6)
    if expansion != 1:
        y = F.silu(_norm(module.expand.norm, _conv(module.expand, y)))
    y = F.silu(_norm(module.depthwise.norm, _conv(module.depthwise, y, padding=2, groups=8 * expansion)))
    y = _excite(module.se, y, F.silu)
    y = x + _norm(module.project.norm, _conv(module.project, y))
    assert torch.allclose(module(x), y)


def test_fused_mbconv_numbers() -> None:
    """EfficientNetV2-S: 24 -> 48, expansion 4, stride 2; and 24 -> 24 at expansion 1."""
    # 24*96*9 + 96*48, norms 2 * (96 + 48).
    fused = layer("fused_mbconv", 24, 48, expansion=4, stride=2, hw=150, norm=True)
    assert fused.cost.params == 20_736 + 4608 + 288
    assert fused.cost.macs == (20_736 + 4608) * 75 * 75
    single = layer("fused_mbconv", 24, expansion=1)
    assert single.cost.macs == layer("conv", 24).cost.macs == 24 * 24 * 9 * 56 * 56
    # se = 1/4 of 24 input channels is 6, on 96 inner channels: 2*96*6 + 96 + 6.
    excited = layer("fused_mbconv", 24, expansion=4, se="1/4").cost.params
    assert excited - layer("fused_mbconv", 24, expansion=4).cost.params == 1254


@pytest.mark.parametrize("expansion", [1, 4])
def test_fused_mbconv_by_its_definition(expansion: int) -> None:
    """At expansion 1 the excitation comes first, on the input, and the only convolution is activated."""
    module = _module("fused_mbconv", 8, expansion=expansion, se="1/2", norm=True)
    x = _random(2, 8, 7, 6)
    if expansion == 1:
        y = _norm(module.project.norm, _conv(module.project, _excite(module.se, x, F.silu), padding=1))
        assert torch.allclose(module(x), x + F.silu(y))
        return
    y = F.silu(_norm(module.expand.norm, _conv(module.expand, x, padding=1)))
    y = _norm(module.project.norm, _conv(module.project, _excite(module.se, y, F.silu)))
    assert torch.allclose(module(x), x + y)


def test_se_may_be_zero_but_not_negative() -> None:
    """A fraction whose own bound is 0 takes 0; the others are more than 0 as before."""
    assert layer("mbconv", 16, se="0").named["se"] == Fraction(0)
    with pytest.raises(FlopcalcError, match="at least 0"):
        layer("mbconv", 16, se="-1/4")
    with pytest.raises(FlopcalcError, match="more than 0"):
        layer("spconv", 16, alpha=0)


@pytest.mark.parametrize(
    ("mid", "weights", "ratio"), [(80, (9680, 800, 9840), 0.0392), (60, (7260, 600, 7440), 0.0295)]
)
def test_shuffle_unit_slides(mid: int, weights: tuple[int, ...], ratio: float) -> None:
    """240 channels, two groups, biases: 240*mid/2 + mid, mid*9 + mid, mid*240/2 + 240; a conv has 240*240*9 + 240."""
    unit = layer("shuffle_unit", 240, mid=mid, bias=True)
    assert unit.geometry.groups == 2
    assert tuple(part.params for part in unit.cost if part.params) == weights
    assert unit.cost.params == sum(weights) == {80: 20_320, 60: 15_300}[mid]
    assert unit.baseline.params == 518_640
    assert round(float(unit.ratio("params") or 0), 4) == ratio
    assert layer("shuffle_unit", 240).named["m"] == 60


def test_shuffle_unit_printed_wrong() -> None:
    """The slides' 20160 comes of halving the bias with the weights: 241 * 80 / 2 + 800 + 81 * 240 / 2."""
    unit = layer("shuffle_unit", 240, mid=80, bias=True)
    wrong = next(reading for reading in readings(unit) if reading.equation.status == "corrected")
    assert (wrong.printed, wrong.right, wrong.value) == (20_160, 20_320, 20_320)


def test_shuffle_unit_numbers() -> None:
    """hw (2 c m / g + 9 m) at c = 240, m = 60, g = 3, 28 x 28; and a unit with stride."""
    unit = layer("shuffle_unit", 240, hw=28, groups=3)
    assert unit.cost.macs == 784 * (2 * 240 * 60 // 3 + 9 * 60)
    # ShuffleNet 1x, g = 3, from stage 3 to 4 of Table 1: 240 -> 480, m = 120, the convolutions make 240.
    down = layer("shuffle_unit", 240, 480, hw=28, groups=3, stride=2)
    assert down.named["made"] == 240
    assert down.cost.params == 240 * 120 // 3 + 120 * 9 + 120 * 240 // 3
    assert down.cost.macs == (240 * 120 // 3) * 784 + (120 * 9 + 120 * 240 // 3) * 196
    # The pooling: windows of 9 at 14 x 14, in 240 channels.
    assert down.cost.total("adds") == 240 * 196 * 9
    # Moved: the shuffle of 120 maps on 28 x 28 and the concatenation of 480 on 14 x 14.
    moved = {part.name: part.writes for part in down.cost if part.work == "move"}
    assert moved == {"shuffle": 120 * 784, "join": 480 * 196}
    for wrong in ({"c_out": 480}, {"stride": 2}, {"groups": 7}, {"mid": 33}):
        with pytest.raises(FlopcalcError, match="shuffle_unit cannot stand"):
            layer("shuffle_unit", 240, **wrong)


def _shuffled(x: Tensor, groups: int) -> Tensor:
    """Output channel i * groups + j is channel i of group j."""
    size = x.shape[1] // groups
    return x[:, [j * size + i for i in range(size) for j in range(groups)]]


@pytest.mark.parametrize("stride", [1, 2])
def test_shuffle_unit_by_its_definition(stride: int) -> None:
    """No ReLU after the depthwise convolution; added at stride 1, concatenated behind the pooled input at stride 2."""
    c_out = 12 if stride == 1 else 18
    module = _module("shuffle_unit", 12, c_out, groups=3, mid=6, stride=stride, norm=True)
    x = _random(2, 12, 9, 7)
    y = F.relu(_norm(module.compress.norm, _conv(module.compress, x, groups=3)))
    y = _norm(module.depthwise.norm, _conv(module.depthwise, _shuffled(y, 3), stride=stride, padding=1, groups=6))
    y = _norm(module.expand.norm, _conv(module.expand, y, groups=3))
    y = x + y if stride == 1 else torch.cat([F.avg_pool2d(x, 3, 2, 1), y], 1)
    assert torch.allclose(module(x), F.relu(y))


def test_shuffle_unit_v2_numbers() -> None:
    """ShuffleNetV2 1x: stage 2, 116 channels, 28 x 28; its first unit 24 -> 116 from 56 x 56."""
    # Half of 116 is 58: 58*58 + 58*9 + 58*58.
    unit = layer("shuffle_unit_v2", 116, hw=28)
    assert unit.cost.params == 3364 + 522 + 3364 == 7250
    assert unit.cost.macs == 7250 * 784
    # Authors: the side branch keeps 24 channels (24*9 + 24*24), the main one makes 92:
    # 24*58 on 56 x 56, then 58*9 + 58*92 on 28 x 28.
    down = {"hw": 56, "stride": 2}
    authors = layer("shuffle_unit_v2", 24, 116, **down)
    assert authors.cost.params == 216 + 576 + 1392 + 522 + 5336
    assert authors.cost.macs == 1392 * 3136 + (216 + 576 + 522 + 5336) * 784
    # torchvision: both branches make 58: 24*9 + 24*58; 24*58, 58*9, 58*58.
    other = layer("shuffle_unit_v2", 24, 116, down="torchvision", **down)
    assert other.cost.params == 216 + 1392 + 1392 + 522 + 3364
    # From stage to stage the channels double, and both are one: 116 -> 232.
    both = [layer("shuffle_unit_v2", 116, 232, stride=2, down=one).cost.macs for one in ("authors", "torchvision")]
    assert both[0] == both[1]


@pytest.mark.parametrize("stride", [1, 2])
def test_shuffle_unit_v2_by_its_definition(stride: int) -> None:
    """The first half passes at stride 1; at stride 2 both branches see all channels; the shuffle comes last."""
    c_out = 8 if stride == 1 else 18
    module = _module("shuffle_unit_v2", 8, c_out, stride=stride, mid=6, norm=True)
    x = _random(2, 8, 9, 7)
    side, main = (x[:, :4], x[:, 4:]) if stride == 1 else (x, x)
    if stride == 2:
        side = _conv(module.side_depthwise, x, stride=2, padding=1, groups=8)
        side = _norm(module.side_depthwise.norm, side)
        side = F.relu(_norm(module.side.norm, _conv(module.side, side)))
    y = F.relu(_norm(module.reduce.norm, _conv(module.reduce, main)))
    y = _norm(module.depthwise.norm, _conv(module.depthwise, y, stride=stride, padding=1, groups=6))
    y = F.relu(_norm(module.expand.norm, _conv(module.expand, y)))
    assert side.shape[1] == (4 if stride == 1 else 8)
    assert torch.allclose(module(x), _shuffled(torch.cat([side, y], 1), 2))


def test_convnext_numbers() -> None:
    """ConvNeXt-T's first stage, 96 channels on 56 x 56."""
    block = layer("convnext_block", 96)
    # 49*96 + 96; layer norm 2*96; 96*384 + 384; 384*96 + 96; layer scale 96.
    assert [part.params for part in block.cost if part.params] == [4800, 192, 37_248, 36_960, 96]
    assert block.cost.params == 79_296
    assert block.cost.macs == (96 * 49 + 2 * 96 * 384) * 3136
    # Biases 96 + 384 + 96, layer norm 3 per element, the sum.
    assert block.cost.total("adds") == (96 + 384 + 96 + 3 * 96 + 96) * 3136
    assert block.cost.total("other") == 384 * 3136
    assert block.cost.steps == 7


def test_convnext_by_its_definition() -> None:
    """Layer norm by its definition, 1x1 convolutions instead of linear layers, GELU by the error function."""
    module = _module("convnext_block", 4, k=5, expansion=3)
    for tensor in (module.norm.weight, module.norm.bias, module.scale.gamma):
        torch.nn.init.normal_(tensor)
    x = _random(2, 4, 7, 6)
    y = F.conv2d(x, module.depthwise.weight, module.depthwise.bias, padding=2, groups=4)
    y = (y - y.mean(1, keepdim=True)) / (y.var(1, unbiased=False, keepdim=True) + 1e-6).sqrt()
    y = y * module.norm.weight[:, None, None] + module.norm.bias[:, None, None]
    y = F.conv2d(y, module.expand.weight[:, :, None, None], module.expand.bias)
    y = y * (1 + torch.erf(y / 2**0.5)) / 2
    y = F.conv2d(y, module.project.weight[:, :, None, None], module.project.bias)
    assert torch.allclose(module(x), x + y * module.scale.gamma[:, None, None])


def test_repvgg_numbers() -> None:
    """64 channels: deployed 64*64*9 + 64; in training 64*64*9 + 64*64 and three norms of 128."""
    deployed, training = layer("repvgg", 64), layer("repvgg", 64, mode="training")
    assert deployed.cost.params == 36_928
    assert training.cost.params == 36_864 + 4096 + 3 * 128
    assert (deployed.cost.macs, training.cost.macs) == (36_864 * 3136, 40_960 * 3136)
    # Convolution and ReLU; convolution, norm, two sums and ReLU.
    assert (deployed.cost.steps, training.cost.steps) == (2, 5)
    # Where shapes differ there is no identity: two norms of 2 * 128.
    assert layer("repvgg", 64, 128, mode="training", stride=2).cost.params == 73_728 + 8192 + 512
    # g4: a quarter of the weights in both branches.
    assert layer("repvgg", 64, groups=4, mode="training").cost.params == 9216 + 1024 + 384


@pytest.mark.parametrize("shape", [{}, {"groups": 2}, {"stride": 2}, {"c_out": 8, "k": (3, 5)}], ids=str)
def test_repvgg_fuses(shape: dict[str, Any]) -> None:
    """The branches by their definition, and the one convolution with the same output."""
    module = _module("repvgg", 4, mode="training", **shape)
    x = _random(2, 4, 9, 7)
    groups, stride = shape.get("groups", 1), shape.get("stride", 1)
    padding = (1, 2) if "k" in shape else 1
    y = _norm(module.dense.norm, _conv(module.dense, x, stride=stride, padding=padding, groups=groups))
    y = y + _norm(module.point.norm, _conv(module.point, x, stride=stride, groups=groups))
    if stride == 1 and "c_out" not in shape:
        y = y + _norm(module.identity, x)
    assert torch.allclose(module(x), F.relu(y))
    fused = module.fused()
    assert sum(p.numel() for p in fused.parameters()) == layer("repvgg", 4, **shape).cost.params
    assert torch.allclose(fused(x), F.relu(y))
    assert fused.fused() is fused


def test_pconv_numbers() -> None:
    """A quarter of the channels costs a sixteenth: 16*16*9 of 64*64*9."""
    pconv = layer("pconv", 64)
    assert (pconv.cost.params, pconv.cost.macs) == (2304, 2304 * 3136)
    assert pconv.ratio("macs") == Fraction(1, 16)
    # 50 // 4 = 12 channels, as the authors' code has it.
    assert layer("pconv", 50).cost.params == 12 * 12 * 9
    for wrong in ({"c_out": 32}, {"stride": 2}, {"ratio": "1/65"}):
        with pytest.raises(FlopcalcError, match="pconv cannot stand"):
            layer("pconv", 64, **wrong)


def test_pconv_by_its_definition() -> None:
    """The first channels are convolved, the others are those of the input."""
    module = _module("pconv", 10, ratio="1/3", k=5)
    x = _random(2, 10, 7, 6)
    out = module(x)
    assert torch.allclose(out[:, :3], F.conv2d(x[:, :3], module.conv.weight, padding=2))
    assert torch.equal(out[:, 3:], x[:, 3:])


@pytest.mark.parametrize(
    "name", ["fire", "bottleneck", "se", "mbconv", "fused_mbconv", "shuffle_unit", "shuffle_unit_v2", "convnext_block"]
)
def test_blocks_stand_for_no_convolution(name: str) -> None:
    """A network keeps its convolutions, each with a reason."""
    for k in (1, 3, 7):
        site = Site("conv", layer("conv", 64, k=k).geometry, first=False)
        assert registry.get(name).policy.refuses(site)


TORCHVISION: dict[str, tuple[str, str, int, int | None, dict[str, Any]]] = {
    "projection": ("resnet50", "layer2.0", 256, 512, {"stride": 2, "norm": True, "shortcut": "auto"}),
    "identity": ("resnet50", "layer2.1", 512, None, {"hw": 28, "norm": True, "shortcut": "auto"}),
    "fire": ("squeezenet1_0", "features.4", 128, None, {}),
    "fire, 32": ("squeezenet1_0", "features.5", 128, 256, {"squeeze": 32}),
    "no expansion": ("efficientnet_b0", "features.1.0", 32, 16, {"expansion": 1, "norm": True}),
    "mbconv": ("efficientnet_b0", "features.2.0", 16, 24, {"stride": 2, "norm": True}),
    "mbconv 5x5": ("efficientnet_b0", "features.5.1", 112, None, {"k": 5, "hw": 14, "norm": True}),
    "inverted residual": ("mobilenet_v2", "features.3", 24, None, {"se": 0, "norm": True}),
    "fused, single": ("efficientnet_v2_s", "features.1.0", 24, None, {"expansion": 1, "norm": True}),
    "fused": ("efficientnet_v2_s", "features.2.0", 24, 48, {"expansion": 4, "stride": 2, "norm": True}),
    "shuffle, stride": ("shufflenet_v2_x1_0", "stage2.0", 24, 116, {"stride": 2, "norm": True, "down": "torchvision"}),
    "shuffle": ("shufflenet_v2_x1_0", "stage2.1", 116, None, {"norm": True}),
    "convnext": ("convnext_tiny", "features.1.0", 96, None, {}),
}
KINDS_OF = {
    "resnet50": "bottleneck",
    "squeezenet1_0": "fire",
    "efficientnet_b0": "mbconv",
    "mobilenet_v2": "mbconv",
    "efficientnet_v2_s": "fused_mbconv",
    "shufflenet_v2_x1_0": "shuffle_unit_v2",
    "convnext_tiny": "convnext_block",
}


@pytest.mark.parametrize("case", TORCHVISION)
def test_blocks_cost_what_torchvision_builds(case: str) -> None:
    """A module that others wrote, counted, in every kind."""
    network, path, c_in, c_out, settings = TORCHVISION[case]
    e = layer(KINDS_OF[network], c_in, c_out, **settings)
    with torch.device("meta"):
        module = getattr(import_torchvision().models, network)().get_submodule(path)
    found = count(module, (1, *e.in_shape))
    for kind in (*KINDS, "steps"):
        assert found.total(kind) == e.cost.total(kind), kind


def test_layer_norm_in_other_counters() -> None:
    """fvcore counts 5 for each element of a layer norm, thop 4, here 64 channels on 16 x 16, besides MACs."""
    e = layer("convnext_block", 64, hw=16)
    assert convention.get("fvcore").of(e.cost) == e.cost.macs + 5 * 64 * 256
    assert convention.get("thop").of(e.cost) == e.cost.macs + 4 * 64 * 256
