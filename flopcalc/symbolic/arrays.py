"""Expressions on arrays of integers, exactly: on 64-bit integers where nothing can overflow, else on Python's own."""

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from flopcalc.symbolic.atoms import Number
from flopcalc.symbolic.evaluating import evaluate
from flopcalc.symbolic.size import Size, denominator_of, plain

_LARGEST = 2**63 - 1


def evaluate_all(values: Mapping[str, Any], point: Mapping[str, Any]) -> dict[str, Any]:
    """The values of expressions at a point: symbol -> a number, or a NumPy array of integers.

    Exact: where values, or any that are met on the way, may be beyond 64 bits, they are computed on Python's integers.
    """
    arrays = {name: value for name, value in point.items() if hasattr(value, "dtype")}
    if arrays:
        most = {name: _most(value) for name, value in point.items()}
        sizes: dict[int, Number] = {}
        bottoms = {name: denominator_of(value) for name, value in values.items()}
        values = {name: value * bottoms[name] for name, value in values.items()}
        wide = any(_magnitude(value, most, sizes) > _LARGEST for value in values.values())
        kind = object if wide else "int64"
        point = {**point, **{name: value.astype(kind) for name, value in arrays.items()}}
    known: dict[int, Any] = {}
    found = {name: evaluate(value, point, known) for name, value in values.items()}
    return {name: _divided(found[name], bottoms[name]) for name in found} if arrays else found


def _divided(top: Any, bottom: int) -> Any:
    """A quotient, whole where it is whole everywhere."""
    if bottom == 1:
        return top
    if not hasattr(top, "dtype"):
        return plain(Fraction(top) / bottom)
    return top * Fraction(1, bottom) if (top % bottom).any() else top // bottom


def _most(value: Any) -> Number:
    """The largest absolute value."""
    if not hasattr(value, "dtype"):
        return abs(value)  # type: ignore[no-any-return]
    return max(abs(int(value.max())), abs(int(value.min()))) if value.size else 0


def _magnitude(value: Any, most: Mapping[str, Number], known: dict[int, Number]) -> Number:
    """At least the largest absolute value of an expression and of everything that is computed for it."""
    if not isinstance(value, Size):
        return abs(value)  # type: ignore[no-any-return]
    total: Number = 0
    for monomial, factor in value.terms.items():
        # A product begins with its factor, which may be a fraction.
        product: Number = max(math.ceil(factor), math.ceil(-factor))
        for index in monomial:
            product *= _of_atom(value, index, most, known)
        total += product
    return total


def _of_atom(value: Size, index: int, most: Mapping[str, Number], known: dict[int, Number]) -> Number:
    if index not in known:
        atom = value.scope.atoms[index]
        if atom.kind == "symbol":
            found = most[atom.name]
        elif atom.kind == "floor":
            # Computed as a whole dividend and a whole divisor.
            inner = atom.args[0]
            found = _magnitude(inner * denominator_of(inner), most, known)
        else:
            found = sum(_magnitude(arg, most, known) for arg in atom.args)
            # Rounding to a multiple compares ten times its result with nine times the value.
            found *= 10 if atom.kind == "divisible" else 1
        # After a factor of 0 a product is 0, and what was computed before it is not.
        known[index] = max(found, 1)
    return known[index]
