"""The ShuffleNet V2 unit, as its paper draws it."""

from typing import Any

from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import ChannelShuffle, Concat, conv_block, plan


class ShuffleUnitV2(nn.Module):
    """Channel split, three convolutions on one half, concatenation, shuffle (Ma et al. 2018, Fig. 3c and 3d).

    At a stride there is no split, and the side branch has a depthwise and a 1x1 convolution. norm adds
    batch norm after each convolution; activation (default: as norm) adds ReLU after each 1x1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair = 3,
        stride: Pair = 1,
        padding: Pair | None = None,
        dilation: Pair = 1,
        groups: int = 2,
        bias: bool = False,
        *,
        mid: int | None = None,
        down: str = "authors",
        norm: bool = False,
        activation: bool | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given: dict[str, Any] = {"bias": bias, "norm": norm, "down": down}
        given |= {} if mid is None else {"mid": mid}
        given |= {} if activation is None else {"activation": activation}
        e = plan("shuffle_unit_v2", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given)
        g, m, active = e.geometry, e.named["m"], e.named["activation"]
        self.kept: int = e.named["kept"]
        common: dict[str, Any] = {"norm": norm, "bias": bias, "device": device, "dtype": dtype}
        spatial: dict[str, Any] = {
            "stride": g.stride,
            "padding": g.padding,
            "dilation": g.dilation,
            "activation": False,
        }
        self.side: nn.Module | None = None
        if g.strided:
            self.side_depthwise = conv_block(
                in_channels, in_channels, g.kernel, groups=in_channels, **spatial, **common
            )
            self.side = conv_block(in_channels, self.kept, 1, activation=active, **common)
        self.reduce = conv_block(e.named["read"], m, 1, activation=active, **common)
        self.depthwise = conv_block(m, m, g.kernel, groups=m, **spatial, **common)
        self.expand = conv_block(m, e.named["made"], 1, activation=active, **common)
        self.join = Concat()
        self.shuffle = ChannelShuffle(groups)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h_out, w_out)."""
        if self.side is None:
            side, main = x[:, : self.kept], x[:, self.kept :]
        else:
            side, main = self.side(self.side_depthwise(x)), x
        out: Tensor = self.shuffle(self.join((side, self.expand(self.depthwise(self.reduce(main))))))
        return out


LAYER = ShuffleUnitV2
