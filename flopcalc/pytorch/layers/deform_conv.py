"""Deformable convolution, with the kernel of torchvision, or next to a torch without it with one in plain torch."""

from contextlib import suppress
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.cost.geometry import Geometry, Pair
from flopcalc.pytorch.layers._blocks import plan
from flopcalc.pytorch.loading import torchvision_operators
from flopcalc.pytorch.loading.importing import with_operators


def _define() -> None:
    """Define the operator: torchvision does, and where it is missing or was built for another torch, we do."""
    if not hasattr(torch.ops.torchvision, "deform_conv2d"):
        with suppress(ImportError, RuntimeError, OSError):
            with_operators(lambda: import_module("torchvision"))
        torchvision_operators.declare()


def _has_gradient() -> bool:
    """Whether the operator is torchvision's own: the declared one has no gradient."""
    return bool(torch._C._dispatch_has_kernel_for_dispatch_key("torchvision::deform_conv2d", "Autograd"))


class _Deform(torch.autograd.Function):
    """The declared operator with a gradient: that of the same function in plain torch."""

    @staticmethod
    def forward(ctx: Any, *given: Any) -> Tensor:
        """The arguments of the operator."""
        ctx.save_for_backward(*given[:5])
        ctx.sizes = given[5:]
        # The declared operator has kernels for these devices only.
        known = given[0].device.type in ("cpu", "meta")
        out: Tensor = (torch.ops.torchvision.deform_conv2d if known else torchvision_operators.deformed)(*given)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """A gradient for each tensor that wants one."""
        wanted = ctx.needs_input_grad[:5]
        inputs = [t.detach().requires_grad_(want) for t, want in zip(ctx.saved_tensors, wanted, strict=True)]
        with torch.enable_grad():
            out = torchvision_operators.deformed(*inputs, *ctx.sizes)
        found = iter(torch.autograd.grad(out, [t for t in inputs if t.requires_grad], grads[0], allow_unused=True))
        return (*(next(found) if want else None for want in wanted), *(None for _ in ctx.sizes))


class SampledConv(nn.Module):
    """A convolution whose taps are read at offsets, between the positions of the map, times a mask."""

    def __init__(self, g: Geometry, offset_groups: int, bias: bool, **factory: Any) -> None:
        super().__init__()
        # Weights as those of a plain convolution.
        plain = nn.Conv2d(g.c_in, g.c_out, g.kernel, groups=g.groups, bias=bias, **factory)
        self.weight, self.bias = plain.weight, plain.bias
        self.geometry, self.offset_groups = g, offset_groups
        _define()

    def forward(self, x: Tensor, offset: Tensor, mask: Tensor | None) -> Tensor:
        """(n, c_in, h, w), (n, 2 places, h_out, w_out), (n, places, h_out, w_out) -> (n, c_out, h_out, w_out)."""
        g = self.geometry
        # Without a mask or a bias the operator takes tensors that it does not need, as torchvision gives it.
        factors = x.new_zeros(x.shape[0], 1) if mask is None else mask
        bias = x.new_zeros(g.c_out) if self.bias is None else self.bias
        sizes = (*g.stride, *g.padding, *g.dilation, g.groups, self.offset_groups, mask is not None)
        run: Any = torch.ops.torchvision.deform_conv2d if _has_gradient() else _Deform.apply
        out: Tensor = run(x, self.weight, offset, factors, bias, *sizes)
        return out


class DeformConv2d(nn.Module):
    """A convolution for offsets and mask, and a convolution with them (Dai et al. 2017; v2: Zhu et al. 2019).

    The convolution for the offsets starts at 0, as in the papers: the layer starts as a plain convolution (v2: times
    sigmoid(0) = 1/2). Its first 2 offset_groups k_h k_w channels are pairs (down, across), the others the mask.
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
        version: str = "v2",
        offset_groups: int = 1,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given: dict[str, Any] = {"version": version, "offset_groups": offset_groups, "bias": bias}
        e = plan("deform_conv", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given)
        g = e.geometry
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        channels: int = e.named["offset_channels"]
        self.places = offset_groups * g.k_h * g.k_w
        self.offset = nn.Conv2d(in_channels, channels, g.kernel, g.stride, g.padding, g.dilation, **factory)
        nn.init.zeros_(self.offset.weight)
        nn.init.zeros_(self.offset.bias)  # type: ignore[arg-type]
        self.mask = nn.Sigmoid() if e.named["modulated"] else None
        self.conv = SampledConv(g, offset_groups, bias=bias, **factory)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h_out, w_out)."""
        found: Tensor = self.offset(x)
        split = 2 * self.places
        mask = None if self.mask is None else self.mask(found[:, split:])
        out: Tensor = self.conv(x, found[:, :split], mask)
        return out


LAYER = DeformConv2d
