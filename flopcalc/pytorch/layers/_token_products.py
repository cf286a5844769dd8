"""Modules of gated attention. Channels come first throughout; a row of tokens is (n, c, 1, tokens)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class Transpose(nn.Module):
    """Channels and positions exchanged."""

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, ...) -> (n, positions, 1, c)."""
        return x.flatten(2).transpose(1, 2).unsqueeze(2) if x.dim() > 2 else x[:, None, None]


class TokenProduct(nn.Module):
    """For each token of one input the products with all tokens of another."""

    def __init__(self, scaled: bool) -> None:
        super().__init__()
        self.scaled = scaled

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """(n, c, ...) with p positions, (n, c, ...) with q positions -> (n, q, ...) with p positions."""
        products = torch.bmm(other.flatten(2).transpose(1, 2), one.flatten(2))
        if self.scaled:
            products = products * one.shape[1] ** -0.5
        return products.reshape(len(one), -1, *one.shape[2:])


class Shift(nn.Module):
    """A trained number added to each channel."""

    def __init__(self, shape: Sequence[int], **factory: Any) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(shape[0], *(1 for _ in shape[1:]), **factory))

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, ...) -> (n, c, ...)."""
        return x + self.shift


class ScaleNorm(nn.Module):
    """The channels of each position over the root of their mean square, times one trained number."""

    def __init__(self, **factory: Any) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1, **factory))

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, ...) -> (n, c, ...)."""
        norm: Tensor = torch.linalg.vector_norm(x, dim=1, keepdim=True)
        out: Tensor = x / (norm * x.shape[1] ** -0.5) * self.scale
        return out
