"""Ghost module: maps of a convolution, and cheap maps of these."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import part_params, random_tensor, refused
from torch.nn import functional as F  # noqa: N812

from flopcalc import layer, network
from flopcalc.pytorch.layers import GhostConv2d
from flopcalc.replacing.decide import plan
from flopcalc.replacing.described import replace_layers
from flopcalc.spec.layer_record import notes


def test_ghost_first_maps_are_the_convolution() -> None:
    """The first m outputs are the primary convolution; the others are its maps, filtered one by one."""
    module = GhostConv2d(4, 7, 3, s=3, d=5, dtype=torch.float64)
    x = random_tensor(1, 4, 8, 8)
    maps = F.conv2d(x, module.primary.conv.weight, padding=1)
    ghosts = [F.conv2d(maps[:, i // 2 : i // 2 + 1], module.cheap.conv.weight[i : i + 1], padding=2) for i in range(6)]
    assert torch.allclose(module(x), torch.cat([maps, *ghosts], 1)[:, :7])
    plain = GhostConv2d(4, 7, 3, s=1, dtype=torch.float64)
    assert torch.allclose(plain(x), F.conv2d(x, plain.primary.conv.weight, padding=1))


def test_ghost_has_at_most_one_map_for_each_output() -> None:
    """One of 4 maps by the convolution, and 3 by filters of it; a fifth would not be there."""
    assert layer("ghost", 8, 4, s=4).named["m"] == 1
    refused("s = 5 is more than c_out = 4", "ghost", 8, 4, s=5)


def test_ghost_slides_one_plus_one() -> None:
    """The slides' 1 + 1 parameters for each further map: 1x1 cheap filters with a bias; 9 in the published module.

    16 -> 64, s = 2: 32 intrinsic maps of 16 * 9 weights, 32 further maps.
    """
    e = layer("ghost", 16, 64, d=1, bias=True)
    assert e.cost.params == 32 * (16 * 9 + 1) + 32 * (1 + 1)
    assert layer("ghost", 16, 64).cost.params == 32 * 16 * 9 + 32 * 9
    # One addition of a bias for each output.
    assert e.cost.total("adds") == 64 * 56 * 56
    module = GhostConv2d(4, 8, 3, bias=True, d=1, dtype=torch.float64)
    x = random_tensor(1, 4, 5, 5)
    maps = F.conv2d(x, module.primary.conv.weight, module.primary.conv.bias, padding=1)
    cheap = maps * module.cheap.conv.weight[:, 0] + module.cheap.conv.bias[:, None, None]
    assert torch.allclose(module(x), torch.cat([maps, cheap], 1))


def test_ghost_replaces_without_a_bias_unless_asked() -> None:
    """The authors' module has none: 4,224 biases of VGG-16's 13 convolutions go, and stay with bias=true."""
    vgg = network("vgg16")
    without, with_bias = (replace_layers(vgg, plan(text)).network for text in ("ghost", "ghost:bias=true"))
    assert with_bias.params - without.params == 64 + 64 + 128 + 128 + 3 * 256 + 6 * 512 == 4224


@pytest.mark.parametrize(("d", "bias", "each"), [(1, False, "1."), (3, False, "9."), (3, True, "10."), (1, True, "")])
def test_the_note_on_the_slides_by_hand(d: int, bias: bool, each: str) -> None:
    """A ghost map has d^2 weights and a bias where there is one: 1 + 1 only with d = 1 and a bias."""
    e = layer("ghost", 8, s=2, d=d, bias=bias)
    text = " ".join(notes(e))
    assert ("wrong" in text) == bool(each)
    assert text.endswith(each)
    if each:
        # 4 of the 8 maps are ghosts.
        assert part_params("ghost", 8, s=2, d=d, bias=bias)["cheap"] == 4 * int(each[:-1])
