"""SqueezeNet's fire module: numbers by hand, and its definition."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import build_block, convolve, part_params, random_tensor
from torch.nn import functional as F  # noqa: N812

import flopcalc
from flopcalc import FlopcalcError

# Its types have a test of their own; here a ratio is a number.
layer: Any = flopcalc.layer


def test_fire_numbers() -> None:
    """128 -> (16; 64 + 64) with biases: 128*16+16, 16*64+64, 16*64*9+64; a conv has 128*128*9+128."""
    fire = layer("fire", 128)
    assert part_params("fire", 128) == {"squeeze": 2064, "expand1": 1088, "expand3": 9280}
    assert fire.cost.params == 12_432
    assert fire.baseline.params == 147_584
    assert round(float(fire.ratio("params")), 4) == 0.0842
    # SqueezeNet's Table 1 prints 11,920 for fire2: 96 -> (16; 64 + 64).
    assert layer("fire", 96, 128, squeeze=16).cost.params == 11_920
    # Weights, each used at 56 * 56 positions: 2048 + 1024 + 9216.
    assert fire.cost.macs == 12_288 * 56 * 56
    # squeeze, ReLU, expansion, ReLU, concatenation; the expansions run side by side.
    assert fire.cost.steps == 5
    assert layer("fire", 128, expand1=100).named["e3"] == 28
    for wrong in ({"c_out": 33}, {"c_out": 32, "expand1": 8, "expand3": 8}, {"c_out": 32, "stride": 2}):
        with pytest.raises(FlopcalcError, match="fire does not apply"):
            layer("fire", 32, **wrong)


def test_fire_by_its_definition() -> None:
    """Both expansions see the squeezed maps; the 1x1 maps come first."""
    module = build_block("fire", 8, 12, squeeze=3, expand1=5)
    x = random_tensor(2, 8, 7, 6)
    squeezed = F.relu(convolve(module.squeeze, x))
    maps = [F.relu(convolve(module.expand1, squeezed)), F.relu(convolve(module.expand3, squeezed, padding=1))]
    assert torch.allclose(module(x), torch.cat(maps, 1))
    assert [t.shape[1] for t in maps] == [5, 7]
