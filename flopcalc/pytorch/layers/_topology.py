"""Channels on a torus: the ones that an output of a topological layer reads."""

from typing import Any

import torch
from torch import Tensor


def torus_neighbours(dims: tuple[int, ...], near: tuple[int, ...], device: Any = None) -> Tensor:
    """(channels, neighbours): for each channel of a torus of shape dims, those that its output reads.

    Cyclic and one-sided, as in the paper's algorithm: coordinates x, x + 1, ..., x + c - 1 modulo d.
    """
    seen = torch.zeros((1, 1), dtype=torch.long, device=device)
    for size, extent in zip(dims, near, strict=True):
        place = torch.arange(size, device=device)[:, None]
        axis = (place + torch.arange(extent, device=device)) % size
        seen = (seen[:, None, :, None] * size + axis[None, :, None, :]).reshape(len(seen) * size, -1)
    return seen
