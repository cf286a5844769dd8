"""Sliding-window attention on a feature map, with explicit matrix products."""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import Add, plan
from flopcalc.pytorch.layers._heads import Scale, by_head


class ByToken(nn.Module):
    """The query of each token as a matrix of one row, in one copy."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n heads tokens, 1, c / heads)."""
        rows = by_head(x, self.heads).transpose(1, 2)
        return rows.clone(memory_format=torch.contiguous_format).flatten(0, 1).unsqueeze(1)


class PadTokens(nn.Module):
    """Zeros before the first token and after the last one."""

    def __init__(self, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.side = heads, window // 2

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n heads, c / heads, tokens + window - 1)."""
        return functional.pad(by_head(x, self.heads), (self.side, self.side))


class UnfoldTokens(nn.Module):
    """The neighbours of each token, in one copy."""

    def __init__(self, window: int, order: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.window, self.order = window, order

    def forward(self, x: Tensor) -> Tensor:
        """(b, d, tokens + window - 1) -> (b tokens, d, window), or (b tokens, window, d)."""
        near = x.unfold(2, self.window, 1).permute(self.order)
        return near.clone(memory_format=torch.contiguous_format).flatten(0, 1)


class EndMask(nn.Module):
    """Minus infinity for the neighbours that do not exist."""

    def __init__(self, window: int) -> None:
        super().__init__()
        self.window = window
        self.add = Add()

    def forward(self, scores: Tensor, tokens: int) -> Tensor:
        """(n heads tokens, 1, window), unchanged in shape."""
        side = self.window // 2
        inside = torch.zeros(tokens, dtype=scores.dtype, device=scores.device)
        mask = functional.pad(inside, (side, side), value=float("-inf")).unfold(0, self.window, 1)
        added: Tensor = self.add(scores.reshape(-1, tokens, self.window), mask)
        return added.reshape(scores.shape)


class Product(nn.Module):
    """The product of a row with the matrix of its neighbours."""

    def __init__(self, arrange: nn.Module | None = None) -> None:
        super().__init__()
        self.arrange = arrange

    def forward(self, row: Tensor, neighbours: Tensor, shape: tuple[int, ...] = ()) -> Tensor:
        """(b, 1, inner), (b, inner, columns) -> (b, 1, columns); of the values, arranged in a given shape."""
        out = torch.bmm(row, neighbours)
        return out if self.arrange is None else self.arrange(out, shape)


class ToMap(nn.Module):
    """Undoes ByToken, in one copy."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads

    def forward(self, x: Tensor, shape: tuple[int, ...]) -> Tensor:
        """(n heads tokens, 1, d) -> (n, c, h, w)."""
        n, _, h, w = shape
        rows = x.reshape(n, self.heads, -1, x.shape[2]).transpose(2, 3)
        return rows.clone(memory_format=torch.contiguous_format).reshape(n, -1, h, w)


class SlidingWindowAttention2d(nn.Module):
    """Each position attends to the `window` positions around it, row by row (Beltagy et al. 2020)."""

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
        window: int = 33,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        sizes = (in_channels, out_channels, kernel_size, stride, padding, dilation, groups)
        e = plan("sliding_window", *sizes, heads=heads, window=window)
        factory: dict[str, Any] = {"device": device, "dtype": dtype, "bias": bias}
        c = in_channels
        self.query = nn.Sequential(OrderedDict(conv=nn.Conv2d(c, c, 1, **factory), arrange=ByToken(heads)))
        self.key, self.value = (
            nn.Sequential(
                OrderedDict(
                    conv=nn.Conv2d(c, c, 1, **factory),
                    pad=PadTokens(heads, window),
                    unfold=UnfoldTokens(window, order),
                )
            )
            for order in ((0, 2, 1, 3), (0, 2, 3, 1))
        )
        self.scale, self.scores, self.softmax = Scale(e.named["width"]), Product(), nn.Softmax(-1)
        self.mask, self.mix = EndMask(window), Product(ToMap(heads))
        self.projection = nn.Conv2d(c, out_channels, 1, **factory)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        scores = self.scores(self.scale(self.query(x)), self.key(x))
        weights = self.softmax(self.mask(scores, x.flatten(2).shape[2]))
        out: Tensor = self.projection(self.mix(weights, self.value(x), tuple(x.shape)))
        return out


LAYER = SlidingWindowAttention2d
