"""Linear attention on a feature map, with explicit matrix products."""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import plan
from flopcalc.pytorch.layers._heads import by_head


class Plus(nn.Module):
    """A number added."""

    def __init__(self, number: float) -> None:
        super().__init__()
        self.number = number

    def forward(self, x: Tensor) -> Tensor:
        """Unchanged in shape."""
        return x + self.number


class Product(nn.Module):
    """The product of two matrices of each head."""

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """(b, rows, inner), (b, inner, columns) -> (b, rows, columns)."""
        return torch.bmm(one, other)


class Sum(nn.Module):
    """The sum of the keys."""

    def forward(self, x: Tensor) -> Tensor:
        """(b, d, tokens) -> (b, 1, d)."""
        return x.sum(-1)[:, None]


class Divide(nn.Module):
    """The values of each query over its weights."""

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        """(b, d, tokens), (b, 1, tokens) -> (b, d, tokens)."""
        return x / weights


class LinearAttention2d(nn.Module):
    """Linear attention among all positions of a map (Katharopoulos et al. 2020). Linear layers are 1x1 convolutions."""

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
        plan("linear_attention", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, heads=heads)
        factory: dict[str, Any] = {"device": device, "dtype": dtype, "bias": bias}
        c = in_channels
        self.heads = heads
        self.query, self.key = (
            nn.Sequential(OrderedDict(conv=nn.Conv2d(c, c, 1, **factory), act=nn.ELU(), one=Plus(1))) for _ in range(2)
        )
        self.value = nn.Conv2d(c, c, 1, **factory)
        self.context, self.mix, self.sum = Product(), Product(), Sum()
        self.normaliser, self.epsilon, self.divide = Product(), Plus(1e-6), Divide()
        self.projection = nn.Conv2d(c, out_channels, 1, **factory)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        q, k, v = (by_head(part(x), self.heads) for part in (self.query, self.key, self.value))
        mixed = self.mix(self.context(v, k.transpose(1, 2)), q)
        divided = self.divide(mixed, self.epsilon(self.normaliser(self.sum(k), q)))
        out: Tensor = self.projection(divided.reshape(x.shape))
        return out


LAYER = LinearAttention2d
