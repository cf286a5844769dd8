"""Pieces of the modules that weight a map: means, maxima and gates."""

from typing import Any

from torch import Tensor, nn

from flopcalc.pytorch.layers._blocks import Add
from flopcalc.pytorch.layers._excitation import Scale


class MeanOver(nn.Module):
    """The mean over one axis, which stays with size 1."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w), with one axis of size 1."""
        return x.mean(self.axis, keepdim=True)


class MaxOver(nn.Module):
    """The maximum over one axis, which stays with size 1."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w), with one axis of size 1."""
        return x.amax(self.axis, keepdim=True)


class ChannelGate(nn.Module):
    """Two 1x1 convolutions on the means and on the maxima of all channels; a sigmoid of their sum."""

    def __init__(self, channels: int, squeezed: int, bias: bool, **factory: Any) -> None:
        super().__init__()
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.max = nn.AdaptiveMaxPool2d(1)
        self.reduce = nn.Conv2d(channels, squeezed, 1, bias=bias, **factory)
        # Not negative at the start, so that ReLU passes maxima: with one channel between, all could be dead.
        nn.init.uniform_(self.reduce.weight, 0, channels**-0.5)
        self.act = nn.ReLU()
        self.expand = nn.Conv2d(squeezed, channels, 1, bias=bias, **factory)
        self.sum = Add()
        self.gate = nn.Sigmoid()
        self.scale = Scale()

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        found = [self.expand(self.act(self.reduce(pool(x)))) for pool in (self.mean, self.max)]
        out: Tensor = self.scale(x, self.gate(self.sum(*found)))
        return out
