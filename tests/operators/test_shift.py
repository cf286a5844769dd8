"""Shift between two pointwise convolutions, and ShiftResNet-20."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import random_tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc import FlopcalcError, layer
from flopcalc.pytorch.layers import ConvShiftConv2d


def test_conv_shift_conv_is_a_factored_convolution() -> None:
    """project[o, m] * (tap of m) * expand[m, i] as one dense kernel; the stride is at the end."""
    module = ConvShiftConv2d(4, 6, 3, stride=2, expansion=3, dtype=torch.float64)
    expand, project = module.expand.conv.weight, module.project.conv.weight
    taps = torch.tensor([tap for tap in range(9) for _ in range(2)])
    one_hot = F.one_hot(taps, 9).double().reshape(18, 3, 3)
    dense = torch.einsum("om,mhw,mi->oihw", project[:, :, 0, 0], one_hot, expand[:, :, 0, 0])
    x = random_tensor(2, 4, 9, 8)
    assert torch.allclose(module(x), F.conv2d(x, dense, stride=2, padding=1))


def test_conv_shift_conv_normalises_and_rectifies_in_between() -> None:
    """With norm: batch norm after both convolutions, ReLU before the shift only."""
    module = ConvShiftConv2d(4, 18, 3, norm=True, dtype=torch.float64).eval()
    module.expand.norm.running_mean.fill_(0.3)
    module.project.norm.running_var.fill_(2.0)
    x = random_tensor(1, 4, 5, 5)
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
        with pytest.raises(FlopcalcError, match="does not apply"):
            layer(name, 8, **options)
    assert layer("shift", 8, expansion=2).named["mid"] == 16
