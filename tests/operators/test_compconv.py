"""CompConv: its recursion, its copies, and its limit."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import random_tensor
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc.pytorch.layers import CompConv2d


def test_compconv_follows_its_recursion() -> None:
    """d = 3, C_prim = 2, 28 channels as in the authors' figure, two of them surplus."""
    module = CompConv2d(16, 26, 3, depth=3, dtype=torch.float64)
    x = random_tensor(1, 16, 6, 6)

    def conv(block: Any, y: Tensor) -> Tensor:
        return F.conv2d(y, block.conv.weight, padding=1)

    b2 = conv(module.primary, x)
    a2 = x[:, 0:2]
    b1 = conv(module.chain[0], torch.cat([a2, b2], 1))
    a1 = x[:, 2:6]
    b0 = conv(module.chain[1], torch.cat([a1, b1], 1))
    a0 = conv(module.tail, b0)[:, :6]
    ordered = torch.cat([b2, a2, b1, a1, b0, a0], 1)
    assert [t.shape[1] for t in (b2, a2, b1, a1, b0, a0)] == [2, 2, 4, 4, 8, 6]
    out = module(x)
    # The shuffle interleaves the two halves, and loses nothing.
    assert torch.allclose(out[:, 0::2], ordered[:, :13])
    assert torch.allclose(out[:, 1::2], ordered[:, 13:])


def test_compconv_copies_are_pooled_at_a_stride() -> None:
    """The identity copies reach the output as averages of the input, odd sizes included."""
    module = CompConv2d(16, 28, 3, stride=2, depth=3, dtype=torch.float64)
    x = random_tensor(1, 16, 7, 7)
    out = module(x)
    ordered = torch.cat([out[:, 0::2], out[:, 1::2]], 1)
    copies = F.avg_pool2d(x, 2, 2, ceil_mode=True)
    assert torch.allclose(ordered[:, 2:4], copies[:, 0:2])
    assert torch.allclose(ordered[:, 8:12], copies[:, 2:6])


def test_compconv_at_depth_zero_is_a_convolution() -> None:
    """Its declared limit."""
    module = CompConv2d(4, 6, 3, depth=0, dtype=torch.float64)
    x = random_tensor(1, 4, 5, 5)
    assert torch.allclose(module(x), F.conv2d(x, module.primary.conv.weight, padding=1))
