"""AdderNet's layer: numbers by hand, the table of its paper, and its definition."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import random_tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc import layer
from flopcalc.pytorch.layers import AdderConv2d
from flopcalc.spec.layer_record import notes


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
    x = random_tensor(2, 3, 7, 6)
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


def test_notes_by_hand() -> None:
    """2 -> 3, 3x3, 4x5: 1080 MACs; one kernel reads 2 * 20 elements and 54 weights, and writes 3 * 20: 154 elements."""
    text = " ".join(notes(layer("adder", 2, 3, hw=(4, 5))))
    assert "2,160 additions" in text
    assert "1,080 MACs" in text
    assert " 154 elements" in text
    # At stride 2, with a bias: 40 elements, 54 weights and 3 biases, and 3 * 6 outputs.
    text = " ".join(notes(layer("adder", 2, 3, hw=(4, 5), stride=2, bias=True)))
    assert " 115 elements" in text
