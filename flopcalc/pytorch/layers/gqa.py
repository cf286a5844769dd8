"""Grouped-query attention on a feature map, with explicit matrix products so that a count includes all of it."""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import Add, plan
from flopcalc.pytorch.layers._heads import Mix, Repeat, Scale, Scores, by_head


class CausalMask(nn.Module):
    """Minus infinity for each key after the query."""

    def __init__(self) -> None:
        super().__init__()
        self.add = Add()

    def forward(self, like: Tensor, tokens: int) -> Tensor:
        """A tensor of the wanted type -> (tokens, tokens)."""
        return torch.full((tokens, tokens), float("-inf"), dtype=like.dtype, device=like.device).triu(1)


class Join(nn.Module):
    """The blocks of rows, one after the other."""

    def forward(self, blocks: list[Tensor]) -> Tensor:
        """(b, d, rows) each -> (b, d, tokens)."""
        return torch.cat(blocks, dim=2)


class GroupedQueryAttention2d(nn.Module):
    """Attention among all positions of a map; groups of heads share keys and values (Ainslie et al. 2023).

    Linear layers are 1x1 convolutions. block_size: rows of scores that are computed together, with the columns up to
    the last one that they need.
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
        bias: bool = False,
        *,
        heads: int = 4,
        kv_heads: int = 2,
        head_dim: int | None = None,
        causal: bool = False,
        block_size: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        options = {
            "heads": heads,
            "kv_heads": kv_heads,
            "head_dim": head_dim,
            "causal": causal,
            "block_size": block_size,
        }
        sizes = (in_channels, out_channels, kernel_size, stride, padding, dilation, groups)
        e = plan("gqa", *sizes, **{name: value for name, value in options.items() if value is not None})
        factory: dict[str, Any] = {"device": device, "dtype": dtype, "bias": bias}
        self.heads, self.width, self.block_size = heads, e.named["width"], block_size
        self.query = nn.Conv2d(in_channels, heads * self.width, 1, **factory)
        self.scale = Scale(self.width)
        self.key, self.value = (
            nn.Sequential(
                OrderedDict(
                    conv=nn.Conv2d(in_channels, kv_heads * self.width, 1, **factory),
                    repeat=Repeat(heads, kv_heads) if kv_heads != heads else nn.Identity(),
                )
            )
            for _ in range(2)
        )
        self.scores, self.softmax, self.mix, self.join = Scores(), nn.Softmax(-1), Mix(), Join()
        self.mask = CausalMask() if causal else None
        self.projection = nn.Conv2d(heads * self.width, out_channels, 1, **factory)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        n, _, h, w = x.shape
        q, k, v = (by_head(part, self.heads) for part in (self.scale(self.query(x)), self.key(x), self.value(x)))
        tokens = q.shape[2]
        mask = self.mask(x, tokens) if self.mask is not None else None
        blocks = []
        for start in range(0, tokens, self.block_size or tokens):
            end = min(start + (self.block_size or tokens), tokens)
            scores = self.scores(q[:, :, start:end], k[:, :, :end])
            if self.mask is not None and mask is not None:
                scores = self.mask.add(scores, mask[start:end, :end])
            blocks.append(self.mix(v[:, :, :end], self.softmax(scores)))
        mixed = self.join(blocks) if len(blocks) > 1 else blocks[0]
        out: Tensor = self.projection(mixed.reshape(n, -1, h, w))
        return out


LAYER = GroupedQueryAttention2d
