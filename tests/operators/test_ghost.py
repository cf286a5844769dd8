"""Ghost module: maps of a convolution, and cheap maps of these."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import random_tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc.pytorch.layers import GhostConv2d


def test_ghost_first_maps_are_the_convolution() -> None:
    """The first m outputs are the primary convolution; the others are its maps, filtered one by one."""
    module = GhostConv2d(4, 7, 3, s=3, d=5, dtype=torch.float64)
    x = random_tensor(1, 4, 8, 8)
    maps = F.conv2d(x, module.primary.conv.weight, padding=1)
    ghosts = [F.conv2d(maps[:, i // 2 : i // 2 + 1], module.cheap.conv.weight[i : i + 1], padding=2) for i in range(6)]
    assert torch.allclose(module(x), torch.cat([maps, *ghosts], 1)[:, :7])
    plain = GhostConv2d(4, 7, 3, s=1, dtype=torch.float64)
    assert torch.allclose(plain(x), F.conv2d(x, plain.primary.conv.weight, padding=1))
