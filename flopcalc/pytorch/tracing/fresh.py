"""Plain meta tensors: which tensors the rules apply to, and new ones made from sizes."""

from collections.abc import Sequence

import torch
from torch import Tensor

from flopcalc.pytorch.tracing.sizes import contiguous, like
from flopcalc.pytorch.tracing.sizes import is_contiguous as sizes_are_contiguous

_Key = torch._C.DispatchKey
_META = torch._C.DispatchKeySet(_Key.Meta)

# Of a strided tensor on the meta device, also of one that is made in inference mode. A sparse, quantised or nested
# tensor, a view with a pending conjugation, one inside a functorch transform, and one of a class with kernels of its
# own have other keys.
PLAIN = frozenset({_META.raw_repr(), _META.add(_Key.ADInplaceOrView).add(_Key.AutogradMeta).raw_repr()})

_keys = torch._C._dispatch_keys
_device = torch.device("meta")
# With strides it takes half the time of torch.empty, which reads more arguments.
_empty_strided = torch.empty_strided


def is_plain(tensor: Tensor) -> bool:
    """Whether the rules apply to a tensor."""
    return _keys(tensor).raw_repr() in PLAIN and not tensor.dtype.is_complex


def is_plain_or_complex(tensor: Tensor) -> bool:
    """Whether a result of a rule for shapes alone is right for a tensor: the work of complex numbers is another."""
    return _keys(tensor).raw_repr() in PLAIN


def new(shape: Sequence[int], strides: Sequence[int], dtype: torch.dtype) -> Tensor:
    """A meta tensor with these strides."""
    return _empty_strided(shape, strides, dtype=dtype, device=_device)


def packed(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """A contiguous meta tensor."""
    return _empty_strided(shape, contiguous(tuple(shape)), dtype=dtype, device=_device)


def is_contiguous(x: Tensor) -> bool:
    """Whether a tensor is contiguous; with symbolic sizes, deciding no more about them than it needs."""
    if type(x.numel()) is int:
        return x.is_contiguous()
    return sizes_are_contiguous(x.shape, x.stride())


def keeping(x: Tensor, dtype: torch.dtype) -> Tensor:
    """A new tensor of the shape of another, in its memory format."""
    if is_contiguous(x):
        return packed(x.shape, dtype)
    return _empty_strided(x.shape, like(x.shape, x.stride()), dtype=dtype, device=_device)
