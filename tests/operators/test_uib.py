"""MobileNetV4's universal inverted bottleneck: numbers by hand, the definition, and timm's module."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import batch_norm, build_block, convolve, import_torchvision, part_params, random_tensor, refused
from torch.nn import functional as F  # noqa: N812

from flopcalc import layer
from flopcalc.cost.kinds import OF_A_KERNEL
from flopcalc.pytorch import count

VARIANTS = {"extra_dw": (5, 3), "ib": (0, 3), "convnext": (3, 0), "ffn": (0, 0)}


def test_uib_numbers() -> None:
    """64 -> 96, t = 4, k = 3 and start = 5: 256 inner channels."""
    assert part_params("uib", 64, 96, start=5) == {
        "start": 64 * 25,
        "expand": 64 * 256,
        "middle": 256 * 9,
        "project": 256 * 96,
    }
    assert part_params("uib", 64, 96, variant="convnext", norm=True, layer_scale=True) == {
        "start": 576,
        "start.norm": 128,
        "expand": 16_384,
        "expand.norm": 512,
        "project": 24_576,
        "project.norm": 192,
        "scale": 96,
    }
    # At stride 2 the expansion of extra_dw and ib is on the input's grid, that of convnext on the output's.
    strided = {"hw": 28, "stride": 2}
    assert layer("uib", 64, 96, **strided).cost.macs == 784 * (576 + 16_384) + 196 * (2304 + 24_576)
    assert layer("uib", 64, 96, variant="convnext", **strided).cost.macs == 196 * (576 + 16_384 + 24_576)
    assert layer("uib", 64, variant="ffn", hw=28).cost.macs == 784 * 2 * 16_384
    assert layer("uib", 64, variant="ffn", hw=28).cost.total("adds") == 784 * 64
    refused("has no depthwise convolution", "uib", 64, variant="ffn", stride=2)
    refused("start = 4 is even", "uib", 64, start=4)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("given", [{"norm": True}, {"c_out": 6, "stride": 2}, {"layer_scale": True}], ids=str)
def test_uib_by_its_definition(variant: str, given: dict[str, Any]) -> None:
    """Which depthwise convolutions there are, and which of them has the stride."""
    first, middle = VARIANTS[variant]
    given = {**given, "stride": 1} if variant == "ffn" else given
    module = build_block("uib", 4, variant=variant, start=5, expansion=2, **given)
    x = y = random_tensor(2, 4, 9, 8)
    stride, norm = given.get("stride", 1), "norm" in given

    def run(block: Any, y: Any, active: bool = False, **conv: Any) -> Any:
        y = convolve(block, y, **conv)
        y = batch_norm(block.norm, y) if norm else y
        return F.relu(y) if norm and active else y

    if first:
        y = run(module.start, y, padding=first // 2, groups=4, stride=1 if middle else stride)
    y = run(module.expand, y, active=True)
    if middle:
        y = run(module.middle, y, active=True, padding=1, groups=8, stride=stride)
    y = run(module.project, y)
    y = y * module.scale.gamma if "layer_scale" in given else y
    y = x + y if "c_out" not in given and stride == 1 else y
    assert torch.allclose(module(x), y)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("given", [{}, {"c_out": 48, "stride": 2}], ids=str)
def test_uib_costs_what_timm_builds(variant: str, given: dict[str, Any]) -> None:
    """timm's UniversalInvertedResidual, counted, in every kind; with layer scale, as in the hybrid networks."""
    import_torchvision()
    blocks = pytest.importorskip("timm.models._efficientnet_blocks")
    first, middle = VARIANTS[variant]
    given = {name: value for name, value in given.items() if variant != "ffn" or name != "stride"}
    c_out, stride = given.get("c_out", 32), given.get("stride", 1)
    theirs = blocks.UniversalInvertedResidual(32, c_out, first, middle, stride=stride, exp_ratio=4.0)
    e = layer("uib", 32, hw=(14, 10), batch=2, variant=variant, start=5, norm=True, layer_scale=True, **given)
    found = count(theirs, (2, 32, 14, 10))
    for kind in (*OF_A_KERNEL, "steps"):
        assert found.total(kind) == e.cost.total(kind), kind
