"""What autograd computes in place, but not under a dispatch mode, where torch takes any tensor for a subclass.

It adds the gradients of a tensor that several kernels read into the first one, and it scatters a gradient into zeros
that it has just made. A mode that follows memory would see one tensor more, so it runs the kernel in place itself.
"""

import functools
import sys
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_aten: Any = torch.ops.aten
_ADD = _aten.add.Tensor
# Kernels and those that write into their first argument.
IN_PLACE: dict[Any, Any] = {
    _ADD: _aten.add_.Tensor,
    _aten.scatter_add.default: _aten.scatter_add_.default,
    _aten.scatter.src: _aten.scatter_.src,
    _aten.index_put.default: _aten.index_put_.default,
    _aten.index_add.default: _aten.index_add_.default,
    _aten.put.default: _aten.put_.default,
}


class Owners(NamedTuple):
    """How many places hold a tensor, in C++ and in Python, and how many its storage."""

    tensor: int
    object: int
    storage: int


def owners(tensor: Tensor) -> Owners | None:
    """None where this version of torch does not say. To be called with an argument of __torch_dispatch__."""
    try:
        held: int = tensor._use_count()  # type: ignore[attr-defined]
        return Owners(held, sys.getrefcount(tensor), torch._C._storage_Use_Count(tensor.untyped_storage()._cdata))
    except (AttributeError, NotImplementedError, RuntimeError):
        return None


class _Look(TorchDispatchMode):  # type: ignore[no-untyped-call]
    found: Owners | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is _ADD:
            self.found = owners(args[0])
        return func(*args, **(kwargs or {}))


@functools.cache
def sole_owner() -> Owners | None:
    """The owners of a gradient that nothing but autograd has: their number depends on the version of torch."""
    with torch.enable_grad():
        x = torch.zeros(1, device="meta", requires_grad=True)
        y = x * 1
        loss = torch.stack([y.sin(), y.cos()]).sum()
    look = _Look()  # type: ignore[no-untyped-call]
    with look:
        torch.autograd.grad(loss, [x])
    return look.found


def is_written(func: Any, tensor: Tensor, held: Owners | None, made_here: bool, node: Any) -> bool:
    """Whether autograd writes into a tensor that nothing else has.

    held: its owners. node: that of the graph which runs; made_here: whether it made the tensor. Such a tensor is a
    gradient to add to only if two results of the node go to one place, as those of x * x do.
    """
    sole = sole_owner()
    if held is None or sole is None:
        return False
    if func is not _ADD:
        return made_here and held[1:] == sole[1:]
    if held != sole or (made_here and len(set(node.next_functions)) == len(node.next_functions)):
        return False
    return bool(_aten.is_non_overlapping_and_dense.default(tensor))
