"""The conv-shift-conv block."""

from typing import Any

from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import conv_block, plan
from flopcalc.pytorch.layers.shift_only import ShiftChannels


class ConvShiftConv2d(nn.Module):
    """1x1 convolution, shift, 1x1 convolution with the stride (Wu et al. 2018, Sec. 3.2).

    norm adds batch norm after both convolutions; activation (default: as norm) adds ReLU after the
    first, as in ShiftResNet, where the second one's ReLU follows the residual sum.
    """

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
        expansion: int = 1,
        norm: bool = False,
        activation: bool | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given: dict[str, Any] = {"expansion": expansion, "norm": norm}
        given |= {} if activation is None else {"activation": activation}
        e = plan("shift", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given)
        g, mid = e.geometry, e.named["mid"]
        common: dict[str, Any] = {"norm": norm, "device": device, "dtype": dtype}
        self.expand = conv_block(in_channels, mid, 1, activation=e.named["activation"], **common)
        self.shift = ShiftChannels(mid, g.kernel, g.dilation)
        self.project = conv_block(mid, out_channels, 1, stride=g.stride, activation=False, **common)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h_out, w_out)."""
        out: Tensor = self.project(self.shift(self.expand(x)))
        return out


LAYER = ConvShiftConv2d
