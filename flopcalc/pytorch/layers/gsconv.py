"""GSConv, as in its authors' code."""

from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import Concat, conv_block, plan


class Interleave(nn.Module):
    """Channels of two halves in turn, in memory: a copy even where each half has one channel."""

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        pairs = x.reshape(len(x), 2, -1, *x.shape[2:]).transpose(1, 2)
        return pairs.clone(memory_format=torch.contiguous_format).flatten(1, 2)


class GSConv2d(nn.Module):
    """c_out / 2 channels by a convolution, as many by depthwise d x d on those, shuffled (Li et al. 2022, Sec. 3).

    norm adds batch norm after both convolutions; activation (default: as norm) Mish.
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
        d: int = 5,
        norm: bool = False,
        activation: bool | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given: dict[str, Any] = {"d": d, "norm": norm} | ({} if activation is None else {"activation": activation})
        e = plan("gsconv", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given)
        g, half = e.geometry, e.named["half"]
        same: dict[str, Any] = {"norm": norm, "activation": e.named["activation"], "function": nn.Mish}
        same |= {"device": device, "dtype": dtype}
        grid: dict[str, Any] = {"stride": g.stride, "padding": g.padding, "dilation": g.dilation, "groups": groups}
        self.primary = conv_block(in_channels, half, g.kernel, **grid, **same)
        self.depthwise = conv_block(half, half, d, padding=d // 2, groups=half, **same)
        self.join = Concat()
        self.shuffle = Interleave()

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h_out, w_out)."""
        first = self.primary(x)
        out: Tensor = self.shuffle(self.join((first, self.depthwise(first))))
        return out


LAYER = GSConv2d
