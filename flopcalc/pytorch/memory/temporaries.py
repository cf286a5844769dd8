"""Tensors that kernels make and do not return. A mode that follows memory does not see them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from flopcalc.pytorch.counting.kernels.work import Kernel
from flopcalc.pytorch.counting.twins import is_meta

_aten: Any = torch.ops.aten
_has_kernel = torch._C._dispatch_has_kernel_for_dispatch_key
_EXPLICIT, _NOT_FUNCTIONAL = "CompositeExplicitAutograd", "CompositeExplicitAutogradNonFunctional"
# Functions that are made of kernels, and that a mode sees in one piece. With this key it sees the kernels.
IN_PIECES: dict[Any, Any] = {
    getattr(_aten, name).default: getattr(torch._C.DispatchKey, key)
    for name, key in {
        "_safe_softmax": _EXPLICIT,
        "dist": _EXPLICIT,
        "_euclidean_dist": _EXPLICIT,
        "binary_cross_entropy_with_logits": _EXPLICIT,
        "_trilinear": _NOT_FUNCTIONAL,
    }.items()
    if hasattr(_aten, name) and _has_kernel(f"aten::{name}", key)
}
_LOGSUMEXP = _aten.logsumexp.default
_SOFTMAX_BACKWARD = _aten._softmax_backward_data.default
# Losses compute the loss of each element also where they return a sum or a mean. Then these have others next to their
# result,
_SUMMED_FROM_ANOTHER = frozenset({_aten.mse_loss.default, _aten.smooth_l1_loss.default, _aten.huber_loss.default})
# and the result of these is a number in the memory of all elements, which it keeps as long as it is there.
_SHRUNK = frozenset(
    {
        _aten.mse_loss.default,
        _aten.smooth_l1_loss.default,
        _aten.binary_cross_entropy.default,
        _aten.soft_margin_loss.default,
    }
)
_SOFT_MARGIN_BACKWARD = _aten.soft_margin_loss_backward.default


def others(func: Any, args: Any, kwargs: Any, cuda: bool) -> Sequence[Tensor]:
    """For each tensor that a kernel makes next to its result, an argument of the same size; a loss's first input.

    Among them are the exponentials that are summed and, on CUDA, the products of the gradient of a softmax and its
    output.
    """
    if func is _SOFT_MARGIN_BACKWARD:
        # The product of input and target, and its exponential.
        return (args[1], args[1])
    if func is _LOGSUMEXP or (cuda and func is _SOFTMAX_BACKWARD):
        return (args[0],)
    return (args[0],) if func in _SUMMED_FROM_ANOTHER and _is_reduced(func, args, kwargs) else ()


def in_its_memory(func: Any, args: Any, kwargs: Any, out: Any) -> Any:
    """The result of a kernel in as much memory as it has on devices with values; the meta device makes a new number."""
    if func in _SHRUNK and is_meta(out) and _is_reduced(func, args, kwargs):
        made: Tensor = torch.empty_like(args[0], dtype=out.dtype)
        return made.resize_(out.shape)
    return out


def _is_reduced(func: Any, args: Any, kwargs: Any) -> bool:
    reduction: int = Kernel(func, args, kwargs, None, 0).argument("reduction")
    return reduction != 0
