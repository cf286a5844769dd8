"""CondConv: a kernel for each sample; what holds for all operators with dynamic kernels."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import DYNAMIC_SHAPES, conv_arguments, convolve_by_sample, part_total, random_tensor

from flopcalc import layer
from flopcalc.pytorch.layers.condconv import CondConv2d


@pytest.mark.parametrize("given", DYNAMIC_SHAPES, ids=str)
def test_condconv_has_a_kernel_for_each_sample(given: dict[str, Any]) -> None:
    """sigmoid(fc(mean)) mixes the experts; three samples get three kernels, and both modes agree."""
    module: Any = CondConv2d(4, 6, 3, experts=5, dtype=torch.float64, **given)
    x = random_tensor(3, 4, 7, 9)
    fc = module.routing.fc
    coefficients = 1 / (1 + torch.exp(-(x.mean((2, 3)) @ fc.weight.T + fc.bias)))
    expected = convolve_by_sample(module, x, coefficients, **conv_arguments(given))
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
    e = layer("condconv", 16, 32, hw=10, batch=2, experts=4, bias=True)
    assert (part_total(e, "routing", "params"), part_total(e, "routing", "macs")) == (68, 2 * 64)
    assert part_total(e, "routing", "adds") == 2 * (1600 + 4)
    assert (part_total(e, "aggregation", "params"), part_total(e, "aggregation", "macs")) == (0, 2 * 4 * 4640)
    assert (part_total(e, "convolution", "params"), part_total(e, "convolution", "macs")) == (4 * 4640, 2 * 460_800)
    assert e.cost.macs == 2 * (64 + 18_560 + 460_800)
    # pool, fc, sigmoid, mixing, convolution.
    assert e.cost.steps == 5
    # In training four convolutions; 4 outputs of 3200 values are stacked and mixed.
    t = layer("condconv", 16, 32, hw=10, batch=2, experts=4, bias=True, mode="training")
    assert (part_total(t, "convolution", "params"), part_total(t, "convolution", "macs")) == (4 * 4640, 2 * 4 * 460_800)
    assert part_total(t, "aggregation", "macs") == 2 * 4 * 3200


@pytest.mark.parametrize("name", ["condconv", "dynamic_conv", "dynet"])
def test_overhead_does_not_know_the_resolution(name: str) -> None:
    """Routing and aggregation cost the same at 7 x 7 and 56 x 56; the convolution 64 times as much."""
    small, large = layer(name, 64, hw=7), layer(name, 64, hw=56)
    for part in ("routing", "aggregation"):
        assert part_total(small, part, "macs") == part_total(large, part, "macs") > 0
    assert 64 * part_total(small, "convolution", "macs") == part_total(large, "convolution", "macs")


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
        total += sum(part_total(e, "convolution", "params") for e in block) - (
            c_in * wide + k * k * wide + wide * c_out
        )
        total += part_total(block[0], "routing", "params")
    assert total == params
