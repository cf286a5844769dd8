"""The 3x3 convolution by Winograd's minimal filtering, with element-wise transforms and one batched product."""

from fractions import Fraction
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from flopcalc.cost.geometry import Pair
from flopcalc.operators._winograd import Row, Transform
from flopcalc.pytorch.layers._blocks import plan


class Scale(nn.Module):
    """Products by a constant."""

    def forward(self, x: Tensor, factor: Fraction) -> Tensor:
        """Unchanged in shape."""
        return x * float(factor)


def _result(row: Row, slices: tuple[Tensor, ...], scale: nn.Module) -> Tensor:
    """One row of a transform: kernels as `Transform` counts them."""
    (first, index), *others = row.terms
    out: Tensor = slices[index] if first == 1 else scale(slices[index], first)
    for coefficient, index in others:
        if coefficient == 1:
            out = out + slices[index]
        elif coefficient == -1:
            out = out - slices[index]
        else:
            out = out + scale(slices[index], coefficient)
    return out if row.factor == 1 else scale(out, row.factor)


def along(matrix: Transform, x: Tensor, axis: int, to: int, scale: nn.Module) -> Tensor:
    """The matrix applied along an axis; the new axis is put at `to`."""
    slices = x.unbind(axis)
    return torch.stack([_result(row, slices, scale) for row in matrix.rows], dim=to)


class Pad(nn.Module):
    """Zeros around the map, up to whole tiles."""

    def __init__(self, padding: tuple[int, int], m: int) -> None:
        super().__init__()
        self.padding, self.m = padding, m

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, rows m + 2, columns m + 2)."""
        more = []
        for size, pad in zip(x.shape[:1:-1], self.padding[::-1], strict=True):
            whole = -(-(size + 2 * pad - 2) // self.m) * self.m + 2
            more += [pad, whole - size - pad]
        return functional.pad(x, more)


class Data(nn.Module):
    """Overlapping tiles, transformed."""

    def __init__(self, matrix: Transform, m: int) -> None:
        super().__init__()
        self.matrix, self.m = matrix, m
        self.scale = Scale()

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, rows m + 2, columns m + 2) -> (side, side, c, n, rows, columns)."""
        side = self.matrix.columns
        tiles = x.transpose(0, 1).unfold(2, side, self.m).unfold(3, side, self.m)
        return along(self.matrix, along(self.matrix, tiles, 4, 0, self.scale), 5, 1, self.scale)


class Weights(nn.Module):
    """The filters, transformed."""

    def __init__(self, matrix: Transform, c_in: int, c_out: int, **factory: Any) -> None:
        super().__init__()
        self.matrix, self.scale = matrix, Scale()
        self.weight = nn.Parameter(torch.empty(c_out, c_in, matrix.columns, matrix.columns, **factory))
        nn.init.kaiming_uniform_(self.weight, a=sqrt(5))

    def forward(self) -> Tensor:
        """-> (side, side, c_out, c_in)."""
        return along(self.matrix, along(self.matrix, self.weight, 2, 0, self.scale), 3, 1, self.scale)


class Products(nn.Module):
    """For each place of a tile the product of the filters with all tiles."""

    def forward(self, weights: Tensor, data: Tensor) -> Tensor:
        """(side, side, c_out, c_in), (side, side, c_in, n, rows, columns) -> (side, side, c_out, n, rows, columns)."""
        side, _, c_out, c_in = weights.shape
        out = torch.bmm(weights.reshape(side**2, c_out, c_in), data.reshape(side**2, c_in, -1))
        return out.reshape(side, side, c_out, *data.shape[3:])


class Output(nn.Module):
    """The outputs of each tile."""

    def __init__(self, matrix: Transform) -> None:
        super().__init__()
        self.matrix, self.scale = matrix, Scale()

    def forward(self, x: Tensor) -> Tensor:
        """(side, side, ...) -> (m, m, ...)."""
        return along(self.matrix, along(self.matrix, x, 0, 0, self.scale), 1, 1, self.scale)


class Arrange(nn.Module):
    """The outputs of all tiles as a map, in one copy."""

    def forward(self, x: Tensor) -> Tensor:
        """(m, m, c, n, rows, columns) -> (n, c, rows m, columns m)."""
        m, _, c, n, rows, columns = x.shape
        ordered = x.permute(3, 2, 4, 0, 5, 1).clone(memory_format=torch.contiguous_format)
        return ordered.reshape(n, c, rows * m, columns * m)


class Bias(nn.Module):
    """One bias for each channel."""

    def __init__(self, channels: int, **factory: Any) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels, **factory))

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w), unchanged in shape."""
        return x + self.bias[:, None, None]


class WinogradConv2d(nn.Module):
    """The numbers of nn.Conv2d with a 3x3 kernel at stride 1, by F(m x m, 3x3) (Lavin and Gray 2016)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair = 3,
        stride: Pair = 1,
        padding: Pair | None = None,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = False,
        *,
        m: int = 2,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        e = plan("winograd", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, m=m)
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        matrices, self.padding = e.named["matrices"], e.geometry.padding
        self.pad, self.data = Pad(self.padding, m), Data(matrices.data, m)
        self.weights = Weights(matrices.weights, in_channels, out_channels, **factory)
        self.products, self.output, self.arrange = Products(), Output(matrices.output), Arrange()
        self.bias = Bias(out_channels, **factory) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h_out, w_out)."""
        h, w = (size + 2 * pad - 2 for size, pad in zip(x.shape[2:], self.padding, strict=True))
        products = self.products(self.weights(), self.data(self.pad(x)))
        out: Tensor = self.arrange(self.output(products))[:, :, :h, :w]
        return out if self.bias is None else self.bias(out)


LAYER = WinogradConv2d
