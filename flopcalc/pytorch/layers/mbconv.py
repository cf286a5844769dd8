"""MBConv, as in EfficientNet; with se=0 the inverted residual of MobileNetV2."""

from typing import Any

from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import Add, conv_block, plan
from flopcalc.pytorch.layers._excitation import SqueezeExcite


class MBConv2d(nn.Module):
    """1x1 up, depthwise k x k, squeeze and excitation, 1x1 down, residual (Sandler et al. 2018, Sec. 3.4).

    norm adds batch norm after each convolution; activation (default: as norm) adds SiLU after each but
    the last, whose output is linear. se is a share of in_channels.
    """

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
        expansion: int = 6,
        se: Any = "1/4",
        residual: bool = True,
        norm: bool = False,
        activation: bool | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given: dict[str, Any] = {"expansion": expansion, "se": se, "residual": residual, "norm": norm}
        given |= {} if activation is None else {"activation": activation}
        e = plan("mbconv", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given)
        g, hidden, active = e.geometry, e.named["hidden"], e.named["activation"]
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        common: dict[str, Any] = {"norm": norm, "function": nn.SiLU, **factory}
        self.expand: nn.Module | None = None
        if e.named["expands"]:
            self.expand = conv_block(in_channels, hidden, 1, activation=active, **common)
        self.depthwise = conv_block(
            hidden,
            hidden,
            g.kernel,
            stride=g.stride,
            padding=g.padding,
            dilation=g.dilation,
            groups=hidden,
            activation=active,
            **common,
        )
        self.se: nn.Module | None = None
        if e.named["excites"]:
            self.se = SqueezeExcite(hidden, e.named["m"], function=nn.SiLU, **factory)
        self.project = conv_block(hidden, out_channels, 1, activation=False, **common)
        self.sum = Add() if e.named["adds"] else None

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h_out, w_out)."""
        out: Tensor = self.depthwise(x if self.expand is None else self.expand(x))
        if self.se is not None:
            out = self.se(out)
        out = self.project(out)
        return out if self.sum is None else self.sum(x, out)


LAYER = MBConv2d
