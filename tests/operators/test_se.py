"""Squeeze and excitation: numbers by hand, and its definition."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import build_block, excite, random_tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc import FlopcalcError, layer


def test_se_numbers() -> None:
    """2 c m + c + m parameters, 2 c m MACs at any resolution: c = 64, m = 16."""
    for hw in (7, 56):
        se = layer("se", 64, hw=hw)
        assert (se.cost.params, se.cost.macs) == (2 * 64 * 16 + 64 + 16, 2 * 64 * 16)
        # Mean: one addition per element, one division per channel; ReLU on 16, sigmoid on 64; the product.
        assert se.cost.total("other") == 64 + 16 + 64
        assert se.cost.total("adds") == 64 * hw * hw + 64 + 16
        assert se.cost.total("muls") == 64 * hw * hw
    # SENet's own reduction of 16 in ResNet-50's last stage, without biases: 2 / 16 * 2048^2.
    assert layer("se", 2048, hw=7, reduction=16, bias=False).cost.params == 524_288
    assert layer("se", 64, batch=5).cost.macs == 5 * 2048
    for wrong in ({"c_out": 32}, {"reduction": 65}, {"k": 3}):
        with pytest.raises(FlopcalcError, match="se does not apply"):
            layer("se", 64, **wrong)


def test_se_by_its_definition() -> None:
    """Means, two matrices, a sigmoid, a product."""
    module = build_block("se", 8, reduction=2)
    x = random_tensor(3, 8, 5, 4)
    assert torch.allclose(module(x), excite(module, x, F.relu))
