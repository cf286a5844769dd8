"""MobileNetV4's universal inverted bottleneck, as in its authors' code."""

from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import Add, conv_block, plan


class ChannelScale(nn.Module):
    """Every channel of a map times a trained number, which starts small."""

    def __init__(self, channels: int, start: float = 1e-5, **factory: Any) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((channels, 1, 1), start, **factory))

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        return x * self.gamma


class UniversalInvertedBottleneck2d(nn.Module):
    """Depthwise (extra_dw, convnext), 1x1 up, depthwise (extra_dw, ib), 1x1 down, residual (Qin et al. 2024, Sec. 3).

    norm adds batch norm after each convolution; activation (default: as norm) ReLU after the expansion and after the
    depthwise convolution that follows it.
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
        variant: str = "extra_dw",
        expansion: int = 4,
        start: int = 3,
        residual: bool = True,
        norm: bool = False,
        activation: bool | None = None,
        layer_scale: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given: dict[str, Any] = {"variant": variant, "expansion": expansion, "start": start, "residual": residual}
        given |= {"norm": norm, "layer_scale": layer_scale}
        given |= {} if activation is None else {"activation": activation}
        e = plan("uib", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given)
        g, named, hidden = e.geometry, e.named, e.named["hidden"]
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        quiet: dict[str, Any] = {"norm": norm, "activation": False, **factory}
        active: dict[str, Any] = {**quiet, "activation": named["activation"]}
        kxk: dict[str, Any] = {"stride": g.stride, "padding": g.padding, "dilation": g.dilation}
        self.start: nn.Module | None = None
        if named["extra"]:
            self.start = conv_block(g.c_in, g.c_in, start, padding=start // 2, groups=g.c_in, **quiet)
        elif named["convnext"]:
            self.start = conv_block(g.c_in, g.c_in, g.kernel, groups=g.c_in, **kxk, **quiet)
        self.expand = conv_block(g.c_in, hidden, 1, **active)
        self.middle: nn.Module | None = None
        if named["middle"]:
            self.middle = conv_block(hidden, hidden, g.kernel, groups=hidden, **kxk, **active)
        self.project = conv_block(hidden, g.c_out, 1, **quiet)
        self.scale = ChannelScale(g.c_out, **factory) if layer_scale else None
        self.sum = Add() if named["adds"] else None

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h_out, w_out)."""
        out = x
        for step in (self.start, self.expand, self.middle, self.project, self.scale):
            out = out if step is None else step(out)
        return out if self.sum is None else self.sum(x, out)


LAYER = UniversalInvertedBottleneck2d
