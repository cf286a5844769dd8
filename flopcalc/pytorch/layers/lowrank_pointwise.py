"""The low-rank pointwise convolution: two 1x1 convolutions in a row."""

from typing import Any

from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import plan


class LowRankPointwiseConv2d(nn.Module):
    """1x1 to `mid` channels (default: a quarter of the output's), then 1x1 to all; no activation between."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair = 1,
        stride: Pair = 1,
        padding: Pair | None = None,
        dilation: Pair = 1,
        groups: int = 1,
        *,
        mid: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given = {} if mid is None else {"mid": mid}
        e = plan(
            "lowrank_pointwise", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given
        )
        g, rank = e.geometry, e.named["m"]
        factory: dict[str, Any] = {"bias": False, "device": device, "dtype": dtype}
        self.reduce = nn.Conv2d(in_channels, rank, 1, g.stride, g.padding, **factory)
        self.expand = nn.Conv2d(rank, out_channels, 1, **factory)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h_out, w_out)."""
        out: Tensor = self.expand(self.reduce(x))
        return out


LAYER = LowRankPointwiseConv2d
