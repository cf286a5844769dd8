"""Inverted residuals of MobileNetV2 and EfficientNet: numbers by hand, and the definition."""

from fractions import Fraction
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import batch_norm, build_block, convolve, excite, part_params, random_tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc import FlopcalcError, layer


def test_mbconv_numbers() -> None:
    """EfficientNet-B0's blocks and MobileNetV2's, by hand."""
    # MobileNetV2: h w d' t (d' + k^2 + d'') at 64 -> 96, t = 6: 64 * 6 * (64 + 9 + 96).
    v2 = layer("mbconv", 64, 96, hw=14, se=0)
    assert v2.cost.macs == 14 * 14 * 64 * 6 * 169
    assert v2.cost.params == 384 * 169
    # A residual costs c h w additions where shapes allow, and nothing else.
    assert layer("mbconv", 64, hw=14, se=0).cost.total("adds") == 64 * 14 * 14
    assert layer("mbconv", 64, hw=14, se=0, residual=False).cost.total("adds") == 0
    for other in ({"c_out": 96}, {"stride": 2}):
        assert layer("mbconv", 64, se=0, **other).cost.total("adds") == 0
    # EfficientNet-B0's second block, 16 -> 24 at 112 x 112, stride 2: expansion 16*96, depthwise 96*9,
    # squeeze and excitation of 16 // 4 = 4 channels on 96 (2*96*4 + 96 + 4), projection 96*24,
    # norms 2 * (96 + 96 + 24). torchvision's module of that block has 6,004 parameters.
    b0 = {"hw": 112, "stride": 2, "norm": True}
    parts = part_params("mbconv", 16, 24, **b0)
    assert parts["se.reduce"] + parts["se.expand"] == 868
    assert sum(parts.values()) == 1536 + 864 + 868 + 2304 + 432 == 6004
    # The expansion works on 112 x 112, the others on 56 x 56, the excitation on one position.
    assert layer("mbconv", 16, 24, **b0).cost.macs == 1536 * 112**2 + (864 + 2304) * 56**2 + 768
    # The first block: expansion 1, so no 1x1 before; 32 * 9, 8 of 32 channels, 32 * 16, norms 2 * 48.
    assert sum(part_params("mbconv", 32, 16, expansion=1, norm=True).values()) == 288 + 552 + 512 + 96 == 1448
    with pytest.raises(FlopcalcError, match="less than one channel"):
        layer("mbconv", 3, 16)


@pytest.mark.parametrize("expansion", [1, 4])
def test_mbconv_by_its_definition(expansion: int) -> None:
    """The last convolution is linear; the input is added; the excitation stands on the expanded maps."""
    module = build_block("mbconv", 8, k=5, expansion=expansion, norm=True)
    x = y = random_tensor(2, 8, 7, 6)
    if expansion != 1:
        y = F.silu(batch_norm(module.expand.norm, convolve(module.expand, y)))
    y = F.silu(batch_norm(module.depthwise.norm, convolve(module.depthwise, y, padding=2, groups=8 * expansion)))
    y = excite(module.se, y, F.silu)
    y = x + batch_norm(module.project.norm, convolve(module.project, y))
    assert torch.allclose(module(x), y)


def test_se_may_be_zero_but_not_negative() -> None:
    """A fraction whose own bound is 0 takes 0; the others are more than 0 as before."""
    assert layer("mbconv", 16, se="0").named["se"] == Fraction(0)
    with pytest.raises(FlopcalcError, match="at least 0"):
        layer("mbconv", 16, se="-1/4")
    with pytest.raises(FlopcalcError, match="more than 0"):
        layer("spconv", 16, alpha=0)
