"""MixConv: kernels of several sizes in one depthwise convolution."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import random_tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc import FlopcalcError, layer
from flopcalc.pytorch.layers import MixConv2d


def test_mixconv_by_hand() -> None:
    """64 = 22 + 21 + 21 with kernels 3, 5, 7: 22 * 9 + 21 * 25 + 21 * 49 = 1752 weights."""
    e = layer("mixconv", 64, hw=10)
    assert (e.derived["c_first"], e.derived["c_rest"]) == (22, 21)
    assert (e.cost.params, e.cost.macs) == (1752, 1752 * 100)
    # The convolutions run side by side, then the concatenation.
    assert e.cost.steps == 2
    # One kernel is a depthwise convolution, without a concatenation.
    one = layer("mixconv", 64, hw=10, kernels=(5,))
    assert (one.cost.params, one.cost.steps) == (64 * 25, 1)


def test_mixconv_is_one_grouped_convolution() -> None:
    """All kernels padded to 7 x 7 with zeros give the same output in one depthwise convolution."""
    module = MixConv2d(8, 8, 3, stride=2, dilation=2, dtype=torch.float64)
    weights = [conv.weight for conv in module.depthwise.values()]
    # 8 channels in three parts: 8 // 3 = 2, and the first takes the remainder.
    assert [tuple(w.shape) for w in weights] == [(4, 1, 3, 3), (2, 1, 5, 5), (2, 1, 7, 7)]
    dense = torch.cat([F.pad(w, [(7 - w.shape[-1]) // 2] * 4) for w in weights])
    x = random_tensor(2, 8, 15, 18)
    assert torch.allclose(module(x), F.conv2d(x, dense, stride=2, padding=6, dilation=2, groups=8))


@pytest.mark.parametrize("kernels", [(3, 4), (3, 3), (1, 3, 5, 7, 9)])
def test_mixconv_refuses(kernels: tuple[int, ...]) -> None:
    """Even sizes, a size twice, more kernels than channels."""
    with pytest.raises(FlopcalcError, match="does not apply"):
        layer("mixconv", 4, kernels=kernels)
    assert layer("mixconv", 4, groups=4).cost.params == 2 * 9 + 25 + 49
