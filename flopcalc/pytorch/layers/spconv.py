"""SPConv, as in its authors' code."""

from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import Add, plan, pool_to_stride


class BranchWeights(nn.Module):
    """A softmax over two branches for each channel."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Two (n, c, 1, 1) -> (2, n, c, 1, 1)."""
        return torch.stack((first, second)).softmax(dim=0)


class WeightedSum(nn.Module):
    """Both branches by their weights, summed."""

    def forward(self, first: Tensor, second: Tensor, weights: Tensor) -> Tensor:
        """(n, c, h, w) twice and (2, n, c, 1, 1) -> (n, c, h, w)."""
        return first * weights[0] + second * weights[1]


class SPConv2d(nn.Module):
    """Grouped k x k plus 1x1 on the first alpha c_in channels, 1x1 on the rest, fused without weights.

    Zhang et al. 2020. At stride s both 1x1 convolutions see the input average-pooled s x s. norm adds
    the batch norm of each branch; bias (default: as norm) is that of the rest's 1x1. pointwise=False leaves out the
    1x1 of the first channels, fusion="sum" the weights.
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
        bias: bool | None = None,
        *,
        alpha: Any = "1/2",
        groups_k: int = 2,
        pointwise: bool = True,
        fusion: str = "weighted",
        norm: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given: dict[str, Any] = {"alpha": alpha, "groups_k": groups_k, "norm": norm}
        given |= {"pointwise": pointwise, "fusion": fusion} | ({} if bias is None else {"bias": bias})
        e = plan("spconv", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given)
        g = e.geometry
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        # The authors truncate; so does int() of an exact fraction.
        self.representative = int(e.named["alpha"] * in_channels)
        self.pool = pool_to_stride(g.stride) if e.named["pools"] else None
        self.gwc = nn.Conv2d(
            self.representative,
            out_channels,
            g.kernel,
            g.stride,
            g.padding,
            g.dilation,
            groups_k,
            bias=False,
            **factory,
        )
        self.pwc: nn.Module | None = None
        if pointwise:
            self.pwc = nn.Conv2d(self.representative, out_channels, 1, bias=False, **factory)
            self.sum = Add()
        self.norm_rep = nn.BatchNorm2d(out_channels, **factory) if norm else None
        self.rest: nn.Module | None = None
        if e.named["alpha"] < 1:
            left = in_channels - self.representative
            self.rest = nn.Conv2d(left, out_channels, 1, bias=e.named["bias"], **factory)
            self.norm_rest = nn.BatchNorm2d(out_channels, **factory) if norm else None
            self.gap = nn.AdaptiveAvgPool2d(1) if fusion == "weighted" else None
            self.weights = BranchWeights()
            self.fusion = Add() if self.gap is None else WeightedSum()

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h_out, w_out)."""
        representative, rest = x[:, : self.representative], x[:, self.representative :]
        first: Tensor = self.gwc(representative)
        if self.pwc is None:
            rest = rest if self.pool is None else self.pool(rest)
        else:
            pooled = x if self.pool is None else self.pool(x)
            rest = pooled[:, self.representative :]
            first = self.sum(first, self.pwc(pooled[:, : self.representative]))
        if self.norm_rep is not None:
            first = self.norm_rep(first)
        if self.rest is None:
            return first
        second: Tensor = self.rest(rest)
        if self.norm_rest is not None:
            second = self.norm_rest(second)
        out: Tensor
        if self.gap is None:
            out = self.fusion(first, second)
        else:
            out = self.fusion(first, second, self.weights(self.gap(first), self.gap(second)))
        return out


LAYER = SPConv2d
