"""Pointwise convolution: a product of matrices at each position."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import build, random_tensor, refused

from flopcalc import layer


def test_pointwise() -> None:
    """The slides' 128 -> 128 with bias: 128 * 128 + 128 = 16512. A product of matrices at each position."""
    e = layer("pointwise", 128, bias=True)
    assert (e.geometry.kernel, e.cost.params, e.cost.macs) == ((1, 1), 16_512, 128 * 128 * 56 * 56)
    # Stride 2 on 7 x 7 leaves 4 x 4 positions.
    assert layer("pointwise", 6, 10, hw=7, stride=2).cost.macs == 6 * 10 * 16
    assert layer("pointwise", 6, 10, groups=2).cost.params == 30
    refused("kernel is 3x3", "pointwise", 8, k=3)
    module, x = build("pointwise", 4, 6, hw=5, bias=True), random_tensor(2, 4, 5, 5)
    expected = torch.einsum("oc,nchw->nohw", module.weight[:, :, 0, 0], x) + module.bias[:, None, None]
    assert torch.allclose(module(x), expected)
