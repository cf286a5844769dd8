"""PConv, as FasterNet trains it."""

from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import Concat, plan


class PConv2d(nn.Module):
    """A k x k convolution of the first ratio * c channels, the others untouched (Chen et al. 2023, Sec. 3.2)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair = 3,
        stride: Pair = 1,
        padding: Pair | None = None,
        dilation: Pair = 1,
        groups: int = 1,
        *,
        ratio: Any = "1/4",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        e = plan("pconv", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, ratio=ratio)
        g, c_p = e.geometry, e.named["c_p"]
        self.sizes = [c_p, in_channels - c_p]
        self.conv = nn.Conv2d(c_p, c_p, g.kernel, 1, g.padding, g.dilation, bias=False, device=device, dtype=dtype)
        self.join = Concat() if e.named["has_rest"] else None

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        first, rest = torch.split(x, self.sizes, dim=1)
        out: Tensor = self.conv(first)
        return out if self.join is None else self.join((out, rest))


LAYER = PConv2d
