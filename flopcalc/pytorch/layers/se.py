"""Squeeze and excitation as a separate layer."""

from typing import Any

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import plan
from flopcalc.pytorch.layers._excitation import SqueezeExcite


class SqueezeExcite2d(SqueezeExcite):
    """Channels times weights in (0, 1), which follow from the means of all channels (Hu et al. 2018)."""

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
        reduction: int = 4,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        e = plan(
            "se",
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias=bias,
            reduction=reduction,
        )
        super().__init__(in_channels, e.named["m"], bias=bias, device=device, dtype=dtype)


LAYER = SqueezeExcite2d
