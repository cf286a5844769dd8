"""Topological subdivision: channels on a torus, which see their neighbours."""

import re
from fractions import Fraction
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import build, random_tensor, refused
from torch.nn import functional as F  # noqa: N812

from flopcalc import FlopcalcError, layer
from flopcalc.catalog import lookup
from flopcalc.operators._topology import LARGEST_SEARCHED, near_factors
from flopcalc.spec.explained import channel_map


def test_topological() -> None:
    """n c k^2 h w: 64 channels lie as 8 x 8, a neighbourhood is 4 x 4 = 16 of them, a quarter of the cost."""
    e = layer("topological", 64)
    assert (e.derived["connected"], e.ratio("macs")) == (16, Fraction(1, 4))
    assert e.cost.macs == 64 * 16 * 9 * 56 * 56
    # 24 as 4 x 6 with 2 x 3; 37 is prime: 1 x 37 with 1 x 19; 3 dims by hand: 1 * 2 * 3 of 2 * 3 * 4.
    assert layer("topological", 24).ratio("params") == Fraction(6, 24)
    assert layer("topological", 37).derived["connected"] == 19
    assert layer("topological", 24, dims="2,3,4", neighbourhood="1,2,3").cost.params == 24 * 6 * 9
    # Everybody sees everybody: a plain convolution.
    assert layer("topological", 24, dims="24", neighbourhood="24").cost.macs == layer("conv", 24).cost.macs


def test_topological_needs_a_torus_that_fits() -> None:
    """Wrong products, neighbourhoods larger than the torus, and a number that cannot be factored in time."""
    refused("have 20 channels", "topological", 24, dims="4,5")
    refused("does not fit", "topological", 24, neighbourhood="5,1")
    refused("does not fit", "topological", 24, dims="4,6", neighbourhood="2")
    refused("too many", "topological", 10**60)
    refused("differ", "topological", 24, 48)
    assert layer("topological", 10**60, dims=(10**30, 10**30), neighbourhood="1,1").cost.params == 9 * 10**60


def test_topological_is_a_convolution_with_a_sparse_kernel() -> None:
    """On a 2 x 3 torus with 2 x 2, channel (r, c) sees (r, c), (r, c + 1), (r + 1, c), (r + 1, c + 1), cyclic."""
    given = {"dims": (2, 3), "neighbourhood": (2, 2), "hw": 7, "stride": 2}
    module, x = build("topological", 6, **given), random_tensor(2, 6, 7, 7)
    dense = torch.zeros(6, 6, 3, 3, dtype=torch.float64)
    for r in range(2):
        for c in range(3):
            seen = [(r, c), (r, (c + 1) % 3), ((r + 1) % 2, c), ((r + 1) % 2, (c + 1) % 3)]
            for j, (row, column) in enumerate(seen):
                dense[3 * r + c, 3 * row + column] = module.conv.weight[3 * r + c, j]
    assert torch.allclose(module(x), F.conv2d(x, dense, stride=2, padding=1))


@pytest.mark.parametrize(
    ("name", "c_in", "given"),
    [
        ("topological", 30, {"dims": (6, 5)}),
        ("topological", 24, {"dims": (2, 3, 4), "neighbourhood": (1, 2, 3)}),
        ("sic", 12, {"dims": (3, 4), "b": 1}),
        ("sic", 12, {"b": 1}),
        ("conv", 12, {"c_out": 8, "groups": 4}),
        ("depthwise", 6, {"multiplier": 2}),
        ("dilated", 6, {"c_out": 9, "groups": 3}),
        ("group", 8, {"c_out": 4, "groups": 4}),
        ("pointwise", 8, {"c_out": 6, "groups": 2}),
    ],
)
def test_channel_maps_are_those_of_the_modules(name: str, c_in: int, given: dict[str, Any]) -> None:
    """An input channel changes the output channel if and only if it is listed."""
    sizes = (c_in, given["c_out"]) if "c_out" in given else (c_in,)
    options = {key: value for key, value in given.items() if key != "c_out"}
    e = layer(name, *sizes, hw=4, **options)
    module = build(name, *sizes, hw=4, **options)
    if name == "sic":
        # The projection alone: the residual reads the output's own channel too.
        module = torch.nn.Sequential(module.intra[0], *module.gather, module.projection[0])
    # Sample i has channel i alone.
    out = module(torch.eye(c_in, dtype=torch.float64)[:, :, None, None].expand(-1, -1, 4, 4))
    reads = out.abs().sum((2, 3)) > 0
    for channel in range(e.geometry.c_out):
        assert sorted(channel_map(e, channel).inputs) == reads[:, channel].nonzero().flatten().tolist()


def test_channel_map_by_hand() -> None:
    """Channel 13 of 6 x 5 is in row 2, column 3: rows 2 to 4, columns 3, 4 and, around the edge, 0."""
    found = channel_map(layer("topological", 30, dims="6,5"), 13)
    assert found.place(13) == (2, 3)
    assert found.inputs == (13, 14, 10, 18, 19, 15, 23, 24, 20)
    order = build("topological", 30, dims=(6, 5)).gather.order.reshape(30, 9)
    assert tuple(order[13].tolist()) == found.inputs
    with pytest.raises(FlopcalcError, match="not an output channel"):
        channel_map(layer("topological", 30, dims="6,5"), 30)
    with pytest.raises(FlopcalcError, match="no map") as caught:
        channel_map(layer("ghost", 30), 0)
    named = set(re.findall(r"\w+", caught.value.hint.partition(" are ")[2])) - {"and"}
    assert named == {one.name for one in lookup.every() if one.channel_map}
    with pytest.raises(FlopcalcError, match="too many to list"):
        channel_map(layer("topological", 10**12), 0)


def test_near_factors() -> None:
    """Beyond the limit there is no search, which would take seconds for a prime."""
    assert [near_factors(n) for n in (1, 12, 13, 36, 64)] == [(1, 1), (3, 4), (1, 13), (6, 6), (8, 8)]
    assert near_factors(LARGEST_SEARCHED) == (10**6, 10**6)
    assert near_factors(LARGEST_SEARCHED + 100) == (1, LARGEST_SEARCHED + 100)
