"""Blueprint separable convolutions, as in their authors' code."""

from typing import Any

from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import conv_block, plan


class BSConv2d(nn.Module):
    """variant="u": 1x1, then depthwise k x k; "s": two 1x1 with a share p of the channels between (Haase 2020, Sec. 3).

    norm adds batch norm after each 1x1 convolution; bias is that of the depthwise one.
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
        variant: str = "u",
        p: Any = "1/4",
        norm: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given: dict[str, Any] = {"variant": variant, "p": p, "norm": norm, "bias": bias}
        e = plan("bsconv", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given)
        g, mid, c = e.geometry, e.named["mid"], out_channels
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        point: dict[str, Any] = {"norm": norm, "activation": False, **factory}
        self.pointwise = self.reduce = self.expand = None
        if variant == "u":
            self.pointwise = conv_block(in_channels, c, 1, **point)
        else:
            self.reduce = conv_block(in_channels, mid, 1, **point)
            self.expand = conv_block(mid, c, 1, **point)
        self.depthwise = nn.Conv2d(c, c, g.kernel, g.stride, g.padding, g.dilation, c, bias, **factory)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h_out, w_out)."""
        for step in (self.pointwise, self.reduce, self.expand):
            x = x if step is None else step(x)
        out: Tensor = self.depthwise(x)
        return out


LAYER = BSConv2d
