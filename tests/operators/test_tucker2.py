"""Convolution as a Tucker-2 product."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import random_tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc import layer
from flopcalc.pytorch.layers import Tucker2Conv2d


def test_tucker2_is_a_convolution_with_a_factored_kernel() -> None:
    """U_out core U_in as one kernel; at full ranks a convolution's own; the stride is the core's."""
    module = Tucker2Conv2d(5, 6, (3, 5), stride=(2, 1), dilation=2, rank1=2, rank2=3, dtype=torch.float64)
    kernel = torch.einsum(
        "or,rshw,si->oihw", module.expand.weight[:, :, 0, 0], module.core.weight, module.reduce.weight[:, :, 0, 0]
    )
    x = random_tensor(2, 5, 9, 12)
    assert torch.allclose(module(x), F.conv2d(x, kernel, stride=(2, 1), padding=(2, 4), dilation=2))
    weight, bias = random_tensor(6, 5, 3, 3), random_tensor(6)
    full = Tucker2Conv2d(5, 6, 3, bias=True, rank1=5, rank2=6, dtype=torch.float64)
    full.factorise(weight, bias)
    assert torch.allclose(full(x), F.conv2d(x, weight, bias, padding=1))
    # At lower ranks the factors are projections: the kernel of a factored kernel is itself.
    again = Tucker2Conv2d(5, 6, (3, 5), rank1=2, rank2=3, dtype=torch.float64)
    again.factorise(kernel.detach())
    assert torch.allclose(again(x), F.conv2d(x, kernel, padding=(1, 2)))


def test_ranks_by_default() -> None:
    """A quarter of the channels on each side."""
    assert (layer("tucker2", 64, 128).derived["r1"], layer("tucker2", 64, 128).derived["r2"]) == (16, 32)
