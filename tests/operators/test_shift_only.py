"""The shift alone: it moves data and computes nothing."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import random_tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc import layer
from flopcalc.pytorch.layers import Shift2d


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
    x = random_tensor(2, channels, 6, 7)
    assert torch.equal(module(x), F.conv2d(x, weight, padding=padding, dilation=dilation, groups=channels))
