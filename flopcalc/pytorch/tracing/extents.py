"""Sizes that may be symbolic, as a `Size` or as the SymInt that holds one."""

from typing import Any

import torch
from torch import Tensor

from flopcalc.symbolic.size import Size


def unwrapped(value: Any) -> Any:
    """The Size, or the number, that torch has as a SymInt."""
    return value.node.value if isinstance(value, torch.SymInt) else value


def same(one: Any, other: Any) -> bool:
    """Whether two sizes are the same at all sizes, as far as their expressions show; nothing is recorded."""
    if type(one) is int and type(other) is int:
        return one == other
    one, other = unwrapped(one), unwrapped(other)
    if isinstance(one, Size):
        return isinstance(other, Size) and (one is other or one.terms == other.terms)
    return not isinstance(other, Size) and bool(one == other)


def differs(one: Any, other: Any) -> bool:
    """Whether two sizes differ at all sizes, as far as their expressions show; nothing is recorded."""
    difference = unwrapped(one) - unwrapped(other)
    if not isinstance(difference, Size):
        return bool(difference)
    low, high = difference.scope.bounds(difference)
    return bool(low > 0 or high < 0)


def below(one: Any, other: Any) -> bool:
    """Whether a stride is less than another.

    Of symbolic ones, whether it is never more: they are equal where an axis between them has one element, and then the
    stride of that axis does not matter.
    """
    if type(one) is int and type(other) is int:
        return one < other
    difference = unwrapped(other) - unwrapped(one)
    if not isinstance(difference, Size):
        return bool(difference > 0)
    low, high = difference.scope.bounds(difference)
    return bool(low >= 0 or (high > 0 and one < other))


def is_symbolic(tensor: Tensor) -> bool:
    """Whether a size, a stride or the offset of a tensor is symbolic."""
    return bool(tensor._has_symbolic_sizes_strides)


def quotient(top: Any, bottom: Any) -> Any:
    """A size divided by another, rounded down. Of 0 it is 0, whatever the other one is."""
    return 0 if same(top, 0) else top // bottom
