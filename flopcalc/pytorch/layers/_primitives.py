"""Modules of the primitives for which torch has no module. Channels come first throughout."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def channel_norm(normalized_shape: int, **factory: Any) -> nn.Module:
    """Layer normalisation over the channels of each position: torch's own module with another forward."""
    norm = nn.LayerNorm(normalized_shape, **factory)
    norm.forward = partial(_channels_last, norm)  # type: ignore[method-assign]
    return norm


def _channels_last(norm: nn.LayerNorm, x: Tensor) -> Tensor:
    """(n, c, ...) -> (n, c, ...)."""
    return nn.LayerNorm.forward(norm, x.movedim(1, -1)).movedim(-1, 1)


class ChannelRMSNorm(nn.Module):
    """The channels of each position over the root of their mean square, times a scale (Zhang and Sennrich 2019)."""

    def __init__(self, channels: int, eps: float = 1e-6, **factory: Any) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels, **factory))

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, ...) -> (n, c, ...)."""
        scale = x.pow(2).mean(1, keepdim=True).add(self.eps).rsqrt()
        return x * scale * self.weight.reshape(-1, *(1 for _ in x.shape[2:]))


class LayerScale(nn.Module):
    """Each channel times a trained number."""

    def __init__(self, shape: Sequence[int], **factory: Any) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(shape[0], *(1 for _ in shape[1:]), **factory))

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, ...) -> (n, c, ...)."""
        return x * self.scale


class Product(nn.Module):
    """The product of two tensors; one may have a single position."""

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """(n, c, h, w) and (n, c, h, w) or (n, c, 1, 1)."""
        return one * other


