"""AdderNet's layer, computed with torch.cdist at p = 1."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.cost.geometry import Pair, out_size
from flopcalc.pytorch.layers._blocks import plan


class FilterDistance(nn.Module):
    """L1 distance of every patch to every filter."""

    def __init__(self, c_in: int, c_out: int, kernel: tuple[int, int], device: Any, dtype: Any) -> None:
        super().__init__()
        # The authors draw from a standard normal distribution.
        self.weight = nn.Parameter(torch.randn(c_out, c_in, *kernel, device=device, dtype=dtype))

    def forward(self, patches: Tensor) -> Tensor:
        """(n, c_in * taps, positions) -> (n, c_out, positions)."""
        return torch.cdist(self.weight.flatten(1), patches.transpose(1, 2), p=1.0)


class Negate(nn.Module):
    """-x."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return -x


class BiasMinus(nn.Module):
    """Bias - x, by channel."""

    def __init__(self, c_out: int, bound: float, device: Any, dtype: Any) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.empty(c_out, 1, device=device, dtype=dtype))
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_out, positions) -> the same."""
        return self.bias - x


class AdderConv2d(nn.Module):
    """- sum |w - x| over each patch (Chen et al. 2020, Eq. 2); zero padding is part of the patch.

    Gradients are autograd's, not the full-precision ones of the paper. torch.cdist takes float32 and
    float64.
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
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        g = plan("adder", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias=bias).geometry
        self.axes = tuple(zip(g.kernel, g.stride, g.padding, g.dilation, strict=True))
        self.unfold = nn.Unfold(g.kernel, g.dilation, g.padding, g.stride)
        self.distance = FilterDistance(in_channels, out_channels, g.kernel, device, dtype)
        bound = 1 / math.sqrt(in_channels * g.area)
        # One of the two is there; the part that it is has its name.
        if bias:
            self.bias = BiasMinus(out_channels, bound, device, dtype)
        else:
            self.negate = Negate()
        self.signed = "bias" if bias else "negate"

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h_out, w_out)."""
        distances = self.distance(self.unfold(x))
        out: Tensor = self.get_submodule(self.signed)(distances)
        h, w = (out_size(extent, *axis) for extent, axis in zip(x.shape[2:], self.axes, strict=True))
        return out.view(*out.shape[:2], h, w)


LAYER = AdderConv2d
