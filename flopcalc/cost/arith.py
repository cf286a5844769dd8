"""Arithmetic for cost formulas that works alike on ints, NumPy arrays, SymPy symbols and symbolic sizes.

A formula has no branch on a dimension; operations that need one are here. The helpers look at the
types of their arguments and at `sys.modules`. They never import NumPy or SymPy, so a formula on ints
needs neither.

`Dim` is an int, a NumPy integer array, a SymPy expression or a `Recorded` value. Its type is `Any`, because a type
checker cannot express arithmetic on this union.
"""

import math
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import reduce
from typing import Any, TypeAlias

from flopcalc.cost.traced import Traced
from flopcalc.symbolic.size import Size, largest, smallest

Dim: TypeAlias = Any


class Recorded:
    """The base of values that record what is computed with them, so that it can be repeated on arrays.

    The operators of Python do that by themselves; these methods are for the helpers below.
    `flopcalc.analysis.sweeping.node` implements them.
    """

    __slots__ = ()

    def larger(self, other: Dim) -> Dim:
        """The larger of the two, element by element."""
        raise NotImplementedError

    def log2_floor(self) -> Dim:
        """floor(log2(self)), for values of at least 1."""
        raise NotImplementedError

    def each(self, function: Callable[[int], int]) -> Dim:
        """function(value) for each value."""
        raise NotImplementedError

    def sum_up_to(self, term: Callable[[Dim], Dim], first: int) -> Dim:
        """Sum of term(i) for i = first..self."""
        raise NotImplementedError


def _sympy(*values: Dim) -> Any:
    """The sympy module if one of the values is symbolic, otherwise None."""
    sympy = sys.modules.get("sympy")
    if sympy is not None and any(isinstance(value, sympy.Basic) for value in values):
        return sympy
    return None


