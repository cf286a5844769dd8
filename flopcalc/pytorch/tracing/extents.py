"""Sizes that may be symbolic, as a `Size` or as the SymInt that holds one."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from flopcalc.symbolic.size import Size, hint_of, is_whole


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
    """A size divided by another, rounded down.

    Under the equalities of the scope it may be an expression where it is none without: the number of windows of a map
    that is divided into windows.
    """
    if not isinstance(bottom, Size):
        return top // bottom
    scope: Any = bottom.scope
    for change in (lambda one: one, scope.reduced):
        try:
            above, under = change(top), change(bottom)
            # Both may be numbers under the equalities: exactly, and not as a float.
            found = above / under if isinstance(under, Size) else above * Fraction(1, under)
        except TypeError:
            continue
        if is_whole(found):
            return found if isinstance(found, Size) else int(found)
    for found in _likely(scope, Fraction(hint_of(top), hint_of(bottom))):
        # Only where it is the quotient wherever the conditions hold, which is no condition of its own.
        with scope.holding() as held:
            if top - found * bottom == 0 and not held:
                return found
    return top // bottom


def _likely(scope: Any, share: Fraction) -> Iterator[Any]:
    """Multiples of one symbol, and numbers, that have this value at the reference point."""
    for symbol in map(scope.symbol, scope.hints):
        if (share / symbol.hint).denominator == 1:
            yield int(share / symbol.hint) * symbol
    if share.denominator == 1:
        yield int(share)
