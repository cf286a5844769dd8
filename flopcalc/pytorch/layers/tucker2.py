"""A convolution in Tucker-2 form."""

from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import plan


class Tucker2Conv2d(nn.Module):
    """1x1 to rank1 channels, k x k to rank2, 1x1 to out_channels (Kim et al. 2016, Sec. 3)."""

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
        rank1: int | None = None,
        rank2: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        ranks = {name: rank for name, rank in (("rank1", rank1), ("rank2", rank2)) if rank is not None}
        e = plan(
            "tucker2", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias=bias, **ranks
        )
        g, r1, r2 = e.geometry, e.named["r1"], e.named["r2"]
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.reduce = nn.Conv2d(in_channels, r1, 1, bias=False, **factory)
        self.core = nn.Conv2d(r1, r2, g.kernel, g.stride, g.padding, g.dilation, bias=False, **factory)
        self.expand = nn.Conv2d(r2, out_channels, 1, bias=bias, **factory)

    @torch.no_grad()
    def factorise(self, weight: Tensor, bias: Tensor | None = None) -> None:
        """Take over the filters (c_out, c_in, k_h, k_w) of a convolution by a truncated higher-order SVD."""
        r1, r2 = self.core.in_channels, self.core.out_channels
        # Leading directions of the output and of the input channels.
        out = torch.linalg.svd(weight.flatten(1))[0][:, :r2]
        into = torch.linalg.svd(weight.transpose(0, 1).flatten(1))[0][:, :r1]
        self.reduce.weight.copy_(into.T.reshape_as(self.reduce.weight))
        self.core.weight.copy_(torch.einsum("oihw,or,is->rshw", weight, out, into))
        self.expand.weight.copy_(out.reshape_as(self.expand.weight))
        if bias is not None and self.expand.bias is not None:
            self.expand.bias.copy_(bias)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h_out, w_out)."""
        out: Tensor = self.expand(self.core(self.reduce(x)))
        return out


LAYER = Tucker2Conv2d
