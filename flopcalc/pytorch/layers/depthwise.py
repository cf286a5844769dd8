"""The depthwise convolution: that of torch, with one group for each channel."""

from typing import Any, Literal

from torch import Tensor, nn

from flopcalc.cost.geometry import SAME, Pair
from flopcalc.pytorch.layers._blocks import plan


class DepthwiseConv2d(nn.Module):
    """Each channel filtered by itself, by `multiplier` k x k filters (Howard et al. 2017, eq. 3).

    Output c * multiplier + j is filter j of channel c. A module around nn.Conv2d rather than a subclass,
    which other counters would not know.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair | Literal["same"] | None = None,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = False,
        *,
        multiplier: int = 1,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        e = plan(
            "depthwise",
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            multiplier=multiplier,
            bias=bias,
        )
        g = e.geometry
        self.conv = nn.Conv2d(
            in_channels,
            out_channels,
            g.kernel,
            g.stride,
            SAME if g.uneven else g.padding,
            g.dilation,
            in_channels,
            bias,
            device=device,
            dtype=dtype,
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_in * multiplier, h_out, w_out)."""
        out: Tensor = self.conv(x)
        return out


LAYER = DepthwiseConv2d
