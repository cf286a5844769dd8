"""ConvNeXt's block: numbers by hand, its definition, and its layer norm in other counters."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import build_block, random_tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc import layer
from flopcalc.cost import convention


def test_convnext_numbers() -> None:
    """ConvNeXt-T's first stage, 96 channels on 56 x 56."""
    block = layer("convnext_block", 96)
    # 49*96 + 96; layer norm 2*96; 96*384 + 384; 384*96 + 96; layer scale 96.
    assert [part.params for part in block.cost if part.params] == [4800, 192, 37_248, 36_960, 96]
    assert block.cost.params == 79_296
    assert block.cost.macs == (96 * 49 + 2 * 96 * 384) * 3136
    # Biases 96 + 384 + 96, layer norm 3 per element, the sum.
    assert block.cost.total("adds") == (96 + 384 + 96 + 3 * 96 + 96) * 3136
    assert block.cost.total("other") == 384 * 3136
    assert block.cost.steps == 7


def test_convnext_by_its_definition() -> None:
    """Layer norm by its definition, 1x1 convolutions instead of linear layers, GELU by the error function."""
    module = build_block("convnext_block", 4, k=5, expansion=3)
    for tensor in (module.norm.weight, module.norm.bias, module.scale.gamma):
        torch.nn.init.normal_(tensor)
    x = random_tensor(2, 4, 7, 6)
    y = F.conv2d(x, module.depthwise.weight, module.depthwise.bias, padding=2, groups=4)
    y = (y - y.mean(1, keepdim=True)) / (y.var(1, unbiased=False, keepdim=True) + 1e-6).sqrt()
    y = y * module.norm.weight[:, None, None] + module.norm.bias[:, None, None]
    y = F.conv2d(y, module.expand.weight[:, :, None, None], module.expand.bias)
    y = y * (1 + torch.erf(y / 2**0.5)) / 2
    y = F.conv2d(y, module.project.weight[:, :, None, None], module.project.bias)
    assert torch.allclose(module(x), x + y * module.scale.gamma[:, None, None])


def test_layer_norm_in_other_counters() -> None:
    """fvcore counts 5 for each element of a layer norm, thop 4, here 64 channels on 16 x 16, besides MACs."""
    e = layer("convnext_block", 64, hw=16)
    assert convention.get("fvcore").of(e.cost) == e.cost.macs + 5 * 64 * 256
    assert convention.get("thop").of(e.cost) == e.cost.macs + 4 * 64 * 256
