"""Multi-head self-attention on a feature map, with explicit matrix products so that a count includes all of it."""

from collections import OrderedDict
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.catalog import layer
from flopcalc.cost.geometry import Pair


class ToHeads(nn.Module):
    """Orders positions by window (or by place in their patch) and channels by head, in one copy."""

    def __init__(self, heads: int, window: int | None, patch: int) -> None:
        super().__init__()
        self.heads, self.side = heads, window or patch
        self.order = (1, 0, 4, 6, 2, 5, 7, 3) if window else (1, 0, 5, 7, 2, 4, 6, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3 c, h, w) -> (3, n groups heads, tokens, c / heads)."""
        n, channels, h, w = x.shape
        width, side = channels // (3 * self.heads), self.side
        x = x.reshape(n, 3, self.heads, width, h // side, side, w // side, side)
        x = x.permute(self.order).clone(memory_format=torch.contiguous_format)
        return x.flatten(1, 4).flatten(2, 3)


class FromHeads(nn.Module):
    """Undoes ToHeads, in one copy."""

    def __init__(self, heads: int, window: int | None, patch: int) -> None:
        super().__init__()
        self.heads, self.window, self.patch = heads, window, patch

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """(n groups heads, tokens, c / heads) -> (n, c, h, w)."""
        h, w = size
        side, width = self.window or self.patch, x.shape[-1]
        if self.window:
            x = x.reshape(-1, h // side, w // side, self.heads, side, side, width).permute(0, 3, 6, 1, 4, 2, 5)
        else:
            x = x.reshape(-1, side, side, self.heads, h // side, w // side, width).permute(0, 3, 6, 4, 1, 5, 2)
        x = x.clone(memory_format=torch.contiguous_format)
        return x.reshape(len(x), -1, h, w)


class PositionBias(nn.Module):
    """Adds to each score the trained number of its head for the offset between the two tokens."""

    index: Tensor

    def __init__(self, heads: int, window: int, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        reach = 2 * window - 1
        self.table = nn.Parameter(torch.empty(heads, reach**2, device=device, dtype=dtype))
        nn.init.trunc_normal_(self.table, std=0.02)
        places = [(row, column) for row in range(window) for column in range(window)]
        index = [[(a - c + window - 1) * reach + b - d + window - 1 for c, d in places] for a, b in places]
        self.register_buffer("index", torch.tensor(index, device=device), persistent=False)
        self.add = AddPerHead()

    def forward(self, scores: Tensor) -> Tensor:
        """(n windows heads, tokens, tokens), unchanged in shape."""
        out: Tensor = self.add(scores, self.table[:, self.index])
        return out


class AddPerHead(nn.Module):
    """One bias for each head and pair of tokens, the same in all windows."""

    def forward(self, scores: Tensor, biases: Tensor) -> Tensor:
        """(n windows heads, tokens, tokens), (heads, tokens, tokens) -> as the first."""
        return (scores.reshape(-1, *biases.shape) + biases).reshape(scores.shape)


class ShiftMask(nn.Module):
    """Masks pairs of tokens of a shifted window that are not neighbours on the map."""

    def __init__(self, heads: int, window: int, shift: int) -> None:
        super().__init__()
        self.heads, self.window, self.shift = heads, window, shift

    def forward(self, scores: Tensor, size: tuple[int, int]) -> Tensor:
        """(n windows heads, tokens, tokens), unchanged in shape. size: of the map."""
        constants = _mask(size, self.window, self.shift)
        mask = torch.tensor(constants, dtype=scores.dtype, device=scores.device)
        windows, tokens, _ = mask.shape
        shaped = scores.reshape(-1, windows, self.heads, tokens, tokens)
        return (shaped + mask[:, None]).reshape(scores.shape)


@lru_cache(maxsize=8)
def _mask(size: tuple[int, int], window: int, shift: int) -> list[list[list[float]]]:
    """0 for tokens of one region of a window, -100 for those of different ones: (windows, tokens, tokens)."""
    regions = [_regions(length, window, shift) for length in size]
    mask = []
    for top in range(0, size[0], window):
        for left in range(0, size[1], window):
            places = [(row, col) for row in regions[0][top : top + window] for col in regions[1][left : left + window]]
            mask.append([[0.0 if one == other else -100.0 for other in places] for one in places])
    return mask


def _regions(length: int, window: int, shift: int) -> list[int]:
    """For each position of an axis: whether it came around the edge, which only the last window has."""
    return [int(length > window and position >= length - shift) for position in range(length)]


class RollWindows(nn.Module):
    """Positions moved around the edges of the axes that have several windows."""

    def __init__(self, window: int, by: int) -> None:
        super().__init__()
        self.window, self.by = window, by

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        return torch.roll(x, [self.by if length > self.window else 0 for length in x.shape[2:]], (2, 3))


class Scale(nn.Module):
    """Queries over sqrt(d), d channels in a head."""

    def forward(self, query: Tensor) -> Tensor:
        """(..., d), unchanged in shape."""
        out: Tensor = query * query.shape[-1] ** -0.5
        return out


class Scores(nn.Module):
    """The product of each query with each key of its window."""

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        """(b, tokens, d) twice -> (b, tokens, tokens)."""
        return torch.bmm(query, key.transpose(1, 2))


class MixValues(nn.Module):
    """Values weighted by attention, back on the grid."""

    def __init__(self, heads: int, window: int | None, patch: int) -> None:
        super().__init__()
        self.arrange = FromHeads(heads, window, patch)

    def forward(self, weights: Tensor, value: Tensor, size: tuple[int, int]) -> Tensor:
        """(b, tokens, tokens), (b, tokens, d) -> (n, c, h, w)."""
        out: Tensor = self.arrange(torch.bmm(weights, value), size)
        return out


class Attention2d(nn.Module):
    """Multi-head self-attention (Vaswani et al. 2017) among all positions, or within windows (Liu et al. 2021).

    Linear layers are 1x1 convolutions. Within windows there may be position biases, and a shift of the
    windows along the axes that have several. patch: without windows, each position sees those with its
    place in other patches of that side (Mehta and Rastegari 2022).
    """

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
        window: int | None = None,
        patch: int = 1,
        position_bias: bool = False,
        shift: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        # Whether windows and patches fit depends on the input, and shows when it comes.
        options = {"heads": heads, "window": window, "patch": patch, "position_bias": position_bias, "shift": shift}
        layer.layer(
            "attention",
            in_channels,
            out_channels,
            k=kernel_size,
            hw=2 * (window or patch),
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            **{name: value for name, value in options.items() if value is not None},
        )
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.window = window
        self.roll = RollWindows(window, -shift) if window and shift else None
        self.qkv = nn.Sequential(
            OrderedDict(
                conv=nn.Conv2d(in_channels, 3 * in_channels, 1, bias=bias, **factory),
                arrange=ToHeads(heads, window, patch),
            )
        )
        self.scale = Scale()
        self.scores = Scores()
        self.position = PositionBias(heads, window, **factory) if window and position_bias else None
        self.mask = ShiftMask(heads, window, shift) if window and shift else None
        self.softmax = nn.Softmax(dim=-1)
        self.mix = MixValues(heads, window, patch)
        self.projection = nn.Conv2d(in_channels, in_channels, 1, bias=bias, **factory)
        self.roll_back = RollWindows(window, shift) if window and shift else None

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        shifted = self.window is not None and max(x.shape[2:]) > self.window
        if shifted and self.roll is not None:
            x = self.roll(x)
        size = tuple(x.shape[2:])
        query, key, value = self.qkv(x).unbind(0)
        scores = self.scores(self.scale(query), key)
        if self.position is not None:
            scores = self.position(scores)
        if shifted and self.mask is not None:
            scores = self.mask(scores, size)
        out: Tensor = self.projection(self.mix(self.softmax(scores), value, size))
        return self.roll_back(out) if shifted and self.roll_back is not None else out


LAYER = Attention2d
