"""RoIAlign with fixed boxes."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class RoIAlign(nn.Module):
    """RoIAlign with fixed boxes: each has `size` x `size` cells, sampled from one of several maps.

    boxes: one tensor for each map, of rows left, top, right, bottom in positions of that map (0 is the
    centre of the first position, as in torchvision without `aligned`). Each cell is the mean of sampling^2 points, each
    interpolated between four positions. The boxes are the same for all samples.
    """

    def __init__(
        self, maps: Sequence[tuple[int, int]], boxes: Sequence[Tensor], size: int = 7, sampling: int = 2
    ) -> None:
        super().__init__()
        self.points, self.used = sampling**2, []
        for level, ((h, w), some) in enumerate(zip(maps, boxes, strict=True)):
            if len(some):
                self.used.append(level)
                for name, table in zip(("row", "column", "weight"), corners(h, w, some, size, sampling), strict=True):
                    self.register_buffer(f"{name}{level}", table, persistent=False)

    def forward(self, *maps: Tensor) -> Tensor:
        """(n, c, h, w) for each map -> (n, c size^2, 1, boxes), the boxes of the first map first."""
        found = []
        for level in self.used:
            row, column, weight = (self.get_buffer(f"{name}{level}") for name in ("row", "column", "weight"))
            picked = maps[level][:, :, row, column]
            found.append((picked * weight).sum(2) * (1 / self.points))
        out = found[0] if len(found) == 1 else torch.cat(found, dim=3)
        return out.reshape(len(out), -1, 1, out.shape[-1])


def corners(h: int, w: int, boxes: Tensor, size: int, sampling: int) -> tuple[Tensor, Tensor, Tensor]:
    """Four positions of an h x w map and their weights for each point of each cell.

    Rows, columns and weights, each (4 sampling^2, size^2, boxes).
    """
    steps = torch.arange(size * sampling, device=boxes.device, dtype=boxes.dtype) + 0.5

    def along(low: Tensor, high: Tensor, length: int) -> tuple[Tensor, Tensor]:
        """The two positions around each point, and their weights: (2, cells, points, boxes)."""
        extent = (high - low).clamp(min=1.0) / (size * sampling)
        at = (low + steps[:, None] * extent).clamp(min=0.0, max=length - 1)
        first = at.floor().clamp(max=max(length - 2, 0))
        share = at - first
        below = first.long()
        above = (below + 1).clamp(max=length - 1)
        shape = (2, size, sampling, -1)
        return torch.stack((below, above)).reshape(shape), torch.stack((1 - share, share)).reshape(shape)

    left, top, right, bottom = boxes.unbind(1)
    (rows, of_rows), (columns, of_columns) = along(top, bottom, h), along(left, right, w)

    def table(down: Tensor, across: Tensor) -> Tensor:
        """The product, by corner's row and column, point's row and column, cell's row and column, box."""
        full = down[:, :, :, None, None, None] * across[None, None, None]
        return full.permute(0, 3, 2, 5, 1, 4, 6).reshape(4 * sampling**2, size**2, len(boxes))

    one_row, one_column = torch.ones_like(rows), torch.ones_like(columns)
    return table(rows, one_column), table(one_row, columns), table(of_rows, of_columns)


def roi_align(
    maps: Sequence[tuple[int, int]],
    boxes: int,
    size: int,
    sampling: int,
    device: Any = None,
    dtype: Any = None,
) -> RoIAlign:
    """RoIAlign of boxes that are spread evenly over all maps; each box covers its map."""
    corners_of = []
    for level, (h, w) in enumerate(maps):
        some = boxes // len(maps) + (level < boxes % len(maps))
        corners_of.append(torch.tensor([[0, 0, w, h]] * some, device=device, dtype=dtype or torch.get_default_dtype()))
    return RoIAlign(maps, corners_of, size, sampling)
