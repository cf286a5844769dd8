"""Pieces of attention on maps: channels first, so that a head is a slice of the channels."""

import torch
from torch import Tensor, nn


def by_head(x: Tensor, heads: int) -> Tensor:
    """(n, c, h, w) -> (n heads, c / heads, h w)."""
    return torch.unflatten(x, 1, (heads, -1)).flatten(0, 1).flatten(2)


class Scale(nn.Module):
    """Queries over sqrt(d), d channels in a head."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.factor: float = width**-0.5

    def forward(self, x: Tensor) -> Tensor:
        """Unchanged in shape."""
        return x * self.factor


class Scores(nn.Module):
    """The product of each query with each key."""

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        """(b, d, rows), (b, d, columns) -> (b, rows, columns)."""
        return torch.bmm(query.transpose(1, 2), key)


class Mix(nn.Module):
    """Values weighted by attention."""

    def forward(self, value: Tensor, weights: Tensor) -> Tensor:
        """(b, d, columns), (b, rows, columns) -> (b, d, rows)."""
        return torch.bmm(value, weights.transpose(1, 2))


class Repeat(nn.Module):
    """Keys or values of a group of heads, once for each head of the group, in one copy."""

    def __init__(self, heads: int, kv_heads: int) -> None:
        super().__init__()
        self.heads, self.kv_heads = heads, kv_heads

    def forward(self, x: Tensor) -> Tensor:
        """(n, kv_heads d, h, w) -> (n, heads d, h, w)."""
        n, _, h, w = x.shape
        groups = x.reshape(n, self.kv_heads, 1, -1, h, w)
        repeated = groups.expand(-1, -1, self.heads // self.kv_heads, -1, -1, -1)
        return repeated.clone(memory_format=torch.contiguous_format).reshape(n, -1, h, w)
