"""HetConv, as in the paper's formula (exact) and as in its authors' code (masked)."""

from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import Add, Gather, plan


class MaskedPointwise(nn.Conv2d):
    """A 1x1 convolution in which filters of group i of P hold zeros on the channels of group i.

    Their gradient is masked, so that training leaves them at zero.
    """

    mask: Tensor

    def __init__(self, in_channels: int, out_channels: int, stride: Pair, part: int, **factory: Any) -> None:
        super().__init__(in_channels, out_channels, 1, stride, bias=False, **factory)
        own = torch.eye(part, **factory)
        own = own.repeat_interleave(out_channels // part, 0).repeat_interleave(in_channels // part, 1)
        self.register_buffer("mask", 1 - own[:, :, None, None], persistent=False)
        with torch.no_grad():
            self.weight.mul_(self.mask)
        self._keep_zeros()

    def _keep_zeros(self) -> None:
        self.weight.register_hook(lambda gradient: gradient * self.mask)  # type: ignore[no-untyped-call]

    def __setstate__(self, state: dict[str, Any]) -> None:
        # A copy of the module has new parameters, without the hook.
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._keep_zeros()


class HetConv2d(nn.Module):
    """K x k kernels on 1 / part of the channels of each filter, 1x1 kernels on the others (Singh et al. 2019).

    Output group i has its k x k kernels on input group i, as in the authors' code; the paper's figure
    interleaves the groups, which is the same up to the order of channels. form: see the operator.
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
        part: int = 4,
        form: str = "exact",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        e = plan(
            "hetconv", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, part=part, form=form
        )
        g = e.geometry
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.gwc = nn.Conv2d(
            in_channels, out_channels, g.kernel, g.stride, g.padding, g.dilation, part, bias=False, **factory
        )
        self.gather: nn.Module | None = None
        self.pwc: nn.Module | None = None
        if form == "masked":
            self.pwc = MaskedPointwise(in_channels, out_channels, g.stride, part, **factory)
        elif part > 1:
            width = in_channels // part
            order = [c for own in range(part) for c in range(in_channels) if c // width != own]
            self.gather = Gather(order, device)
            self.pwc = nn.Conv2d(len(order), out_channels, 1, g.stride, groups=part, bias=False, **factory)
        self.sum = Add()

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h_out, w_out)."""
        out: Tensor = self.gwc(x)
        if self.pwc is None:
            return out
        others = x if self.gather is None else self.gather(x)
        total: Tensor = self.sum(out, self.pwc(others))
        return total


LAYER = HetConv2d
