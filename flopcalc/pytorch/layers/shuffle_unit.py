"""The ShuffleNet unit, as in its authors' code."""

from typing import Any

from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import Add, ChannelShuffle, Concat, conv_block, plan


class ShuffleUnit2d(nn.Module):
    """Grouped 1x1, channel shuffle, depthwise k x k, grouped 1x1, shortcut (Zhang et al. 2018, Fig. 2b and 2c).

    At a stride the shortcut is a 3x3 average pooling, and is concatenated instead of added. norm adds
    batch norm after each convolution; activation (default: as norm) adds ReLU after the first and at
    the end.
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
        norm: bool = False,
        activation: bool | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given: dict[str, Any] = {"bias": bias, "norm": norm}
        given |= {} if mid is None else {"mid": mid}
        given |= {} if activation is None else {"activation": activation}
        e = plan("shuffle_unit", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given)
        g, m, active = e.geometry, e.named["m"], e.named["activation"]
        common: dict[str, Any] = {"norm": norm, "bias": bias, "device": device, "dtype": dtype}
        self.compress = conv_block(in_channels, m, 1, groups=groups, activation=active, **common)
        self.shuffle = ChannelShuffle(groups)
        self.depthwise = conv_block(
            m,
            m,
            g.kernel,
            stride=g.stride,
            padding=g.padding,
            dilation=g.dilation,
            groups=m,
            activation=False,
            **common,
        )
        self.expand = conv_block(m, e.named["made"], 1, groups=groups, activation=False, **common)
        self.pool: nn.Module | None = None
        if g.strided:
            self.pool = nn.AvgPool2d(3, g.stride, 1)
            self.join = Concat()
        else:
            self.sum = Add()
        self.act = nn.ReLU() if active else None

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h_out, w_out)."""
        maps = self.expand(self.depthwise(self.shuffle(self.compress(x))))
        out: Tensor = self.sum(x, maps) if self.pool is None else self.join((self.pool(x), maps))
        return out if self.act is None else self.act(out)


LAYER = ShuffleUnit2d
