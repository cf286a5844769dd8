"""EfficientNetV2's fused block: numbers by hand, and its definition."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import batch_norm, build_block, convolve, excite, random_tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc import layer


def test_fused_mbconv_numbers() -> None:
    """EfficientNetV2-S: 24 -> 48, expansion 4, stride 2; and 24 -> 24 at expansion 1."""
    # 24*96*9 + 96*48, norms 2 * (96 + 48).
    fused = layer("fused_mbconv", 24, 48, expansion=4, stride=2, hw=150, norm=True)
    assert fused.cost.params == 20_736 + 4608 + 288
    assert fused.cost.macs == (20_736 + 4608) * 75 * 75
    single = layer("fused_mbconv", 24, expansion=1)
    assert single.cost.macs == layer("conv", 24).cost.macs == 24 * 24 * 9 * 56 * 56
    # se = 1/4 of 24 input channels is 6, on 96 inner channels: 2*96*6 + 96 + 6.
    excited = layer("fused_mbconv", 24, expansion=4, se="1/4").cost.params
    assert excited - layer("fused_mbconv", 24, expansion=4).cost.params == 1254


@pytest.mark.parametrize("expansion", [1, 4])
def test_fused_mbconv_by_its_definition(expansion: int) -> None:
    """At expansion 1 the excitation comes first, on the input, and the only convolution is activated."""
    module = build_block("fused_mbconv", 8, expansion=expansion, se="1/2", norm=True)
    x = random_tensor(2, 8, 7, 6)
    if expansion == 1:
        y = batch_norm(module.project.norm, convolve(module.project, excite(module.se, x, F.silu), padding=1))
        assert torch.allclose(module(x), x + F.silu(y))
        return
    y = F.silu(batch_norm(module.expand.norm, convolve(module.expand, x, padding=1)))
    y = batch_norm(module.project.norm, convolve(module.project, excite(module.se, y, F.silu)))
    assert torch.allclose(module(x), x + y)
