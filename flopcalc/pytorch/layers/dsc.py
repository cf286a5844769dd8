"""Depthwise separable convolution, as in MobileNet."""

from typing import Any

from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import conv_block, plan


class DepthwiseSeparableConv2d(nn.Module):
    """`multiplier` k x k filters for each channel, then a 1x1 convolution (Howard et al. 2017, Sec. 3.1).

    norm adds batch norm after both; activation (default: as norm) adds ReLU after both.
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
        bias: bool = False,
        *,
        multiplier: int = 1,
        norm: bool = False,
        activation: bool | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given = {"multiplier": multiplier, "norm": norm, "bias": bias} | (
            {} if activation is None else {"activation": activation}
        )
        e = plan("dsc", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given)
        g = e.geometry
        common: dict[str, Any] = {
            "norm": norm,
            "activation": e.named["activation"],
            "bias": bias,
            "device": device,
            "dtype": dtype,
        }
        self.depthwise = conv_block(
            in_channels,
            in_channels * multiplier,
            g.kernel,
            stride=g.stride,
            padding=g.padding,
            dilation=g.dilation,
            groups=in_channels,
            **common,
        )
        self.pointwise = conv_block(in_channels * multiplier, out_channels, 1, **common)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h_out, w_out)."""
        out: Tensor = self.pointwise(self.depthwise(x))
        return out


LAYER = DepthwiseSeparableConv2d
