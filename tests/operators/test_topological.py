"""Topological subdivision: channels on a torus, which see their neighbours."""

from fractions import Fraction
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import build, random_tensor, refused
from torch.nn import functional as F  # noqa: N812

from flopcalc import layer


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
    """Wrong products, neighbourhoods larger than the torus, and a number that nobody can factor in time."""
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
