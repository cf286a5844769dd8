"""Mish with one kernel as its backward, as devices with values have it; torch has nine for the meta device."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from flopcalc.pytorch.counting.twins import is_meta

MISH_BACKWARD: Any = torch.ops.aten.mish_backward.default
_MISH: Any = torch.ops.aten.mish.default
_IN_PLACE: Any = torch.ops.aten.mish_.default
_KERNELS: dict[Any, Any] = {torch._C._nn.mish: _MISH, torch._C._nn.mish_: _IN_PLACE}
# Of the gradient of the output and the input, and the gradient of the input.
Seen = Callable[[Tensor, Tensor, Tensor], None]


def mish(func: Any, args: Any, kwargs: Any, seen: Seen | None = None) -> Any:
    """The result of a call of Mish whose input has a gradient; None for other calls, and where there are values.

    seen: gets the tensors of its backward kernel.
    """
    kernel = _KERNELS.get(func)
    if func is functional.mish:
        kernel = _IN_PLACE if kwargs.get("inplace", args[1] if len(args) > 1 else False) else _MISH
    if kernel is None:
        return None
    input = args[0] if args else kwargs["input"]
    if not isinstance(input, Tensor) or not is_meta(input) or torch._C._functorch.is_functorch_wrapped_tensor(input):
        return None
    if not (input.requires_grad and torch.is_grad_enabled()):
        return None
    return _Mish.apply(input, kernel, seen)  # type: ignore[no-untyped-call]


class _Mish(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, kernel: Any, seen: Seen | None) -> Any:
        ctx.save_for_backward(input.clone() if kernel is _IN_PLACE else input)
        ctx.seen = seen
        if kernel is _IN_PLACE:
            ctx.mark_dirty(input)
        return kernel(input)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (input,) = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _by_kernels(gradients[0], input), None, None
        made = torch.empty_like(input)
        if ctx.seen is not None:
            ctx.seen(gradients[0], input, made)
        return made, None, None


def _by_kernels(gradient: Tensor, input: Tensor) -> Tensor:
    """As torch computes it on all devices where a gradient of the gradient is asked for."""
    sigmoid, tanh = input.sigmoid(), input.exp().log1p().tanh()
    return gradient * (tanh + input * sigmoid * torch.empty_like(tanh).fill_(1).sub_(tanh * tanh))
