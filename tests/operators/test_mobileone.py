"""MobileOne's block: numbers by hand, the convolutions of its branches, timm's module, and networks as printed."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import batch_norm, build_block, convolve, excite, import_torchvision, random_tensor, refused
from torch.nn import functional as F  # noqa: N812

from flopcalc import layer
from flopcalc.cost.kinds import OF_A_KERNEL
from flopcalc.pytorch import count


def test_mobileone_numbers() -> None:
    """64 -> 128: deployed 64 * 9 + 64 and 64 * 128 + 128; in training with 4 branches each."""
    e = layer("mobileone", 64, 128, hw=28)
    assert (e.cost.params, e.cost.macs) == (640 + 8320, 784 * (576 + 8192))
    training = layer("mobileone", 64, 128, hw=28, mode="training", branches=4)
    # Depthwise: 4 of 3 x 3, one 1 x 1 and the identity, 6 norms; pointwise: 4 convolutions with norm, no identity.
    assert training.cost.params == 4 * 576 + 64 + 6 * 128 + 4 * 8192 + 4 * 256
    assert training.cost.macs == 784 * (4 * 576 + 64 + 4 * 8192)
    assert training.cost.total("adds") == 784 * (64 * (6 + 5) + 128 * (4 + 3))
    # With equal channels the second half has the identity too; with a stride the first has none.
    assert layer("mobileone", 64, mode="training").cost.params == 576 + 64 + 3 * 128 + 4096 + 2 * 128
    assert layer("mobileone", 64, mode="training", stride=2).cost.params == 576 + 64 + 2 * 128 + 4096 + 2 * 128
    # Convolution, ReLU, convolution, ReLU; in training norm and sums in addition: 2 + 5 + 1 and 2 + 4 + 1.
    assert (e.cost.steps, layer("mobileone", 64, mode="training", branches=4).cost.steps) == (4, 15)
    refused("less than one channel", "mobileone", 8, se="1/16")
    # A 1x1 next to the k x k, unless that is one.
    for k, scales in (((3, 1), True), ((1, 3), True), (1, False)):
        names = {part.name for part in layer("mobileone", 8, k=k, mode="training").cost if part.traffic}
        assert ("depthwise.scale" in names) == scales
    # Of either half: each has an excitation of its own.
    refused("less than one channel", "mobileone", 8, 32, se="1/16")
    refused("less than one channel", "mobileone", 32, 8, se="1/16")


CASES: list[dict[str, Any]] = [
    {},
    {"branches": 3, "stride": 2},
    {"c_out": 8, "k": (3, 5), "dilation": 2, "activation": False},
    {"branches": 2, "se": "1/2", "k": 1},
]


@pytest.mark.parametrize("given", CASES, ids=str)
def test_mobileone_fuses(given: dict[str, Any]) -> None:
    """The branches by their definition, and the block of two convolutions that has the same output."""
    module = build_block("mobileone", 4, mode="training", **given)
    x = random_tensor(2, 4, 9, 8)
    k_h, k_w = (given.get("k", 3),) * 2 if "k" not in given or given["k"] == 1 else given["k"]
    dilation, stride = given.get("dilation", 1), given.get("stride", 1)
    wide = {"padding": (dilation * (k_h // 2), dilation * (k_w // 2)), "dilation": dilation}

    def run(half: Any, y: Any, conv: dict[str, Any], **rest: Any) -> Any:
        found: Any = sum(batch_norm(one.norm, convolve(one, y, **conv, **rest)) for one in half.dense)
        if half.scale is not None:
            found = found + batch_norm(half.scale.norm, convolve(half.scale, y, **rest))
        if half.skip is not None:
            found = found + batch_norm(half.skip, y)
        found = found if half.se is None else excite(half.se, found, F.relu)
        return F.relu(found) if half.act is not None else found

    assert (module.depthwise.scale is None) == (given.get("k") == 1)
    assert (module.depthwise.skip is None) == (stride == 2)
    assert (module.pointwise.skip is None) == ("c_out" in given)
    y = run(module.pointwise, run(module.depthwise, x, wide, stride=stride, groups=4), {})
    assert torch.allclose(module(x), y)
    fused = module.fused()
    assert sum(p.numel() for p in fused.parameters()) == layer("mobileone", 4, **given).cost.params
    assert torch.allclose(fused(x), y)
    assert fused.fused() is fused


@pytest.mark.parametrize("mode", ["training", "inference"])
@pytest.mark.parametrize("stride", [1, 2])
def test_mobileone_costs_what_timm_builds(mode: str, stride: int) -> None:
    """timm's MobileOneBlock twice, counted. In training it begins sums at 0, an addition that we do not make."""
    import_torchvision()
    byobnet = pytest.importorskip("timm.models.byobnet")
    theirs = torch.nn.Sequential(
        byobnet.MobileOneBlock(16, 16, 3, stride=stride, group_size=1, num_conv_branches=4),
        byobnet.MobileOneBlock(16, 24, 1, num_conv_branches=4),
    )
    if mode == "inference":
        for block in theirs:
            block.reparameterize()
    e = layer("mobileone", 16, 24, hw=(12, 10), batch=2, stride=stride, branches=4, mode=mode)
    found = count(theirs, (2, 16, 12, 10))
    kinds = (*OF_A_KERNEL, "steps") if mode == "inference" else ("params", "macs", "muls", "other", "activations")
    for kind in kinds:
        assert found.total(kind) == e.cost.total(kind), kind


