"""ECA: numbers by hand, the definition, and timm's module."""

import math
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import build, import_torchvision, random_tensor, refused

from flopcalc import layer
from flopcalc.cost.kinds import OF_A_KERNEL
from flopcalc.pytorch import count


def test_eca_numbers() -> None:
    """3 taps at 64 channels, 5 at 256 and 512, 7 at 2048: (6 + 1) / 2 = 3.5, 4.5, 5, 6."""
    for channels, taps in ((64, 3), (256, 5), (512, 5), (2048, 7)):
        e = layer("eca", channels, hw=7)
        assert (e.cost.params, e.cost.macs) == (taps, taps * channels)
    e = layer("eca", 64, hw=28, batch=3)
    assert e.cost.total("muls") == 3 * 64 * 784
    assert e.cost.total("adds") == 3 * 64 * 784
    assert e.cost.total("other") == 3 * (64 + 64)
    refused("is even", "eca", 64, taps=4)


def test_taps_are_the_nearest_odd_number() -> None:
    """|x|_odd of the paper's Eq. 12, with the larger of two at the same distance, as the authors' rule rounds."""
    for channels in range(2, 5000, 7):
        x = (math.log2(channels) + 1) / 2
        nearest = min(range(1, 15, 2), key=lambda odd: (abs(odd - x), -odd))
        assert layer("eca", channels).named["t"] == nearest, channels


def test_eca_by_its_definition() -> None:
    """A sum over neighbours of the channel means, which are 0 outside."""
    module = build("eca", 8, taps=5)
    x = random_tensor(2, 8, 5, 4)
    means = torch.cat([torch.zeros(2, 2), x.mean((2, 3)), torch.zeros(2, 2)], dim=1).double()
    weights = sum(module.conv.weight[0, 0, i] * means[:, i : i + 8] for i in range(5)).sigmoid()
    assert torch.allclose(module(x), x * weights[:, :, None, None])


@pytest.mark.parametrize("channels", [16, 64, 128, 2048])
def test_eca_costs_what_timm_builds(channels: int) -> None:
    """timm's EcaModule, counted; it never takes fewer than 3 taps, which the rule gives from 8 channels on."""
    import_torchvision()
    layers = pytest.importorskip("timm.layers.eca")
    e = layer("eca", channels, hw=(12, 9), batch=2)
    found = count(layers.EcaModule(channels), (2, channels, 12, 9))
    for kind in (*OF_A_KERNEL, "steps"):
        assert found.total(kind) == e.cost.total(kind), kind
