"""Involution, as its paper defines it; its product is a matrix product, so that a count includes it."""

from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import conv_block, plan, pool_to_stride


class Arrange(nn.Module):
    """Axes in another order, in memory."""

    def __init__(self, *axes: int) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, x: Tensor) -> Tensor:
        """A copy with the axes in that order."""
        return x.permute(self.axes).clone(memory_format=torch.contiguous_format)


class LocalProduct(nn.Module):
    """Each position's neighbourhood, weighted by its own kernels and summed."""

    def __init__(self, group_channels: int, taps: int) -> None:
        super().__init__()
        self.group_channels, self.taps = group_channels, taps
        self.kernels = Arrange(0, 3, 1, 2)
        self.patches = Arrange(0, 4, 1, 2, 3)

    def forward(self, kernels: Tensor, patches: Tensor) -> Tensor:
        """(n, G k^2, h, w), (n, c k^2, h w) -> (n, c, h, w)."""
        n, _, h, w = kernels.shape
        weights = self.kernels(torch.unflatten(kernels.flatten(2), 1, (-1, self.taps)))
        rows = self.patches(torch.unflatten(patches, 1, (-1, self.group_channels, self.taps)))
        # (n h w G, group_channels, taps) times (n h w G, taps, 1).
        out = torch.bmm(rows.flatten(0, 2), weights.reshape(-1, self.taps, 1))
        return out.reshape(n, h, w, -1).permute(0, 3, 1, 2)


class Involution2d(nn.Module):
    """Kernels for each position from two 1x1 convolutions, shared by group_channels channels (Li et al. 2021).

    At stride s the kernels are made from the input average-pooled s x s. norm adds the batch norm after
    the first 1x1 convolution; activation (default: as norm) the ReLU after it; bias (default: as norm)
    the bias of the second.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair | None = None,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool | None = None,
        *,
        reduction: int = 4,
        group_channels: int = 16,
        norm: bool = False,
        activation: bool | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given: dict[str, Any] = {"reduction": reduction, "group_channels": group_channels, "norm": norm}
        given |= {} if activation is None else {"activation": activation}
        given |= {} if bias is None else {"bias": bias}
        e = plan("involution", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given)
        g, named = e.geometry, e.named
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.pool = pool_to_stride(g.stride) if g.strided else None
        self.reduce = conv_block(in_channels, named["reduced"], 1, norm=norm, activation=named["activation"], **factory)
        self.span = nn.Conv2d(named["reduced"], g.area * named["kernels"], 1, bias=named["bias"], **factory)
        self.unfold = nn.Unfold(g.kernel, g.dilation, g.padding, g.stride)
        self.product = LocalProduct(group_channels, g.area)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h_out, w_out)."""
        pooled = x if self.pool is None else self.pool(x)
        kernels: Tensor = self.span(self.reduce(pooled))
        out: Tensor = self.product(kernels, self.unfold(x))
        return out


LAYER = Involution2d