class BatchNormOfMaps(nn.BatchNorm2d):
    """Batch normalization of maps of `per_map` neighbouring channels each."""

    def __init__(self, maps: int, per_map: int, **factory: Any) -> None:
        super().__init__(maps, **factory)
        self.per_map = per_map

    def forward(self, x: Tensor) -> Tensor:
        """(n, c) or (n, c, h, w) -> the same shape."""
        width = x.shape[3] if x.dim() == 4 else 1
        return super().forward(x.reshape(len(x), x.shape[1] // self.per_map, -1, width)).reshape(x.shape)


def batch_norm(channels: int, axes: int, per_map: int, affine: bool, **factory: Any) -> nn.Module:
    """The batch normalization of inputs with `axes` axes after the channels; `channels` scales and shifts.

    Without them it is frozen: torch's own module, which stays in evaluation mode, so that its statistics are constants.
    """
    kinds = {0: nn.BatchNorm1d, 3: nn.BatchNorm3d}
    kind = kinds.get(axes, nn.BatchNorm2d) if per_map == 1 else partial(BatchNormOfMaps, per_map=per_map)
    norm: nn.Module = kind(channels, affine=affine, **factory)
    if not affine:
        norm.train = partial(_stay_in_evaluation, norm)  # type: ignore[method-assign]
        norm.train()
    return norm


def _stay_in_evaluation(norm: nn.Module, mode: bool = True) -> nn.Module:
    norm.training = False
    return norm


class MeanOfMaps(nn.AdaptiveAvgPool2d):
    """The mean of maps of `per_map` neighbouring channels each."""

    def __init__(self, per_map: int) -> None:
        super().__init__(1)
        self.per_map = per_map

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c / per_map, 1, 1)."""
        n, c, _, w = x.shape
        return super().forward(x.reshape(n, c // self.per_map, -1, w))


def global_average(per_map: int) -> nn.Module:
    """The mean of each channel, or of each map."""
    return nn.AdaptiveAvgPool2d(1) if per_map == 1 else MeanOfMaps(per_map)


class Join(nn.Module):
    """The channels of several inputs, one input after the other."""

    def forward(self, *tensors: Tensor) -> Tensor:
        """Inputs of equal size."""
        return torch.cat(tensors, dim=1)


class Chunk(nn.Module):
    """One of several equal groups of channels."""

    def __init__(self, of: int, part: int) -> None:
        super().__init__()
        self.of, self.part = of, part

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, ...) -> (n, c / of, ...)."""
        return x.chunk(self.of, dim=1)[self.part]


class Pad(nn.Module):
    """Zeros at the bottom and at the right, up to a multiple, and as channels before and after."""

    def __init__(
        self, amount: int | tuple[int, int] = 0, multiple: int = 1, channels: int | tuple[int, int] = 0
    ) -> None:
        super().__init__()
        self.amount = amount if isinstance(amount, tuple) else (amount, amount)
        self.multiple = multiple
        self.channels = channels if isinstance(channels, tuple) else (channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, larger c, larger h, larger w)."""
        more = [extra + -(size + extra) % self.multiple for size, extra in zip(x.shape[2:], self.amount, strict=True)]
        return functional.pad(x, (0, more[1], 0, more[0], *self.channels))


class Subsample(nn.Module):
    """Positions at every `stride`-th row and column."""

    def __init__(self, stride: int | tuple[int, int]) -> None:
        super().__init__()
        self.stride = stride if isinstance(stride, tuple) else (stride, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, ceil(h / stride), ceil(w / stride))."""
        return x[:, :, :: self.stride[0], :: self.stride[1]]


class Crop(nn.Module):
    """The first input cut to the size of the second."""

    def forward(self, x: Tensor, like: Tensor) -> Tensor:
        """(n, c, h, w), (n, d, h', w') -> (n, c, h', w')."""
        return x[:, :, : like.shape[2], : like.shape[3]]


class Roll(nn.Module):
    """Positions moved around the edges."""

    def __init__(self, by: int | tuple[int, int]) -> None:
        super().__init__()
        self.by = by if isinstance(by, tuple) else (by, by)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        return torch.roll(x, self.by, (2, 3))


class SpaceToDepth(nn.Module):
    """Each block of positions as one position. Its channels are ordered by column, then row, then channel."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c size^2, h / size, w / size)."""
        steps = range(self.size)
        return torch.cat([x[:, :, i :: self.size, j :: self.size] for j in steps for i in steps], dim=1)


class Upsample(nn.Module):
    """Nearest upsampling, by a factor or to the size of a second input."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        """(n, c, h, w) -> (n, c, larger h, larger w)."""
        if like is None:
            return functional.interpolate(x, scale_factor=self.scale)
        return functional.interpolate(x, size=tuple(like.shape[2:]))


class UpsampleBilinear(Upsample):
    """Bilinear resizing, by a factor or to the size of a second input, then up to a multiple."""

    def __init__(self, scale: int, multiple: int) -> None:
        super().__init__(scale)
        self.multiple = multiple

    def forward(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        """(n, c, h, w) -> (n, c, other h, other w)."""
        size = [side * self.scale for side in x.shape[2:]] if like is None else like.shape[2:]
        whole = tuple(-(-side // self.multiple) * self.multiple for side in size)
        return functional.interpolate(x, size=whole, mode="bilinear", align_corners=False)


class DotProductAttention(nn.Module):
    """softmax(q k^T / sqrt(d)) v of each head; groups of heads may share keys and values."""

    def __init__(self, heads: int, kv_heads: int) -> None:
        super().__init__()
        self.heads, self.kv_heads = heads, kv_heads

    def forward(self, query: Tensor, key: Tensor, value: Tensor | None = None) -> Tensor:
        """(n, c, ...), (n, c kv_heads / heads, ...), (n, d kv_heads, ...) -> (n, d heads, ...)."""
        value = key if value is None else value
        n, c, *size = query.shape
        width = c // self.heads
        q = (query * width**-0.5).unflatten(1, (self.heads, width)).flatten(0, 1).flatten(2)
        k, v = self._by_head(key), self._by_head(value)
        scores = torch.bmm(q.transpose(1, 2), k)
        out = torch.bmm(v, scores.softmax(-1).transpose(1, 2))
        return out.reshape(n, -1, *size)

    def _by_head(self, x: Tensor) -> Tensor:
        """(n, c, ...) -> (n heads, c / kv_heads, tokens), in one copy."""
        n, group = len(x), self.heads // self.kv_heads
        shared = x.flatten(2).reshape(n, self.kv_heads, 1, x.shape[1] // self.kv_heads, -1)
        repeated = shared.expand(-1, -1, group, -1, -1).clone(memory_format=torch.contiguous_format)
        return repeated.reshape(n * self.heads, *repeated.shape[3:])


class ToTokens(nn.Module):
    """The positions of a map in one row."""

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, 1, h w)."""
        return x.reshape(*x.shape[:2], 1, -1)


class ClassToken(nn.Module):
    """One trained token in front of the others."""

    def __init__(self, channels: int, **factory: Any) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, channels, 1, 1, **factory))

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, 1, tokens) -> (n, c, 1, tokens + 1)."""
        return torch.cat((self.token.expand(len(x), -1, -1, -1), x), dim=3)


class PositionEmbedding(nn.Module):
    """A trained number for every channel and position, added."""

    def __init__(self, shape: Sequence[int], **factory: Any) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.zeros(1, *shape, **factory))

    def forward(self, x: Tensor) -> Tensor:
        """(n, ...) -> (n, ...)."""
        return x + self.embedding


class TakeToken(nn.Module):
    """One token of a row."""

    def __init__(self, index: int) -> None:
        super().__init__()
        self.index = index

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, 1, tokens) -> (n, c)."""
        return x[:, :, 0, self.index]
