"""Dynamic kernels, attention and involution: what the modules do, and numbers worked out by hand."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc import FlopcalcError, layer
from flopcalc.operator import Evaluation
from flopcalc.pytorch.layers.attention import Attention2d
from flopcalc.pytorch.layers.condconv import CondConv2d
from flopcalc.pytorch.layers.dynamic_conv import DynamicConv2d
from flopcalc.pytorch.layers.dynet import DyNetConv2d
from flopcalc.pytorch.layers.involution import Involution2d


def _random(*shape: int) -> Tensor:
    torch.manual_seed(0)
    out: Tensor = torch.randn(*shape, dtype=torch.float64)
    return out


def _part(e: Evaluation, name: str, kind: str) -> int:
    """One kind, summed over a part and its sub-parts."""
    return sum(getattr(part, kind) for part in e.cost if part.name.split(".")[0] == name)


def _by_samples(module: Any, x: Tensor, coefficients: Tensor, **conv: Any) -> Tensor:
    """Each sample by itself: its kernel as a plain sum over the kernels, then a plain convolution."""
    held, out = module.convolution, []
    for sample, weights in zip(x, coefficients, strict=True):
        kernel = sum(w * k for w, k in zip(weights, held.weight, strict=True))
        bias = None if held.bias is None else sum(w * b for w, b in zip(weights, held.bias, strict=True))
        out.append(F.conv2d(sample[None], kernel, bias, **conv))
    joined: Tensor = torch.cat(out)
    return joined


SHAPES: list[dict[str, Any]] = [{}, {"bias": True}, {"groups": 2, "stride": 2, "bias": True}, {"dilation": 2}]


def _conv_arguments(given: dict[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in given.items() if name != "bias"}
    return {"padding": given.get("dilation", 1), **rest}


@pytest.mark.parametrize("given", SHAPES, ids=str)
def test_condconv_has_a_kernel_for_each_sample(given: dict[str, Any]) -> None:
    """sigmoid(fc(mean)) mixes the experts; three samples get three kernels, and both modes agree."""
    module: Any = CondConv2d(4, 6, 3, experts=5, dtype=torch.float64, **given)
    x = _random(3, 4, 7, 9)
    fc = module.routing.fc
    coefficients = 1 / (1 + torch.exp(-(x.mean((2, 3)) @ fc.weight.T + fc.bias)))
    expected = _by_samples(module, x, coefficients, **_conv_arguments(given))
    assert torch.allclose(module(x), expected)
    training = CondConv2d(4, 6, 3, experts=5, mode="training", dtype=torch.float64, **given)
    training.load_state_dict(module.state_dict())
    assert torch.allclose(training(x), expected)


def test_condconv_by_hand() -> None:
    """c_in 16, c_out 32, k 3, 10 x 10, 4 experts with bias, batch 2.

    A kernel has W = 32 * 16 * 9 = 4608 weights and 32 biases. Routing: 16 * 4 + 4 parameters, 16 * 4
    MACs, a mean over 1600 values. Aggregation: 4 * (4608 + 32). Convolution: 4608 * 100. All but the
    parameters twice for two samples.
    """
    e = layer("condconv", 16, 32, hw=10, n=2, experts=4, bias=True)
    assert (_part(e, "routing", "params"), _part(e, "routing", "macs")) == (68, 2 * 64)
    assert _part(e, "routing", "adds") == 2 * (1600 + 4)
    assert (_part(e, "aggregation", "params"), _part(e, "aggregation", "macs")) == (0, 2 * 4 * 4640)
    assert (_part(e, "convolution", "params"), _part(e, "convolution", "macs")) == (4 * 4640, 2 * 460_800)
    assert e.cost.macs == 2 * (64 + 18_560 + 460_800)
    # pool, fc, sigmoid, mixing, convolution.
    assert e.cost.steps == 5
    # In training four convolutions; 4 outputs of 3200 values are stacked and mixed.
    t = layer("condconv", 16, 32, hw=10, n=2, experts=4, bias=True, mode="training")
    assert (_part(t, "convolution", "params"), _part(t, "convolution", "macs")) == (4 * 4640, 2 * 4 * 460_800)
    assert _part(t, "aggregation", "macs") == 2 * 4 * 3200


@pytest.mark.parametrize("name", ["condconv", "dynamic_conv", "dynet"])
def test_overhead_does_not_know_the_resolution(name: str) -> None:
    """Routing and aggregation cost the same at 7 x 7 and 56 x 56; the convolution 64 times as much."""
    small, large = layer(name, 64, hw=7), layer(name, 64, hw=56)
    for part in ("routing", "aggregation"):
        assert _part(small, part, "macs") == _part(large, part, "macs") > 0
    assert 64 * _part(small, "convolution", "macs") == _part(large, "convolution", "macs")


@pytest.mark.parametrize(("experts", "params"), [(4, 13_314_116), (8, 24_013_284)])
def test_condconv_efficientnet_b0(experts: int, params: int) -> None:
    """Its authors' B0: the last three stages, three convolutions a block, one routing for each block.

    Plain B0 has 5,288,548 parameters. Blocks expand 6 times: 80-112-112-112 and 112-192-192-192-192 with
    5 x 5, 192-320 with 3 x 3 depthwise kernels. A routing sees the input of its block.
    """
    total = 5_288_548
    blocks = [(80, 112, 5), (112, 112, 5), (112, 112, 5), (112, 192, 5), *[(192, 192, 5)] * 3, (192, 320, 3)]
    for c_in, c_out, k in blocks:
        wide = 6 * c_in
        block = [
            layer("condconv", c_in, wide, k=1, experts=experts),
            layer("condconv", wide, k=k, groups=wide, experts=experts),
            layer("condconv", wide, c_out, k=1, experts=experts),
        ]
        total += sum(_part(e, "convolution", "params") for e in block) - (c_in * wide + k * k * wide + wide * c_out)
        total += _part(block[0], "routing", "params")
    assert total == params


@pytest.mark.parametrize("given", SHAPES, ids=str)
def test_dynamic_conv_has_a_kernel_for_each_sample(given: dict[str, Any]) -> None:
    """A softmax over the kernels, at a temperature; three samples get three kernels, and both modes agree."""
    module: Any = DynamicConv2d(8, 6, 3, kernels=3, reduction=2, dtype=torch.float64, **given)
    module.routing.temperature = 30.0
    x = _random(3, 8, 7, 9)
    first, second = module.routing.squeeze, module.routing.excite
    scores = F.linear(F.relu(F.linear(x.mean((2, 3)), first.weight, first.bias)), second.weight, second.bias)
    powers = torch.exp(scores / 30)
    expected = _by_samples(module, x, powers / powers.sum(1, keepdim=True), **_conv_arguments(given))
    assert torch.allclose(module(x), expected)
    training: Any = DynamicConv2d(8, 6, 3, kernels=3, reduction=2, mode="training", dtype=torch.float64, **given)
    training.load_state_dict(module.state_dict())
    training.routing.temperature = 30.0
    assert torch.allclose(training(x), expected)


def test_dynamic_conv_by_hand() -> None:
    """c_in 16, c_out 32, k 3, 10 x 10, K 4, reduction 4, batch 2.

    W = 4608. Routing: 16 * 4 + 4 and 4 * 4 + 4 parameters, 64 + 16 MACs; the paper's attention adds the
    1600 values that the pooling sums. Aggregation: 4 * 4608. Convolution: 4608 * 100.
    """
    e = layer("dynamic_conv", 16, 32, hw=10, n=2)
    assert (_part(e, "routing", "params"), _part(e, "routing", "macs")) == (88, 2 * 80)
    assert e.derived == {"squeezed": 4, "attention": 1680}
    assert _part(e, "routing", "adds") == 2 * (1600 + 4 + 4 + 4)
    assert e.cost.macs == 2 * (80 + 18_432 + 460_800)
    assert e.cost.params == 88 + 18_432
    # pool, fc, relu, fc, softmax, mixing, convolution.
    assert e.cost.steps == 7
    t = layer("dynamic_conv", 16, 32, hw=10, n=2, mode="training")
    assert _part(t, "convolution", "macs") == 2 * 4 * 460_800


def test_dynamic_conv_resnet18() -> None:
    """ResNet-18, all convolutions but conv1, K = 4: 45.472M parameters, printed 45.47M elsewhere.

    The 19 convolutions have 11,157,504 of the plain network's 11,689,512 parameters; each becomes 4 kernels.
    Biases of both fully connected layers are counted; with those of the kernels too it would be 45.491M.
    """
    convs = [(64, 64, 3)] * 4
    for c_in, c_out in ((64, 128), (128, 256), (256, 512)):
        convs += [(c_in, c_out, 3), (c_in, c_out, 1), *[(c_out, c_out, 3)] * 3]
    weights = sum(a * b * k * k for a, b, k in convs)
    assert (len(convs), weights) == (19, 11_157_504)
    dynamic = [layer("dynamic_conv", a, b, k=k) for a, b, k in convs]
    total = 11_689_512 - weights + sum(e.cost.params for e in dynamic)
    hidden = sum(a // 4 for a, _, _ in convs)
    attention = sum(a * (a // 4) + a // 4 * 4 for a, _, _ in convs)
    # 45,471,016 without any bias; hidden = 960 + 76 biases of the attention make 45,472,052.
    assert 11_689_512 + 3 * weights + attention == 45_471_016
    assert (hidden, 4 * len(convs)) == (960, 76)
    assert total == 45_472_052
    assert round(total / 10**6, 3) == 45.472


@pytest.mark.parametrize("given", SHAPES, ids=str)
def test_dynet_mixes_each_output_channel_by_itself(given: dict[str, Any]) -> None:
    """Channel o of sample s convolves with the sum over t of eta[s, o, t] W[o, t]; both modes agree."""
    module: Any = DyNetConv2d(4, 6, 3, g_t=3, dtype=torch.float64, **given)
    if module.bias is not None:
        torch.nn.init.normal_(module.bias.bias)
    x = _random(3, 4, 7, 9)
    eta = torch.sigmoid(x.mean((2, 3)) @ module.routing.fc.weight.T).reshape(3, 6, 3)
    weight, expected = module.convolution.weight, []
    for s in range(3):
        kernel = torch.stack([sum(eta[s, o, t] * weight[o, t] for t in range(3)) for o in range(6)])
        expected.append(F.conv2d(x[s : s + 1], kernel, module.bias and module.bias.bias, **_conv_arguments(given)))
    assert torch.allclose(module(x), torch.cat(expected))
    training: Any = DyNetConv2d(4, 6, 3, g_t=3, mode="training", dtype=torch.float64, **given)
    training.load_state_dict(module.state_dict())
    assert torch.allclose(training(x), torch.cat(expected))


def test_dynet_by_hand() -> None:
    """c_in 16, c_out 32, k 3, 10 x 10, g_t 6, batch 2: 32 * 6 coefficients from 16 means, without bias.

    W = 4608: fusion 6 W, convolution 100 W; in training 600 W, and 6 * 3200 to mix the maps.
    """
    e = layer("dynet", 16, 32, hw=10, n=2)
    assert (_part(e, "routing", "params"), _part(e, "routing", "macs")) == (3072, 2 * 3072)
    assert e.cost.params == 3072 + 6 * 4608
    assert e.cost.macs == 2 * (3072 + 6 * 4608 + 460_800)
    # pool, fc, sigmoid, fusion, its transposition, convolution.
    assert e.cost.steps == 6
    t = layer("dynet", 16, 32, hw=10, n=2, mode="training")
    assert t.cost.params == e.cost.params
    assert t.cost.macs == 2 * (3072 + 6 * 460_800 + 6 * 3200)
    # A bias is one for each output channel, not g_t.
    assert layer("dynet", 16, 32, bias=True).cost.params == e.cost.params + 32


def _torch_attention(module: Any, heads: int) -> Any:
    """torch's own attention with the weights of ours."""
    c = module.projection.weight.shape[0]
    theirs = torch.nn.MultiheadAttention(c, heads, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(module.qkv.conv.weight.flatten(1))
        theirs.in_proj_bias.copy_(module.qkv.conv.bias)
        theirs.out_proj.weight.copy_(module.projection.weight.flatten(1))
        theirs.out_proj.bias.copy_(module.projection.bias)
    return theirs


def test_attention_is_that_of_torch() -> None:
    """Tokens are the positions of the map, row by row."""
    module = Attention2d(8, 8, heads=2, dtype=torch.float64)
    x = _random(2, 8, 5, 3)
    tokens = x.flatten(2).transpose(1, 2)
    expected, _ = _torch_attention(module, 2)(tokens, tokens, tokens)
    assert torch.allclose(module(x), expected.transpose(1, 2).reshape(x.shape))


def test_windows_see_only_themselves() -> None:
    """Each 2 x 2 window by itself is what torch gives for its four tokens."""
    module = Attention2d(8, 8, heads=4, window=2, dtype=torch.float64)
    x = _random(2, 8, 4, 6)
    theirs, out = _torch_attention(module, 4), module(x)
    for top in range(0, 4, 2):
        for left in range(0, 6, 2):
            tokens = x[:, :, top : top + 2, left : left + 2].flatten(2).transpose(1, 2)
            expected, _ = theirs(tokens, tokens, tokens)
            found = out[:, :, top : top + 2, left : left + 2].flatten(2).transpose(1, 2)
            assert torch.allclose(found, expected)


def test_attention_by_hand() -> None:
    """The layer of ViT-B on its 14 x 14 patches: 12 heads of 64 channels, 196 tokens.

    4 * 768 * 768 weights and 4 * 768 biases; 196 * 4 * 768^2 MACs of the linear layers and twice
    196 * 196 * 768 of the products. Within 7 x 7 windows a token sees 49 tokens instead of 196.
    """
    e = layer("attention", 768, hw=14, heads=12)
    assert e.cost.params == 2_362_368
    assert [_part(e, name, "macs") for name in ("qkv", "scores", "mix", "projection")] == [
        346_816_512,
        29_503_488,
        29_503_488,
        115_605_504,
    ]
    windows = layer("attention", 768, hw=14, heads=12, window=7)
    assert windows.cost.params == e.cost.params
    assert e.cost.macs - windows.cost.macs == 2 * 196 * (196 - 49) * 768
    # 12 heads, 196 x 196 scores each: an addition, an exponential and a division for each.
    assert (_part(e, "softmax", "adds"), _part(e, "softmax", "other")) == (460_992, 921_984)
    assert _part(e, "scale", "muls") == 196 * 768
    # Compared with a 3x3 convolution of the same channels.
    assert e.baseline.macs == 196 * 9 * 768 * 768


def test_attention_needs_whole_heads_and_windows() -> None:
    """Ten channels make no four heads; a 14 x 14 map has no 4 x 4 windows."""
    with pytest.raises(FlopcalcError, match="heads = 4"):
        layer("attention", 10)
    with pytest.raises(FlopcalcError, match="4x4 windows"):
        layer("attention", 16, hw=14, window=4)
    with pytest.raises(FlopcalcError, match="heads = 3"):
        Attention2d(8, 8, heads=3)


INVOLUTIONS: list[dict[str, Any]] = [{}, {"stride": 2}, {"dilation": 2, "norm": True}, {"stride": (2, 1), "bias": True}]


@pytest.mark.parametrize("given", INVOLUTIONS, ids=str)
def test_involution_by_its_definition(given: dict[str, Any]) -> None:
    """Eq. 4 written out: Y[i, j, c] = sum over the taps of H[i, j, tap, group of c] X[i + u, j + v, c]."""
    module: Any = Involution2d(6, 6, 3, reduction=2, group_channels=2, dtype=torch.float64, **given).eval()
    x = _random(2, 6, 7, 5)
    stride, dilation = given.get("stride", 1), given.get("dilation", 1)
    s_h, s_w = stride if isinstance(stride, tuple) else (stride, stride)
    pooled = F.avg_pool2d(x, (s_h, s_w), ceil_mode=True) if s_h > 1 else x
    hidden = F.conv2d(pooled, module.reduce.conv.weight)
    if given.get("norm"):
        hidden = F.relu(module.reduce.norm(hidden))
    kernels = F.conv2d(hidden, module.span.weight, module.span.bias)
    padded = F.pad(x, (dilation,) * 4)
    expected = torch.zeros(2, 6, *kernels.shape[2:], dtype=torch.float64)
    for i in range(expected.shape[2]):
        for j in range(expected.shape[3]):
            for c in range(6):
                for u in range(3):
                    for v in range(3):
                        weight = kernels[:, c // 2 * 9 + u * 3 + v, i, j]
                        expected[:, c, i, j] += weight * padded[:, c, i * s_h + u * dilation, j * s_w + v * dilation]
    assert torch.allclose(module(x), expected)


def test_involution_by_hand() -> None:
    """64 channels, k 7, 56 x 56, r 4, 16 channels a kernel: 4 kernels of 49 taps from 16 channels.

    W_0 64 * 16 = 1024, W_1 16 * 196 = 3136; the product 64 * 49 for each position.
    """
    e = layer("involution", 64, k=7)
    assert e.derived == {"reduced": 16, "kernels": 4}
    assert e.cost.params == 1024 + 3136
    assert e.cost.macs == 3136 * (1024 + 3136 + 3136)
    assert _part(e, "product", "macs") == 3136 * 3136
    # As built: two vectors of the batch norm and a bias for each of the 196 weights.
    assert layer("involution", 64, k=7, norm=True).cost.params == 4160 + 2 * 16 + 196
    # reduce, span, copy, product; unfold and copy run beside them.
    assert e.cost.steps == 4
    assert layer("involution", 64, k=7, stride=2, norm=True).cost.steps == 7
    assert e.baseline.macs == 3136 * 49 * 64 * 64


REDNETS = {
    26: ((1, 2, 4, 1), "9.2", "1.7"),
    38: ((2, 3, 5, 2), "12.4", "2.2"),
    50: ((3, 4, 6, 3), "15.5", "2.7"),
    101: ((3, 4, 23, 3), "25.7", "4.7"),
    152: ((3, 8, 36, 3), "34.0", "6.8"),
}


def _rednet(blocks: tuple[int, ...]) -> list[tuple[Evaluation, int]]:
    """Layers of a RedNet, each with the element-wise operations of what follows it.

    ResNet with 7 x 7 involutions for the 3 x 3 convolutions, and a stem of conv, involution, conv. Batch
    norm (2 for each element) follows every layer, ReLU (1) all but the shortcuts' (the last one of a block
    comes after the sum).
    """
    layers = []

    def put(name: str, c_in: int, c_out: int, k: int, hw: int, stride: int = 1, per_element: int = 3) -> None:
        given = {"norm": True} if name == "involution" else {}
        e = layer(name, c_in, c_out, k=k, hw=hw, stride=stride, **given)
        inside = sum(part.adds + part.muls + part.other for part in e.cost)
        layers.append((e, inside + per_element * c_out * e.geometry.p_out))

    put("conv", 3, 32, 3, 224, 2)
    put("involution", 32, 32, 3, 112)
    put("conv", 32, 64, 3, 112)
    c_in, hw = 64, 56
    for stage, depth in enumerate(blocks):
        width = 64 * 2**stage
        for block in range(depth):
            stride = 2 if stage and not block else 1
            put("conv", c_in, width, 1, hw)
            put("involution", width, width, 7, hw, stride)
            if not block:
                put("conv", c_in, 4 * width, 1, hw, stride, per_element=2)
            hw //= stride
            put("conv", width, 4 * width, 1, hw)
            c_in = 4 * width
    return layers


@pytest.mark.parametrize("depth", REDNETS)
def test_rednets_as_printed(depth: int) -> None:
    """Parameters and FLOPs of the authors' five networks, to the last printed digit.

    Their counter adds normalisation, activations and biases to the MACs; only with the product among them
    do the FLOPs fit (without it RedNet-50 has 2.6 G and RedNet-152 6.6 G).
    """
    blocks, params, flops = REDNETS[depth]
    layers = _rednet(blocks)
    # Two vectors of batch norm after each layer; a classifier from 2048 to 1000 with bias.
    found = sum(e.cost.params + 2 * e.geometry.c_out for e, _ in layers) + 2_049_000
    assert f"{found / 10**6:.1f}" == params
    total = sum(e.cost.macs + extra for e, extra in layers) + 2_048_000
    assert f"{total / 10**9:.1f}" == flops
    without = total - sum(_part(e, "product", "macs") for e, _ in layers)
    assert (f"{without / 10**9:.1f}" == flops) == (depth == 26)
