"""Squeeze and excitation, shared by several blocks."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


class Scale(nn.Module):
    """A tensor times another of the same or of a broadcast shape."""

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        """(n, c, h, w) and (n, c, 1, 1) -> (n, c, h, w)."""
        return x * weights


class SqueezeExcite(nn.Module):
    """Channel means, 1x1 down to `squeezed`, 1x1 up, sigmoid, product (Hu et al. 2018, Sec. 3).

    The 1x1 convolutions on one position are the paper's fully connected layers.
    """

    def __init__(
        self,
        channels: int,
        squeezed: int,
        *,
        bias: bool = True,
        function: Callable[[], nn.Module] = nn.ReLU,
        **factory: Any,
    ) -> None:
        super().__init__()
        self.gap = nn.AdaptiveAvgPool2d(1)
        self.reduce = nn.Conv2d(channels, squeezed, 1, bias=bias, **factory)
        self.act = function()
        self.expand = nn.Conv2d(squeezed, channels, 1, bias=bias, **factory)
        self.gate = nn.Sigmoid()
        self.scale = Scale()

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        weights = self.gate(self.expand(self.act(self.reduce(self.gap(x)))))
        out: Tensor = self.scale(x, weights)
        return out
