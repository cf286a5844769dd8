"""BSConv-U as a module; its children have the names of the formula's parts."""

from typing import Any

from torch import Tensor, nn

from flopcalc.cost.geometry import Pair


class BSConv2d(nn.Module):
    """BSConv-U with the arguments of nn.Conv2d."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair = 0,
        dilation: Pair = 1,
        groups: int = 1,
        **factory: Any,
    ) -> None:
        super().__init__()
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=False, **factory)
        self.depthwise = nn.Conv2d(
            out_channels, out_channels, kernel_size, stride, padding, dilation, out_channels, bias=False, **factory
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h_out, w_out)."""
        out: Tensor = self.depthwise(self.pointwise(x))
        return out


LAYER = BSConv2d
