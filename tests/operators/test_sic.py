"""Single intra-channel convolution: stacked, parallel, and on a torus."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import random_tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc import FlopcalcError, layer
from flopcalc.pytorch.layers import SIC2d
from flopcalc.pytorch.layers._topology import torus_neighbours


def test_sic_by_its_definition() -> None:
    """Two stages of depthwise, projection, residual, ReLU; and the parallel form."""
    module = SIC2d(6, 6, 3, b=2, dtype=torch.float64)
    x = y = random_tensor(1, 6, 7, 7)
    for i in range(2):
        inner = F.conv2d(y, module.intra[i].weight, padding=1, groups=6)
        y = F.relu(y + F.conv2d(inner, module.projection[i].weight))
    assert torch.allclose(module(x), y)
    parallel = SIC2d(6, 6, 3, b=2, form="parallel", dtype=torch.float64)
    inner = F.conv2d(x, parallel.intra[0].weight, padding=1, groups=6)
    assert torch.allclose(parallel(x), F.relu(x + F.conv2d(inner, parallel.projection[0].weight)))


def test_topological_projection_is_cyclic() -> None:
    """On a 2 x 3 torus with a 1 x 2 neighbourhood, channel (r, c) sees (r, c) and (r, c + 1 mod 3)."""
    assert torus_neighbours((2, 3), (1, 2)).tolist() == [[0, 1], [1, 2], [2, 0], [3, 4], [4, 5], [5, 3]]
    module = SIC2d(6, 6, 1, b=1, dims=(2, 3), neighbourhood=(1, 2), dtype=torch.float64)
    weight = module.projection[0].weight.reshape(6, 2)
    x = random_tensor(1, 6, 4, 4)
    inner = F.conv2d(x, module.intra[0].weight, groups=6)
    rows = [[0, 1], [1, 2], [2, 0], [3, 4], [4, 5], [5, 3]]
    mixed = torch.stack([sum(weight[o, j] * inner[:, row[j]] for j in range(2)) for o, row in enumerate(rows)], 1)
    assert torch.allclose(module(x), F.relu(x + mixed))


def test_a_neighbourhood_needs_a_torus() -> None:
    """Without dims the projection is dense, and would not read it."""
    with pytest.raises(FlopcalcError, match="neighbourhood is given without dims"):
        layer("sic", 24, neighbourhood=(3,))
