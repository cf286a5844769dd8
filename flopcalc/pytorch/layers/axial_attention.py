"""Axial attention as a module: two layers of self-attention, along the columns and along the rows."""

from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import plan
from flopcalc.pytorch.layers._heads import Mix, Scale, Scores


class Arrange(nn.Module):
    """Queries, keys and values of each line and head, in one copy."""

    def __init__(self, heads: int, columns: bool) -> None:
        super().__init__()
        self.heads = heads
        self.order = (1, 0, 5, 2, 3, 4) if columns else (1, 0, 4, 2, 3, 5)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3 c, h, w) -> (3, n lines heads, c / heads, length)."""
        n, channels, h, w = x.shape
        width = channels // (3 * self.heads)
        x = x.reshape(n, 3, self.heads, width, h, w).permute(self.order)
        x = x.clone(memory_format=torch.contiguous_format)
        return x.reshape(3, -1, width, x.shape[-1])


class ArrangeBack(nn.Module):
    """Undoes Arrange, in one copy."""

    def __init__(self, heads: int, columns: bool) -> None:
        super().__init__()
        self.heads = heads
        self.order = (0, 2, 3, 4, 1) if columns else (0, 2, 3, 1, 4)

    def forward(self, x: Tensor, lines: int) -> Tensor:
        """(n lines heads, c / heads, length) -> (n, c, h, w)."""
        _, width, length = x.shape
        x = x.reshape(-1, lines, self.heads, width, length).permute(self.order)
        return x.clone(memory_format=torch.contiguous_format).flatten(1, 2)


class AxisAttention(nn.Module):
    """Multi-head self-attention within each column, or within each row."""

    def __init__(self, channels: int, heads: int, columns: bool, bias: bool, **factory: Any) -> None:
        super().__init__()
        self.lines = 3 if columns else 2
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, bias=bias, **factory)
        self.arrange, self.arrange_back = Arrange(heads, columns), ArrangeBack(heads, columns)
        self.scale, self.scores, self.softmax, self.mix = Scale(channels // heads), Scores(), nn.Softmax(-1), Mix()
        self.projection = nn.Conv2d(channels, channels, 1, bias=bias, **factory)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        query, key, value = self.arrange(self.qkv(x))
        mixed = self.mix(value, self.softmax(self.scores(self.scale(query), key)))
        out: Tensor = self.projection(self.arrange_back(mixed, x.shape[self.lines]))
        return out


class AxialAttention2d(nn.Module):
    """Self-attention along the columns, then along the rows (Ho et al. 2019). Linear layers are 1x1 convolutions."""

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
        heads: int = 4,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        plan("axial_attention", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, heads=heads)
        self.columns, self.rows = (
            AxisAttention(in_channels, heads, columns, bias, device=device, dtype=dtype) for columns in (True, False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        out: Tensor = self.rows(self.columns(x))
        return out


LAYER = AxialAttention2d
