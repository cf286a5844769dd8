"""A convolution in CP form."""

from typing import Any

from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import plan


class CPConv2d(nn.Module):
    """1x1, k x 1 and 1 x k depthwise, 1x1, all on rank channels (Lebedev et al. 2015, Sec. 3)."""

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
        rank: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given = {"bias": bias} | ({} if rank is None else {"rank": rank})
        e = plan("cp", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given)
        g, r = e.geometry, e.named["r"]
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.reduce = nn.Conv2d(in_channels, r, 1, bias=False, **factory)
        self.vertical = nn.Conv2d(
            r, r, (g.k_h, 1), (g.stride_h, 1), (g.padding_h, 0), (g.dilation_h, 1), r, bias=False, **factory
        )
        self.horizontal = nn.Conv2d(
            r, r, (1, g.k_w), (1, g.stride_w), (0, g.padding_w), (1, g.dilation_w), r, bias=False, **factory
        )
        self.expand = nn.Conv2d(r, out_channels, 1, bias=bias, **factory)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h_out, w_out)."""
        out: Tensor = self.expand(self.horizontal(self.vertical(self.reduce(x))))
        return out


LAYER = CPConv2d
