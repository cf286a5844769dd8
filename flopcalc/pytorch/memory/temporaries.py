"""Tensors that kernels make and do not return. A mode that follows memory does not see them."""

from typing import Any

import torch

_aten: Any = torch.ops.aten
_has_kernel = torch._C._dispatch_has_kernel_for_dispatch_key
EXPLICIT = torch._C.DispatchKey.CompositeExplicitAutograd
# Functions that are made of kernels, and that a mode sees in one piece. With this key it sees the kernels.
IN_PIECES = frozenset(
    getattr(_aten, name).default
    for name in ("_safe_softmax", "dist", "_euclidean_dist", "binary_cross_entropy_with_logits")
    if hasattr(_aten, name) and _has_kernel(f"aten::{name}", "CompositeExplicitAutograd")
)
_LOGSUMEXP = _aten.logsumexp.default
_SOFTMAX_BACKWARD = _aten._softmax_backward_data.default


def makes_another(func: Any, cuda: bool) -> bool:
    """Whether a kernel makes a tensor like its first argument.

    These are the exponentials that it sums and, on CUDA, the products of the gradient of a softmax and its output.
    """
    return func is _LOGSUMEXP or (cuda and func is _SOFTMAX_BACKWARD)
