"""Dilated convolution: a wider field at the same cost."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import build, random_tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc import layer


def test_dilated() -> None:
    """A 3x3 at dilation 2 sees 5 pixels, at 3 it sees 7, a 5-tap axis at 4 sees 17; the cost is that of conv."""
    e = layer("dilated", 16, 24)
    assert e.geometry.dilation == (2, 2)
    assert (e.derived["field_h"], e.derived["field_w"]) == (5, 5)
    assert e.cost.macs == layer("conv", 16, 24).cost.macs == 16 * 24 * 9 * 56 * 56
    assert layer("dilated", 8, dilation=3).derived["field_h"] == 7
    assert layer("dilated", 8, k=(1, 5), dilation=(1, 4)).derived == {"field_h": 1, "field_w": 17}
    # The same as a dense 5x5 kernel with zeros at the odd taps.
    module, x = build("dilated", 2, 3), random_tensor(1, 2, 9, 9)
    dense = torch.zeros(3, 2, 5, 5, dtype=torch.float64)
    dense[:, :, ::2, ::2] = module.weight
    assert torch.allclose(module(x), F.conv2d(x, dense, padding=2))