# Widths of the four stages, branches, blocks with squeeze and excitation in the last two stages, and as printed
# (Table 9): parameters and FLOPs. MMPretrain prints the same networks with 2.08M, 4.76M, 7.81M, 10.08M, 14.84M.
NETWORKS = {
    "S0": ((48, 128, 256, 1024), 4, (0, 0), "2.1", "275"),
    "S1": ((96, 192, 512, 1280), 1, (0, 0), "4.8", "825"),
    "S2": ((96, 256, 640, 2048), 1, (0, 0), "7.8", "1299"),
    "S3": ((128, 320, 768, 2048), 1, (0, 0), "10.1", "1896"),
    "S4": ((192, 448, 896, 2048), 1, (5, 1), "14.8", "2978"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_mobileones_as_printed(name: str) -> None:
    """Deployed at 224 x 224: a strided 3 x 3 convolution, 2, 8, 10 and 1 blocks, a classifier.

    All five FLOPs fit with the last pooling (49 for each channel) and without squeeze and excitation. The paper counts
    by fvcore, which counts that pooling.
    """
    widths, branches, excited, params_text, macs_text = NETWORKS[name]
    c_in = min(64, widths[0])
    # The first block is dense: 3 x 3 and 1x1 branches in training.
    params, macs = 27 * c_in + c_in, 27 * c_in * 112**2
    training = branches * (27 * c_in + 2 * c_in) + 3 * c_in + 2 * c_in
    hw = 112
    for stage, (count_of, width) in enumerate(zip((2, 8, 10, 1), widths, strict=True)):
        plain = count_of - (0, 0, *excited)[stage]
        for block in range(count_of):
            se = "0" if block < plain else "1/16"
            shape: dict[str, Any] = {"hw": hw, "stride": 1 if block else 2, "se": se}
            cost = layer("mobileone", c_in, width, **shape).cost
            params += cost.params
            macs += sum(part.macs for part in cost if ".se." not in part.name)
            training += layer("mobileone", c_in, width, mode="training", branches=branches, **shape).cost.params
            hw, c_in = hw // shape["stride"], width
    params, macs, training = (total + 1000 * c_in for total in (params, macs + 49 * c_in, training))
    assert f"{(params + 1000) / 10**6:.1f}" == params_text
    assert f"{macs / 10**6:.0f}" == macs_text
    # The paper gives the parameters in training for S0.
    assert name != "S0" or f"{(training + 1000) / 10**6:.1f}" == "5.3"
