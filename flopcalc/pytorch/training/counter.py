"""The dispatch mode of training: it reports functions whose gradients it cannot see."""

from functools import cache
from typing import Any

import torch

from flopcalc.pytorch.counting.dispatch import DispatchCounter, left_alone
from flopcalc.pytorch.counting.kernels import tensors
from flopcalc.pytorch.counting.kernels.attention import RULES, sdpa_backward
from flopcalc.pytorch.training.recorder import GradientRecorder

_AUTOGRAD = ("Autograd", "AutogradCPU", "AutogradMeta", "AutogradOther", "CompositeImplicitAutograd")


class TrainingCounter(DispatchCounter):  # type: ignore[no-untyped-call]
    """Counts kernels, and lists what takes part in the forward pass of training without a backward pass."""

    @left_alone
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        recorder = self.recorder
        if isinstance(recorder, GradientRecorder) and not recorder.backward and torch.is_grad_enabled():
            name = _without_gradient(func)
            # Functions of branches and loops hold parameters that are no arguments.
            hidden = any(callable(one) for one in args) and not isinstance(func, torch._ops.OpOverload)
            if name and (hidden or any(one.requires_grad for one in tensors((args, kwargs or {})))):
                recorder.stops(name)
        if isinstance(recorder, GradientRecorder) and recorder.backward:
            recorder.wanted = _wanted(func, args)
            recorder.attention = args[1:4] if _name(func) in _FUSED_ATTENTION else None
        return super().__torch_dispatch__(func, types, args, kwargs)


@cache
def _without_gradient(func: Any) -> str:
    """The name of an operator whose gradient no dispatch mode sees; empty for one that autograd knows.

    Branches and loops run below autograd here. Operators of other packages may have no gradient at all.
    """
    if not isinstance(func, torch._ops.OpOverload):
        return f"gradient of higher_order.{func.name()}"
    if func.namespace in ("aten", "prim", "prims"):
        return ""
    keys = [getattr(torch._C.DispatchKey, key) for key in _AUTOGRAD if hasattr(torch._C.DispatchKey, key)]
    known = any(torch._C._dispatch_has_kernel_for_dispatch_key(func._name, key) for key in keys)
    return "" if known else f"gradient of {func.overloadpacket}"


def _wanted(func: Any, args: Any) -> tuple[bool, bool] | None:
    """Whether a kernel computes the gradients of the input and of the weight; None for other kernels than these."""
    name = _name(func)
    if name in _CONVOLUTIONS:
        mask = args[-1]
        return bool(mask[0]), bool(mask[1])
    # It computes both, whichever are wanted.
    return (True, True) if name == "torchvision::_deform_conv2d_backward" else None


def _name(func: Any) -> str:
    return func._schema.name if isinstance(func, torch._ops.OpOverload) else ""


# After the gradient of the output, their arguments are queries, keys and values.
_FUSED_ATTENTION = frozenset(RULES[sdpa_backward].split())
_CONVOLUTIONS = {
    "aten::convolution_backward",
    "aten::convolution_backward_overrideable",
    "aten::mps_convolution_backward",
    "aten::_slow_conv2d_backward",
}
