"""The ConvNeXt block, as in its authors' code, without stochastic depth."""

from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import Add, plan


class LayerScale(nn.Module):
    """Every channel (the last axis) times a trained number that starts small."""

    def __init__(self, channels: int, start: float = 1e-6, **factory: Any) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((channels,), start, **factory))

    def forward(self, x: Tensor) -> Tensor:
        """(n, h, w, c) -> (n, h, w, c)."""
        return x * self.gamma


class ConvNeXtBlock2d(nn.Module):
    """Depthwise k x k, layer norm, 1x1 up, GELU, 1x1 down, layer scale, residual (Liu et al. 2022, Fig. 4).

    The 1x1 convolutions are linear layers on channels last.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair = 7,
        stride: Pair = 1,
        padding: Pair | None = None,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        expansion: int = 4,
        activation: bool = True,
        layer_scale: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given: dict[str, Any] = {
            "expansion": expansion,
            "bias": bias,
            "activation": activation,
            "layer_scale": layer_scale,
        }
        e = plan("convnext_block", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given)
        g, c, hidden = e.geometry, in_channels, e.named["hidden"]
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.depthwise = nn.Conv2d(c, c, g.kernel, 1, g.padding, g.dilation, c, bias, **factory)
        self.norm = nn.LayerNorm(c, eps=1e-6, **factory)
        self.expand = nn.Linear(c, hidden, bias, **factory)
        self.act = nn.GELU() if activation else None
        self.project = nn.Linear(hidden, c, bias, **factory)
        self.scale = LayerScale(c, **factory) if layer_scale else None
        self.sum = Add()

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        y = self.depthwise(x).permute(0, 2, 3, 1)
        for step in (self.norm, self.expand, self.act, self.project, self.scale):
            y = y if step is None else step(y)
        out: Tensor = self.sum(x, y.permute(0, 3, 1, 2))
        return out


LAYER = ConvNeXtBlock2d
