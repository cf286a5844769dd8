"""Coordinate attention: numbers by hand, the definition, timm's module, and a network as printed."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import batch_norm, build_block, import_torchvision, part_params, random_tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc import layer
from flopcalc.cost.kinds import OF_A_KERNEL
from flopcalc.pytorch import count


def test_coordinate_attention_numbers() -> None:
    """64 channels: 8 between, since 64 / 32 is less; 384 channels: 12."""
    expected = {"reduce": 64 * 8 + 8, "norm": 16, "height": 8 * 64 + 64, "width": 8 * 64 + 64}
    assert part_params("coordinate_attention", 64, norm=True) == expected
    e = layer("coordinate_attention", 64, hw=(28, 20), batch=2)
    assert {part.name: part.macs for part in e.cost if part.macs} == {
        "reduce": 2 * 48 * 512,
        "height": 2 * 28 * 512,
        "width": 2 * 20 * 512,
    }
    assert e.cost.total("muls") == 2 * 2 * 64 * 560
    # Two means of the map, and the biases.
    assert e.cost.total("adds") == 2 * (2 * 64 * 560 + 48 * 8 + 48 * 64)
    assert layer("coordinate_attention", 384).named["m"] == 12


@pytest.mark.parametrize("norm", [False, True])
def test_coordinate_attention_by_its_definition(norm: bool) -> None:
    """Eq. 4 to 9: rows and columns share the first convolution; each has its own second one."""
    module = build_block("coordinate_attention", 6, least=4, norm=norm)
    x = random_tensor(2, 6, 5, 4)

    def shared(lines: Any) -> Any:
        y = F.conv1d(lines, module.reduce.weight[..., 0], module.reduce.bias)
        return F.hardswish(batch_norm(module.norm, y[..., None])[..., 0] if norm else y)

    def back(block: Any, y: Any) -> Any:
        return torch.sigmoid(F.conv1d(y, block.conv.weight[..., 0], block.conv.bias))

    rows, columns = back(module.height, shared(x.mean(3))), back(module.width, shared(x.mean(2)))
    assert torch.allclose(module(x), x * rows[:, :, :, None] * columns[:, :, None, :])


def test_coordinate_attention_costs_what_timm_builds() -> None:
    """timm's CoordAttn with the authors' width and biases, counted."""
    import_torchvision()
    layers = pytest.importorskip("timm.layers.coord_attn")
    e = layer("coordinate_attention", 96, hw=(12, 9), batch=2, norm=True)
    found = count(layers.CoordAttn(96, rd_channels=8, bias=True), (2, 96, 12, 9))
    for kind in (*OF_A_KERNEL, "steps"):
        assert found.total(kind) == e.cost.total(kind), kind


def test_mobilenet_v2_with_coordinate_attention_as_printed() -> None:
    """3.95M parameters and 310M multiply-adds (in tens), where MobileNetV2 has 3.5M and 300M: the authors' README.

    It follows the depthwise convolution of each block that expands.
    """
    blocks = [(16, 56), (24, 56), (24, 28), (32, 28), (32, 28), (32, 14), *[(64, 14)] * 4]
    blocks += [*[(96, 14)] * 2, (96, 7), *[(160, 7)] * 3]
    params, macs = 3_504_872, 300_774_272
    for channels, hw in blocks:
        e = layer("coordinate_attention", 6 * channels, hw=hw, norm=True)
        params, macs = params + e.cost.params, macs + e.cost.macs
    assert f"{params / 10**6:.2f}M" == "3.95M"
    assert f"{10 * round(macs / 10**7)}M" == "310M"
