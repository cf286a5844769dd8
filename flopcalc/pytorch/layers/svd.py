"""A convolution factorised by a singular value decomposition."""

from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import plan


class SVDConv2d(nn.Module):
    """rank filters of k x k, then a 1x1 convolution (Zhang et al. 2016, Sec. 3.1)."""

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
        e = plan("svd", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given)
        g, r = e.geometry, e.named["r"]
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.basis = nn.Conv2d(in_channels, r, g.kernel, g.stride, g.padding, g.dilation, bias=False, **factory)
        self.mix = nn.Conv2d(r, out_channels, 1, bias=bias, **factory)

    @torch.no_grad()
    def factorise(self, weight: Tensor, bias: Tensor | None = None) -> None:
        """Take over the filters (c_out, c_in, k_h, k_w) of a convolution, as near as the rank allows."""
        u, s, v = torch.linalg.svd(weight.flatten(1), full_matrices=False)
        r, root = self.basis.out_channels, s.sqrt()
        self.basis.weight.copy_((root[:r, None] * v[:r]).view_as(self.basis.weight))
        self.mix.weight.copy_((u[:, :r] * root[:r]).view_as(self.mix.weight))
        if bias is not None and self.mix.bias is not None:
            self.mix.bias.copy_(bias)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h_out, w_out)."""
        out: Tensor = self.mix(self.basis(x))
        return out


LAYER = SVDConv2d
