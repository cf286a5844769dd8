"""GhostNetV2's Ghost module: numbers by hand, the definition, and timm's module."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import batch_norm, build_block, convolve, import_torchvision, part_params, random_tensor, refused
from torch.nn import functional as F  # noqa: N812

from flopcalc import layer
from flopcalc.cost.kinds import OF_A_KERNEL
from flopcalc.pytorch import count


def test_ghostv2_numbers() -> None:
    """24 -> 72, 1x1 on 28 x 28: 36 maps and 36 ghosts; the gate on 14 x 14."""
    assert part_params("ghostv2", 24, 72, k=1) == {
        "primary": 24 * 36,
        "cheap": 36 * 9,
        "point": 24 * 72,
        "horizontal": 72 * 5,
        "vertical": 72 * 5,
    }
    e = layer("ghostv2", 24, 72, k=1, hw=28)
    assert e.cost.macs == 784 * (864 + 324) + 196 * (1728 + 720)
    assert e.cost.total("muls") == 784 * 72
    # An odd row and column are not pooled, and the gate is still enlarged to the whole map.
    assert layer("ghostv2", 24, 72, k=1, hw=29).cost.macs == 841 * 1188 + 196 * 2448
    refused("it has a stride", "ghostv2", 64, stride=2)
    refused("reach = 4 is even", "ghostv2", 64, reach=4)
    # All maps from one are possible.
    assert layer("ghostv2", 8, s=8).cost.macs
    refused("s = 9 is more than c_out = 8", "ghostv2", 8, s=9)


@pytest.mark.parametrize("given", [{"k": 1}, {"norm": True, "s": 3}, {"s": 1, "dilation": 2, "reach": 3}], ids=str)
def test_ghostv2_by_its_definition(given: dict[str, Any]) -> None:
    """Both branches; enlarging is written as an index."""
    module = build_block("ghostv2", 4, 6, **given)
    x = random_tensor(2, 4, 9, 7)
    norm, s, reach = "norm" in given, given.get("s", 2), given.get("reach", 5)
    k, dilation = given.get("k", 3), given.get("dilation", 1)
    kxk = {"padding": dilation * (k // 2), "dilation": dilation}

    def run(block: Any, y: Any, active: bool = False, **conv: Any) -> Any:
        y = convolve(block, y, **conv)
        y = batch_norm(block.norm, y) if norm else y
        return F.relu(y) if norm and active else y

    maps = run(module.primary, x, True, **kxk)
    if s > 1:
        maps = torch.cat([maps, run(module.cheap, maps, True, padding=1, groups=maps.shape[1])], dim=1)[:, :6]
    y = x[:, :, :8, :6].reshape(2, 4, 4, 2, 3, 2).mean((3, 5))
    y = run(module.horizontal, run(module.point, y, **kxk), padding=(0, reach // 2), groups=6)
    y = run(module.vertical, y, padding=(reach // 2, 0), groups=6).sigmoid()
    down, across = torch.arange(9) * 4 // 9, torch.arange(7) * 3 // 7
    assert torch.allclose(module(x), maps * y[:, :, down][:, :, :, across])


@pytest.mark.parametrize("given", [{"k": 1}, {"k": 3, "s": 3, "d": 5}], ids=str)
def test_ghostv2_costs_what_timm_builds(given: dict[str, Any]) -> None:
    """timm's GhostModuleV2, counted, on a map with an odd side."""
    import_torchvision()
    ghostnet = pytest.importorskip("timm.models.ghostnet")
    e = layer("ghostv2", 24, 40, hw=(14, 9), batch=2, norm=True, **given)
    theirs = ghostnet.GhostModuleV2(24, 40, given["k"], ratio=given.get("s", 2), dw_size=given.get("d", 3))
    found = count(theirs, (2, 24, 14, 9))
    for kind in (*OF_A_KERNEL, "steps"):
        assert found.total(kind) == e.cost.total(kind), kind


def test_a_map_needs_one_window_of_the_pool() -> None:
    """The gate is of windows of 2x2: one along an axis is enough."""
    assert layer("ghostv2", 8, hw=(2, 3)).cost.total("params") == layer("ghostv2", 8, hw=(3, 2)).cost.total("params")
    refused("a map of 1x3 has no window of 2x2", "ghostv2", 8, hw=(1, 3))
    refused("a map of 3x1 has no window of 2x2", "ghostv2", 8, hw=(3, 1))