def _numpy(*values: Dim) -> Any:
    """The numpy module if one of the values is an array or a NumPy number, otherwise None."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and any(isinstance(value, numpy.ndarray | numpy.generic) for value in values):
        return numpy
    return None


def ceil_div(a: Dim, b: Dim) -> Dim:
    """ceil(a / b)."""
    if type(a) is not int and (sympy := _sympy(a, b)):
        return sympy.ceiling(a / sympy.sympify(b))
    return -(-a // b)


def floor_div(a: Dim, b: Dim) -> Dim:
    """floor(a / b), which `//` is for all kinds of numbers."""
    return a // b


def exact_div(a: Dim, b: Dim) -> Dim:
    """A / b, if a rule of the operator guarantees that b divides a. Symbols get no floor."""
    if type(a) is int and type(b) is int:
        return a // b
    return a / b if _sympy(a, b) else a // b


def share(ratio: Dim, whole: Dim) -> Dim:
    """The floor of ratio * whole, exact for a Fraction: `int(100 * 0.29)` is 28, and this is 29."""
    if type(ratio) in (Size, Traced):
        return math.floor(ratio * whole)
    if type(whole) is not int and (sympy := _sympy(ratio, whole)):
        return sympy.floor(ratio * whole)
    return ratio.numerator * whole // ratio.denominator


def maximum(a: Dim, b: Dim) -> Dim:
    """The larger of two, element by element on arrays."""
    if type(a) is int and type(b) is int:
        return max(b, a)
    if type(a) is Size or type(b) is Size:
        return largest(a, b)
    if sympy := _sympy(a, b):
        return sympy.Max(a, b)
    if numpy := _numpy(a, b):
        return numpy.maximum(a, b)
    if isinstance(a, Recorded):
        return a.larger(b)
    return b.larger(a) if isinstance(b, Recorded) else max(a, b)


def minimum(a: Dim, b: Dim) -> Dim:
    """The smaller of two, element by element on arrays."""
    if type(a) is Size or type(b) is Size:
        return smallest(a, b)
    if sympy := _sympy(a, b):
        return sympy.Min(a, b)
    return -maximum(-a, -b)


def floor_log2(a: Dim, b: Dim = 1) -> Dim:
    """floor(log2(a / b)) for a >= b >= 1, exactly: no float is involved on ints."""
    if sympy := _sympy(a, b):
        return sympy.floor(sympy.log(sympy.sympify(a) / b, 2))
    if numpy := _numpy(a, b):
        quotient = numpy.asarray(a // b)
        exponent = numpy.frexp(quotient.astype(float))[1].astype(quotient.dtype) - 1
        # The cast to float may round a number just below a power of two up to it.
        return exponent - (numpy.left_shift(numpy.ones_like(quotient), exponent) > quotient)
    if type(a) is Size or type(b) is Size:
        return _symbolic_floor_log2(a, b)
    quotient = a // b
    return quotient.log2_floor() if isinstance(quotient, Recorded) else quotient.bit_length() - 1


def _symbolic_floor_log2(a: Dim, b: Dim) -> int:
    """It has no form in floors: its value at the reference point, with the interval in which it has this value."""
    exponent = 0
    while a >= 2 ** (exponent + 1) * b:
        exponent += 1
    return exponent


def log2(value: Dim) -> Dim:
    """log2 without a floor, as in papers: exact for powers of two, otherwise a float."""
    if sympy := _sympy(value):
        return sympy.log(value, 2)
    if type(value) is Size:
        value = value.scope.fix(value)
    if value <= 0:
        raise TypeError("log2 of a number that is not positive")
    if isinstance(value, float):
        return math.log2(value)
    top, bottom = value.numerator, value.denominator
    if top & (top - 1) == 0 and bottom & (bottom - 1) == 0:
        return top.bit_length() - bottom.bit_length()
    return math.log2(top) - math.log2(bottom)


def square_root(value: Dim) -> Dim:
    """The root, as printed equations have it; not a number on symbolic sizes, which have no form for it."""
    return math.nan if type(value) is Size else value ** Fraction(1, 2)


def highest(values: Sequence[Dim]) -> Dim:
    """The largest of many."""
    first = next((value for value in values if type(value) is Size), None)
    if first is None:
        return max(values)
    # The last is the most likely; what is never larger than another one is left out before maxima are nested.
    kept: list[Dim] = []
    for value in reversed(values):
        if not any(first.scope.bounds(other - value)[0] >= 0 for other in kept):
            kept = [other for other in kept if first.scope.bounds(value - other)[0] < 0]
            kept.append(value)
    return reduce(largest, kept)


# Terms from which on it matters how they are added.
_MANY = 8


def add_up(values: Sequence[Dim]) -> Dim:
    """The sum. SymPy adds many terms at once in linear time, and one after the other in quadratic time."""
    if len(values) >= _MANY and (sympy := _sympy(*values)):
        return sympy.Add(*values)
    return sum(values)


def elementwise(function: Callable[[int], int], value: Dim) -> Dim:
    """function(value) for a rule that is not arithmetic, such as factoring; element by element on arrays."""
    if _numpy(value):
        flat = value.ravel()
        return (flat * 0 + [function(int(one)) for one in flat]).reshape(value.shape)
    return value.each(function) if isinstance(value, Recorded) else function(_number(value))


def _number(value: Dim) -> Dim:
    """The value where it is needed as a number."""
    return value.scope.fix(value) if type(value) is Size else value


def summation(term: Callable[[Dim], Dim], first: int, last: Dim) -> Dim:
    """Sum of term(i) for i = first..last, both included; 0 when last < first."""
    if sympy := _sympy(last):
        i = sympy.Symbol("i", integer=True, positive=True)
        return sympy.summation(term(i), (i, first, last))
    if numpy := _numpy(last):
        steps = range(first, int(numpy.max(last)) + 1)
        return sum((numpy.where(i <= last, term(i), 0) for i in steps), numpy.zeros_like(last))
    if isinstance(last, Recorded):
        return last.sum_up_to(term, first)
    return sum(map(term, range(first, _number(last) + 1)))
