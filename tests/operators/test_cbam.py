"""CBAM: numbers by hand, the definition, timm's module, and a network as printed."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import batch_norm, build_block, import_torchvision, part_params, random_tensor, refused
from torch.nn import functional as F  # noqa: N812

from flopcalc import layer
from flopcalc.cost.kinds import OF_A_KERNEL
from flopcalc.pytorch import count
from flopcalc.spec.layer_record import notes


def test_cbam_numbers() -> None:
    """64 channels, r = 16: 4 between; 2 * 64 * 4 weights used twice, and 7 * 7 * 2 weights."""
    assert part_params("cbam", 64) == {"channel.reduce": 256, "channel.expand": 256, "spatial.conv": 98}
    e = layer("cbam", 64, hw=28)
    assert e.cost.macs == 2 * 512 + 784 * 98
    # Two means and, of the two pooled vectors, a sum.
    assert e.cost.total("adds") == 2 * 64 * 784 + 64
    assert e.cost.total("muls") == 2 * 64 * 784
    # Two maxima, two divisions, ReLU twice, two sigmoids.
    assert e.cost.total("other") == 2 * 64 * 784 + (64 + 784) + 2 * 4 + (64 + 784)
    assert sum(part_params("cbam", 64, bias=True, norm=True).values()) == 610 + 4 + 64 + 2
    refused("less than one channel", "cbam", 8)
    refused("has no centre", "cbam", 64, window=4)


def test_cbam_by_its_definition() -> None:
    """Eq. 2 and 3, with matrices."""
    module = build_block("cbam", 6, reduction=2, window=3, bias=True, norm=True)
    x = random_tensor(3, 6, 5, 4)
    channel, spatial = module.channel, module.spatial

    def mlp(y: Any) -> Any:
        inner = F.relu(y @ channel.reduce.weight.flatten(1).T + channel.reduce.bias)
        return inner @ channel.expand.weight.flatten(1).T + channel.expand.bias

    y = x * torch.sigmoid(mlp(x.mean((2, 3))) + mlp(x.amax((2, 3))))[:, :, None, None]
    both = torch.stack([y.mean(1), y.amax(1)], dim=1)
    y = y * torch.sigmoid(batch_norm(spatial.norm, F.conv2d(both, spatial.conv.weight, padding=1)))
    assert torch.allclose(module(x), y)


@pytest.mark.parametrize("reduction", [16, 8])
def test_cbam_costs_what_timm_builds(reduction: int) -> None:
    """timm's CbamModule, counted: a batch norm, no biases. It pools by reductions, which write no padding."""
    import_torchvision()
    layers = pytest.importorskip("timm.layers.cbam")
    e = layer("cbam", 64, hw=(12, 9), batch=2, reduction=reduction, norm=True)
    found = count(layers.CbamModule(64, rd_ratio=1 / reduction), (2, 64, 12, 9))
    for kind in (*OF_A_KERNEL, "steps"):
        assert found.total(kind) == e.cost.total(kind), kind


def test_cbam_resnet_50_as_printed() -> None:
    """28.09M parameters and 3.864 GFLOPs (ImageNet table of the paper), where ResNet-50 has 25.56M and 3.858."""
    params, macs = 25_557_032, 3_858_000_000
    for stage, blocks in enumerate((3, 4, 6, 3)):
        e = layer("cbam", 256 * 2**stage, hw=56 // 2**stage, bias=True, norm=True)
        params, macs = params + blocks * e.cost.params, macs + blocks * e.cost.macs
    assert f"{params / 10**6:.2f}" == "28.09"
    assert f"{macs / 10**9:.3f}" == "3.864"


@pytest.mark.parametrize(("norm", "bias"), [(False, False), (True, False), (False, True), (True, True)])
def test_the_note_on_the_authors_code(norm: bool, bias: bool) -> None:
    """It is there unless both are as in the authors' code."""
    text = " ".join(notes(layer("cbam", 32, norm=norm, bias=bias)))
    assert ("authors' code" in text) == (not (norm and bias))
