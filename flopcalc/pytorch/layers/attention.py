"""Multi-head self-attention on a feature map, with explicit matrix products so that all is seen."""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.geometry import Pair
from flopcalc.pytorch.layers._blocks import plan


class ToHeads(nn.Module):
    """Sorts positions by window and channels by head, in one copy."""

    def __init__(self, heads: int, window: int | None) -> None:
        super().__init__()
        self.heads, self.window = heads, window

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3 c, h, w) -> (3, n windows heads, tokens, c / heads)."""
        n, channels, h, w = x.shape
        rows, columns = (h, w) if self.window is None else (self.window, self.window)
        width = channels // (3 * self.heads)
        x = x.reshape(n, 3, self.heads, width, h // rows, rows, w // columns, columns)
        x = x.permute(1, 0, 4, 6, 2, 5, 7, 3).clone(memory_format=torch.contiguous_format)
        return x.reshape(3, -1, rows * columns, width)


class FromHeads(nn.Module):
    """Undoes ToHeads, in one copy."""

    def __init__(self, heads: int, window: int | None) -> None:
        super().__init__()
        self.heads, self.window = heads, window

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """(n windows heads, tokens, c / heads) -> (n, c, h, w)."""
        h, w = size
        rows, columns = (h, w) if self.window is None else (self.window, self.window)
        x = x.reshape(-1, h // rows, w // columns, self.heads, rows, columns, x.shape[-1])
        x = x.permute(0, 3, 6, 1, 4, 2, 5).clone(memory_format=torch.contiguous_format)
        return x.reshape(len(x), -1, h, w)


class Scale(nn.Module):
    """Queries over sqrt(d), d channels in a head."""

    def forward(self, query: Tensor) -> Tensor:
        """(..., d), unchanged in shape."""
        out: Tensor = query * query.shape[-1] ** -0.5
        return out


class Scores(nn.Module):
    """Each query with each key of its window."""

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        """(b, tokens, d) twice -> (b, tokens, tokens)."""
        return torch.bmm(query, key.transpose(1, 2))


class MixValues(nn.Module):
    """Values weighted by attention, back on the grid."""

    def __init__(self, heads: int, window: int | None) -> None:
        super().__init__()
        self.arrange = FromHeads(heads, window)

    def forward(self, weights: Tensor, value: Tensor, size: tuple[int, int]) -> Tensor:
        """(b, tokens, tokens), (b, tokens, d) -> (n, c, h, w)."""
        out: Tensor = self.arrange(torch.bmm(weights, value), size)
        return out


class Attention2d(nn.Module):
    """Multi-head self-attention (Vaswani et al. 2017) among all positions, or within windows (Liu et al. 2021).

    Linear layers are 1x1 convolutions. Without position bias and without shift of the windows.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Pair = 1, stride: Pair = 1,
        padding: Pair | None = None, dilation: Pair = 1, groups: int = 1, bias: bool = True, *,
        heads: int = 4, window: int | None = None, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        # Whether windows fit depends on the input, and shows when it comes.
        plan("attention", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, heads=heads)
        factory: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        self.qkv = nn.Sequential(
            OrderedDict(
                conv=nn.Conv2d(in_channels, 3 * in_channels, 1, **factory), arrange=ToHeads(heads, window)
            )
        )  # fmt: skip
        self.scale = Scale()
        self.scores = Scores()
        self.softmax = nn.Softmax(dim=-1)
        self.mix = MixValues(heads, window)
        self.projection = nn.Conv2d(in_channels, in_channels, 1, **factory)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        query, key, value = self.qkv(x).unbind(0)
        weights = self.softmax(self.scores(self.scale(query), key))
        out: Tensor = self.projection(self.mix(weights, value, x.shape[2:]))
        return out


LAYER = Attention2d
