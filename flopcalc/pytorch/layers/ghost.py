"""The Ghost module, as in its authors' code."""

from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import Concat, conv_block, plan


class GhostConv2d(nn.Module):
    """m = ceil(c_out / s) maps by a convolution, m (s - 1) more by depthwise d x d filters on those.

    Concatenated and cut to c_out (Han et al. 2020, Sec. 3.1). norm adds batch norm after both steps;
    activation (default: as norm) adds ReLU after both.
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
        s: int = 2,
        d: int = 3,
        norm: bool = False,
        activation: bool | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given = {"s": s, "d": d, "bias": bias, "norm": norm} | (
            {} if activation is None else {"activation": activation}
        )
        e = plan("ghost", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given)
        g = e.geometry
        common: dict[str, Any] = {
            "bias": bias,
            "norm": norm,
            "activation": e.named["activation"],
            "device": device,
            "dtype": dtype,
        }
        self.out_channels = out_channels
        intrinsic = -(-out_channels // s)
        self.primary = conv_block(
            in_channels, intrinsic, g.kernel, stride=g.stride, padding=g.padding, dilation=g.dilation, **common
        )
        self.cheap: nn.Module | None = None
        if s > 1:
            self.cheap = conv_block(intrinsic, intrinsic * (s - 1), d, padding=d // 2, groups=intrinsic, **common)
            self.join = Concat()

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h_out, w_out)."""
        maps: Tensor = self.primary(x)
        if self.cheap is None:
            return maps
        every: Tensor = self.join((maps, self.cheap(maps)))
        return torch.narrow(every, 1, 0, self.out_channels)


LAYER = GhostConv2d
