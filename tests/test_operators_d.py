"""Dynamic kernels, attention and involution: what the modules do, and numbers worked out by hand."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc import layer
from flopcalc.operator import Evaluation
from flopcalc.pytorch.layers.condconv import CondConv2d


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


@pytest.mark.parametrize("name", ["condconv"])
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
