"""A depthwise convolution: torch's own, with one group for each channel."""

from typing import Any

from torch import nn

from flopcalc.geometry import Pair
from flopcalc.pytorch.layers._blocks import plan


class DepthwiseConv2d(nn.Conv2d):
    """Each channel filtered by itself, by `multiplier` k x k filters (Howard et al. 2017, eq. 3).

    Output c * multiplier + j is filter j of channel c.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Pair, stride: Pair = 1,
        padding: Pair | None = None, dilation: Pair = 1, groups: int = 1, bias: bool = False, *,
        multiplier: int = 1, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        e = plan(
            "depthwise", in_channels, out_channels, kernel_size, stride, padding, dilation, groups,
            multiplier=multiplier, bias=bias,
        )  # fmt: skip
        g = e.geometry
        super().__init__(
            in_channels, out_channels, g.kernel, g.stride, g.padding, g.dilation, in_channels, bias,
            device=device, dtype=dtype,
        )  # fmt: skip


LAYER = DepthwiseConv2d
