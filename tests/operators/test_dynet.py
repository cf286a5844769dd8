"""DyNet: kernels mixed for each output channel."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import DYNAMIC_SHAPES, conv_arguments, part_total, random_tensor
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
