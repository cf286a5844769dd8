"""RepLKNet's block: numbers by hand, the one kernel of its branches, timm's module, and a network as printed."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import batch_norm, build_block, convolve, import_torchvision, part_params, random_tensor, refused
from torch.nn import functional as F  # noqa: N812

from flopcalc import layer
from flopcalc.cost.kinds import OF_A_KERNEL
from flopcalc.pytorch import count


def test_replk_numbers() -> None:
    """128 channels, 31 x 31: two 1x1 of 16,384, 128 * 961 in the large kernel; in training 128 * 25 more."""
    assert part_params("replk", 128, k=31) == {"expand": 16_384, "large": 123_008 + 128, "project": 16_384}
    training = part_params("replk", 128, k=31, mode="training", norm=True)
    assert (training["large"], training["small"], training["small.norm"]) == (123_008, 3200, 256)
    assert sum(training.values()) == 2 * 16_384 + 123_008 + 3200 + 5 * 256
    e, conv = layer("replk", 128, k=31), layer("replk", 128, k=31, form="conv")
    assert e.cost.macs == 3136 * (2 * 16_384 + 123_008)
    assert (conv.cost.macs, conv.cost.steps) == (3136 * 123_008, 1)
    # 1x1, large kernel, 1x1, sum; in training the branches' norm and sum; with norm and ReLU five more.
    assert (e.cost.steps, layer("replk", 64, mode="training").cost.steps) == (4, 6)
    assert layer("replk", 64, mode="training", norm=True).cost.steps == 11
    refused("does not fit into a kernel of 3x3", "replk", 64, k=3, mode="training")
    for k, name in (((5, 3), "5x3"), ((3, 5), "3x5")):
        refused(f"does not fit into a kernel of {name}", "replk", 64, k=k, small=5, mode="training")
    refused("stride 2", "replk", 64, stride=2)


CASES: list[dict[str, Any]] = [
    {"norm": True},
    {"small": 3, "dilation": 2, "k": 5},
    {"form": "conv", "small": 1, "k": (5, 3)},
    {"small": 0, "norm": True},
]


@pytest.mark.parametrize("given", CASES, ids=str)
def test_replk_fuses(given: dict[str, Any]) -> None:
    """The branches by their definition, and the block with one kernel that has the same output."""
    given = {"k": 7, **given}
    module = build_block("replk", 4, mode="training", **given)
    x = random_tensor(2, 4, 9, 8)
    norm, dilation, small = "norm" in given, given.get("dilation", 1), given.get("small", 5)

    def run(block: Any, y: Any, k: Any = 1, **conv: Any) -> Any:
        sides = k if isinstance(k, tuple) else (k, k)
        padding = tuple(dilation * (side // 2) for side in sides)
        y = convolve(block, y, padding=padding, **conv)
        return batch_norm(block.norm, y) if hasattr(block, "norm") else y

    act = F.relu if norm else (lambda y: y)
    y = x
    if "form" not in given:
        y = act(run(module.expand, batch_norm(module.norm, x) if norm else x))
    depthwise = {"groups": 4, "dilation": dilation}
    found = run(module.large, y, given["k"], **depthwise)
    if small:
        found = found + run(module.small, y, small, **depthwise)
    found = act(found)
    expected = found if "form" in given else x + run(module.project, found)
    assert torch.allclose(module(x), expected)
    fused = module.fused()
    assert sum(p.numel() for p in fused.parameters()) == layer("replk", 4, **given).cost.params
    assert torch.allclose(fused(x), expected)
    assert fused.fused() is fused


@pytest.mark.parametrize("mode", ["training", "inference"])
def test_replk_costs_what_timm_builds(mode: str) -> None:
    """timm's ReparamLargeKernelConv, counted: the large kernel by itself."""
    import_torchvision()
    fastvit = pytest.importorskip("timm.models.fastvit")
    e = layer("replk", 16, k=7, hw=(12, 9), batch=2, form="conv", mode=mode, small=3)
    theirs = fastvit.ReparamLargeKernelConv(16, 16, 7, 1, 1, 3, inference_mode=mode == "inference")
    found = count(theirs, (2, 16, 12, 9))
    for kind in (*OF_A_KERNEL, "steps"):
        assert found.total(kind) == e.cost.total(kind), kind


# Channels of the first stage, side of the input, parameters in M, operations in G.
REPLKNETS = {"31B": (128, 224, "79", "15.3"), "31B, 384": (128, 384, "79", "45.1"), "31L": (192, 384, "172", "96.0")}


@pytest.mark.parametrize("name", REPLKNETS)
def test_replknets_as_printed(name: str) -> None:
    """Parameters with the small kernels, MACs without; the authors cut digits of the parameters off (79.86M)."""
    first, hw, params_text, macs_text = REPLKNETS[name]
    params, macs = 0, 0

    def put(name: str, c_in: int, c_out: int, hw: int, **rest: Any) -> None:
        """A layer, and the batch norm after it."""
        nonlocal params, macs
        e = layer(name, c_in, c_out, hw=hw, **rest)
        params, macs = params + e.cost.params + 2 * c_out, macs + e.cost.macs

    put("conv", 3, first, hw, k=3, stride=2)
    put("depthwise", first, first, hw // 2, k=3)
    put("conv", first, first, hw // 2, k=1)
    put("depthwise", first, first, hw // 2, k=3, stride=2)
    side = hw // 4
    for stage, (blocks, k) in enumerate(((2, 31), (2, 29), (18, 27), (2, 13))):
        c = first * 2**stage
        if stage:
            put("conv", c // 2, c, side, k=1)
            put("depthwise", c, c, side, k=3, stride=2)
            side //= 2
        params += blocks * layer("replk", c, k=k, mode="training", norm=True).cost.params
        macs += blocks * layer("replk", c, k=k, hw=side).cost.macs
        for _ in range(blocks):
            put("conv", c, 4 * c, side, k=1)
            put("conv", 4 * c, c, side, k=1)
            # The batch norm before these two.
            params += 2 * c
    # A batch norm and the classifier.
    params, macs = params + 2 * c + 1000 * c + 1000, macs + 1000 * c
    assert f"{params // 10**6}" == params_text
    # 15.35, 45.12 and 95.98: to one digit, one of which is cut off.
    assert abs(macs / 10**9 - float(macs_text)) < 0.06
