"""Coordinate attention, as in its authors' code."""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import plan
from flopcalc.pytorch.layers._excitation import Scale


class StackLines(nn.Module):
    """Means of rows, and below them the means of columns."""

    def forward(self, rows: Tensor, columns: Tensor) -> Tensor:
        """(n, c, h, 1), (n, c, 1, w) -> (n, c, h + w, 1)."""
        return torch.cat((rows, columns.transpose(2, 3)), dim=2)


def _back(squeezed: int, channels: int, bias: bool, **factory: Any) -> nn.Sequential:
    conv = nn.Conv2d(squeezed, channels, 1, bias=bias, **factory)
    return nn.Sequential(OrderedDict(conv=conv, gate=nn.Sigmoid()))


class CoordinateAttention2d(nn.Module):
    """Each channel times a weight of its row and one of its column, both in (0, 1) (Hou et al. 2021, Sec. 3.2)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair = 1,
        stride: Pair = 1,
        padding: Pair | None = None,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        reduction: int = 32,
        least: int = 8,
        norm: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given: dict[str, Any] = {"reduction": reduction, "least": least, "bias": bias, "norm": norm}
        operator = "coordinate_attention"
        e = plan(operator, in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given)
        c, m = in_channels, e.named["m"]
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.pool_h = nn.AdaptiveAvgPool2d((None, 1))
        self.pool_w = nn.AdaptiveAvgPool2d((1, None))
        self.join = StackLines()
        self.reduce = nn.Conv2d(c, m, 1, bias=bias, **factory)
        self.norm = nn.BatchNorm2d(m, **factory) if norm else None
        self.act = nn.Hardswish()
        self.height = _back(m, c, bias, **factory)
        self.width = _back(m, c, bias, **factory)
        self.scale_w = Scale()
        self.scale_h = Scale()

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        h, w = x.shape[2:]
        lines = self.reduce(self.join(self.pool_h(x), self.pool_w(x)))
        lines = self.act(lines if self.norm is None else self.norm(lines))
        rows, columns = lines.split((h, w), dim=2)
        weights_h, weights_w = self.height(rows), self.width(columns.transpose(2, 3))
        out: Tensor = self.scale_h(self.scale_w(x, weights_w), weights_h)
        return out


LAYER = CoordinateAttention2d
