"""The fire module, as in SqueezeNet."""

from typing import Any

from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import Concat, conv_block, plan


class Fire2d(nn.Module):
    """A 1x1 squeeze, then 1x1 and 3x3 filters on its output, side by side (Iandola et al. 2016, Sec. 3.2).

    ReLU after all three unless activation is False.
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
        bias: bool = True,
        *,
        squeeze: int | None = None,
        expand1: int | None = None,
        expand3: int | None = None,
        activation: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        widths = {"squeeze": squeeze, "expand1": expand1, "expand3": expand3}
        given: dict[str, Any] = {name: width for name, width in widths.items() if width is not None}
        e = plan(
            "fire",
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias=bias,
            activation=activation,
            **given,
        )
        g, named = e.geometry, e.named
        common: dict[str, Any] = {
            "norm": False,
            "activation": activation,
            "bias": bias,
            "device": device,
            "dtype": dtype,
        }
        self.squeeze = conv_block(in_channels, named["s"], 1, **common)
        self.expand1 = conv_block(named["s"], named["e1"], 1, **common)
        self.expand3 = conv_block(named["s"], named["e3"], g.kernel, padding=g.padding, dilation=g.dilation, **common)
        self.join = Concat()

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h, w)."""
        squeezed = self.squeeze(x)
        out: Tensor = self.join((self.expand1(squeezed), self.expand3(squeezed)))
        return out


LAYER = Fire2d
