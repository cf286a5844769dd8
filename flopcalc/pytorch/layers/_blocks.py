"""Pieces that several layers share."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from flopcalc.catalog import layer
from flopcalc.cost.geometry import Pair
from flopcalc.spec.operator import Evaluation


def plan(
    operator: str,
    in_channels: int,
    out_channels: int,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair | Literal["same"] | None,
    dilation: Pair,
    groups: int,
    **options: Any,
) -> Evaluation:
    """Checked options and derived values for a module. Raises FlopcalcError where it cannot be built.

    A module accepts inputs of any size, so the check uses a large one.
    """
    return layer.layer(
        operator,
        in_channels,
        out_channels,
        k=kernel_size,
        hw=2**20,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        **options,
    )


def conv_block(
    in_channels: int,
    out_channels: int,
    kernel_size: Pair,
    *,
    norm: bool,
    activation: bool,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
    bias: bool = False,
    function: Callable[[], nn.Module] = nn.ReLU,
    **factory: Any,
) -> nn.Sequential:
    """Convolution, then batch norm and activation function if they are on; children conv, norm, act."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["conv"] = nn.Conv2d(
        in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, **factory
    )
    if norm:
        layers["norm"] = nn.BatchNorm2d(out_channels, **factory)
    if activation:
        layers["act"] = function()
    return nn.Sequential(layers)


def pool_to_stride(stride: tuple[int, int]) -> nn.AvgPool2d:
    """Average pooling onto the grid of a strided convolution, odd sizes included."""
    return nn.AvgPool2d(stride, stride, ceil_mode=True)


class Add(nn.Module):
    """The sum of its inputs."""

    def forward(self, *tensors: Tensor) -> Tensor:
        """Inputs of equal shape."""
        total = tensors[0]
        for tensor in tensors[1:]:
            total = total + tensor
        return total


class Concat(nn.Module):
    """Channels of all inputs, one after the other."""

    def forward(self, tensors: Sequence[Tensor]) -> Tensor:
        """Inputs of equal size."""
        return torch.cat(tuple(tensors), dim=1)


class Gather(nn.Module):
    """Channels picked by an index; a channel may be picked several times."""

    order: Tensor

    def __init__(self, order: Sequence[int] | Tensor, device: Any = None) -> None:
        super().__init__()
        order = torch.as_tensor(order, dtype=torch.long, device=device)
        self.register_buffer("order", order, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, len(order), h, w)."""
        return x[:, self.order]


class ChannelShuffle(nn.Module):
    """Channels as (groups, c / groups), transposed: neighbours come from different groups."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        n, c, h, w = x.shape
        return x.reshape(n, self.groups, c // self.groups, h, w).transpose(1, 2).reshape(n, c, h, w)
