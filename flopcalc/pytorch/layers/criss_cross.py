"""Criss-cross attention as a module, arranged as in the authors' code."""

from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import Add, plan
from flopcalc.pytorch.layers._heads import Mix, Scores


class Lines(nn.Module):
    """Each column (or row) of a map as a sequence of its own, in one copy."""

    def __init__(self, order: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.order = order

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n w, c, h), or (n h, c, w)."""
        return x.permute(self.order).clone(memory_format=torch.contiguous_format).flatten(0, 1)


class OwnPlace(nn.Module):
    """Minus infinity for the place of a position in its own column."""

    def __init__(self) -> None:
        super().__init__()
        self.add = Add()

    def forward(self, scores: Tensor) -> Tensor:
        """(n w, h, h), unchanged in shape."""
        own = torch.full(scores.shape[-1:], float("-inf"), dtype=scores.dtype, device=scores.device)
        out: Tensor = self.add(scores, own.diag())
        return out


class Split(nn.Module):
    """The weights of one axis, by column (or row), in one copy."""

    def __init__(self, columns: bool) -> None:
        super().__init__()
        self.columns = columns

    def forward(self, weights: Tensor) -> Tensor:
        """(n, h, w, length) -> (n w, h, h) or (n h, w, w)."""
        ordered = weights.transpose(1, 2) if self.columns else weights
        return ordered.clone(memory_format=torch.contiguous_format).flatten(0, 1)


class Axis(nn.Module):
    """Scores and values along the columns, or along the rows."""

    def __init__(self, columns: bool) -> None:
        super().__init__()
        self.arrange = Lines((0, 3, 1, 2) if columns else (0, 2, 1, 3))
        self.scores, self.mix, self.split = Scores(), Mix(), Split(columns)
        self.mask = OwnPlace() if columns else nn.Identity()


class Join(nn.Module):
    """The scores along both axes."""

    def forward(self, columns: Tensor, rows: Tensor) -> Tensor:
        """(n, h, w, h), (n, h, w, w) -> (n, h, w, h + w)."""
        return torch.cat((columns, rows), dim=3)


class Gamma(nn.Module):
    """A trained factor. The authors begin with 0; 1 lets all weights learn from the first step on."""

    def __init__(self, **factory: Any) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones(1, **factory))

    def forward(self, x: Tensor) -> Tensor:
        """Unchanged in shape."""
        return self.factor * x


class CrissCrossAttention(nn.Module):
    """Each position attends to its column and its row, `recurrence` times with the same weights (Huang et al. 2019)."""

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
        reduction: int = 8,
        recurrence: int = 2,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        sizes = (in_channels, out_channels, kernel_size, stride, padding, dilation, groups)
        e = plan("criss_cross", *sizes, reduction=reduction, recurrence=recurrence)
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        mid, self.recurrence = e.named["mid"], recurrence
        self.query = nn.Conv2d(in_channels, mid, 1, bias=bias, **factory)
        self.key = nn.Conv2d(in_channels, mid, 1, bias=bias, **factory)
        self.value = nn.Conv2d(in_channels, in_channels, 1, bias=bias, **factory)
        self.columns, self.rows = Axis(columns=True), Axis(columns=False)
        self.join, self.softmax = Join(), nn.Softmax(-1)
        self.sum, self.scale, self.residual = Add(), Gamma(**factory), Add()

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        for _ in range(self.recurrence):
            x = self._round(x)
        return x

    def _round(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        given = self.query(x), self.key(x), self.value(x)
        column_query, column_key, column_value = (self.columns.arrange(one) for one in given)
        row_query, row_key, row_value = (self.rows.arrange(one) for one in given)
        along_h = self.columns.mask(self.columns.scores(column_query, column_key))
        along_w = self.rows.scores(row_query, row_key)
        scores = self.join(along_h.reshape(n, w, h, h).transpose(1, 2), along_w.reshape(n, h, w, w))
        weights = self.softmax(scores)
        by_column = self.columns.mix(column_value, self.columns.split(weights[..., :h]))
        by_row = self.rows.mix(row_value, self.rows.split(weights[..., h:]))
        both = self.sum(by_column.reshape(n, w, c, h).permute(0, 2, 3, 1), by_row.reshape(n, h, c, w).transpose(1, 2))
        out: Tensor = self.residual(self.scale(both), x)
        return out


LAYER = CrissCrossAttention
