"""DyNet: kernels mixed for each output channel."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import DYNAMIC_SHAPES, conv_arguments, part_total, random_tensor, refused
from torch.nn import functional as F  # noqa: N812

from flopcalc import layer
from flopcalc.pytorch.layers.dynet import DyNetConv2d


@pytest.mark.parametrize("given", DYNAMIC_SHAPES, ids=str)
def test_dynet_mixes_each_output_channel_by_itself(given: dict[str, Any]) -> None:
    """Channel o of sample s convolves with the sum over t of eta[s, o, t] W[o, t]; both modes agree."""
    module: Any = DyNetConv2d(4, 6, 3, g_t=3, dtype=torch.float64, **given)
    if module.bias is not None:
        torch.nn.init.normal_(module.bias.bias)
    x = random_tensor(3, 4, 7, 9)
    eta = torch.sigmoid(x.mean((2, 3)) @ module.routing.fc.weight.T).reshape(3, 6, 3)
    weight, expected = module.convolution.weight, []
    for s in range(3):
        kernel = torch.stack([sum(eta[s, o, t] * weight[o, t] for t in range(3)) for o in range(6)])
        expected.append(F.conv2d(x[s : s + 1], kernel, module.bias and module.bias.bias, **conv_arguments(given)))
    assert torch.allclose(module(x), torch.cat(expected))
    training: Any = DyNetConv2d(4, 6, 3, g_t=3, mode="training", dtype=torch.float64, **given)
    training.load_state_dict(module.state_dict())
    assert torch.allclose(training(x), torch.cat(expected))


def test_dynet_by_hand() -> None:
    """c_in 16, c_out 32, k 3, 10 x 10, g_t 6, batch 2: 32 * 6 coefficients from 16 means, without bias.

    W = 4608: fusion 6 W, convolution 100 W; in training 600 W, and 6 * 3200 to mix the maps.
    """
    e = layer("dynet", 16, 32, hw=10, batch=2)
    assert (part_total(e, "routing", "params"), part_total(e, "routing", "macs")) == (3072, 2 * 3072)
    assert e.cost.params == 3072 + 6 * 4608
    assert e.cost.macs == 2 * (3072 + 6 * 4608 + 460_800)
    # pool, fc, sigmoid, fusion, its transposition, convolution.
    assert e.cost.steps == 6
    t = layer("dynet", 16, 32, hw=10, batch=2, mode="training")
    assert t.cost.params == e.cost.params
    assert t.cost.macs == 2 * (3072 + 6 * 460_800 + 6 * 3200)
    # A bias is one for each output channel, not g_t.
    assert layer("dynet", 16, 32, bias=True).cost.params == e.cost.params + 32


def test_dynet_with_the_coefficients_of_its_block() -> None:
    """The rows of one prediction for all convolutions of a block: 24 means, of another number of channels."""
    given: dict[str, Any] = {"g_t": 3, "coefficients": "block", "block_in": 24}
    module: Any = DyNetConv2d(4, 6, 3, dtype=torch.float64, **given)
    x, means = random_tensor(2, 4, 5, 5), random_tensor(2, 24, seed=1)
    eta = torch.sigmoid(means @ module.routing.fc.weight.T).reshape(2, 6, 3)
    kernels = torch.einsum("sot,otcij->socij", eta, module.convolution.weight)
    expected = [F.conv2d(x[s : s + 1], kernels[s], padding=1) for s in range(2)]
    assert torch.allclose(module((x, means)), torch.cat(expected))
    refused("reads the layer's own", "dynet", 4, block_in=24)


def test_dynet_block_by_hand() -> None:
    """A block of Dy-mobile, 24 -> 24 channels at 28 x 28: the network predicts 3 * 24 * 6 coefficients from 24 means.

    Layer by layer: 1x1, 3x3 in groups of 6, 1x1, each 24 * 24 * 6 of the prediction's 10,368 weights.
    """
    shapes = ({"k": 1}, {"groups": 4}, {"k": 1})
    block = [layer("dynet", 24, hw=28, coefficients="block", **shape) for shape in shapes]
    assert [part_total(e, "routing", "params") for e in block] == [3456, 3456, 3456]
    assert 3 * 3456 == 24 * 3 * 24 * 6 == 10_368
    # The mean of the block's input is computed once, and not by its layers.
    assert [part_total(e, "routing", "adds") for e in block] == [0, 0, 0]
    alone = layer("dynet", 24, hw=28, k=1)
    assert part_total(alone, "routing", "adds") == 24 * 28 * 28
    assert alone.cost.steps == block[0].cost.steps + 1
