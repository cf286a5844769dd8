"""The shift of channels."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from flopcalc.cost.geometry import Pair, same_padding
from flopcalc.pytorch.layers._blocks import plan


class ShiftChannels(nn.Module):
    """Moves groups of channels by the offsets of a kernel, zeros from outside; offsets row by row.

    The middle group, which does not move, also takes the channels that do not divide.
    """

    def __init__(self, channels: int, kernel: tuple[int, int], dilation: tuple[int, int]) -> None:
        super().__init__()
        offsets = [(i * dilation[0], j * dilation[1]) for i in range(kernel[0]) for j in range(kernel[1])]
        widths = [channels // len(offsets)] * len(offsets)
        widths[len(offsets) // 2] += channels % len(offsets)
        self.windows = list(zip(widths, offsets, strict=True))
        self.padding = same_padding(kernel, dilation)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        h, w = x.shape[2:]
        rows, columns = self.padding
        padded = F.pad(x, (columns, columns, rows, rows))
        moved, start = [], 0
        for width, (top, left) in self.windows:
            moved.append(padded[:, start : start + width, top : top + h, left : left + w])
            start += width
        return torch.cat(moved, dim=1)


class Shift2d(ShiftChannels):
    """The bare shift (Wu et al. 2018, Sec. 3.1). It has no parameters."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair | None = None,
        dilation: Pair = 1,
        groups: int = 1,
        *,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        g = plan("shift_only", in_channels, out_channels, kernel_size, stride, padding, dilation, groups).geometry
        super().__init__(in_channels, g.kernel, g.dilation)


LAYER = Shift2d
