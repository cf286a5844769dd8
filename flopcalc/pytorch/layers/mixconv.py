"""Depthwise convolution with mixed kernels, as in MixNet."""

from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.cost.geometry import Pair, same_padding
from flopcalc.operators.mixconv import part_names
from flopcalc.pytorch.layers._blocks import Concat, plan


class MixConv2d(nn.Module):
    """Parts of the channels, each with its own depthwise kernel, concatenated (Tan and Le 2019, Sec. 3.1).

    kernel_size is that of the convolution replaced and fixes the grid only; kernels are the sizes used.
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
        kernels: tuple[int, ...] = (3, 5, 7),
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        e = plan("mixconv", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, kernels=kernels)
        g, first, rest = e.geometry, e.named["c_first"], e.named["c_rest"]
        self.widths: list[int] = [first, *(rest for _ in kernels[1:])]
        self.depthwise = nn.ModuleDict()
        for name, k, width in zip(part_names(kernels), kernels, self.widths, strict=True):
            self.depthwise[name] = nn.Conv2d(
                width,
                width,
                k,
                g.stride,
                same_padding((k, k), g.dilation),
                g.dilation,
                width,
                bias=False,
                device=device,
                dtype=dtype,
            )
        self.join = Concat() if len(kernels) > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h_out, w_out)."""
        pieces = torch.split(x, self.widths, dim=1)
        out = [conv(piece) for conv, piece in zip(self.depthwise.values(), pieces, strict=True)]
        joined: Tensor = out[0] if self.join is None else self.join(out)
        return joined


LAYER = MixConv2d
