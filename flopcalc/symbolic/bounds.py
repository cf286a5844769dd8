"""Bounds of expressions that the bounds of their factors alone do not give."""

import math
from fractions import Fraction
from typing import Any, Protocol

from flopcalc.symbolic.atoms import Decides, shared_factors, without_factors
from flopcalc.symbolic.size import Size, denominator_of, is_whole

# Longer expressions are left to the hints: decisions are about sizes, which have few terms.
_MOST_TERMS = 64
_MOST_FACTORS = 6


class Bounded(Decides, Protocol):
    """A scope that knows the bounds of its atoms."""

    def atom_bounds(self, index: int) -> tuple[Any, Any]:
        """The smallest and largest value of an atom."""


def tighter(scope: Bounded, value: Size) -> tuple[Any, Any]:
    """The smallest and largest value of an expression, or numbers beyond them, from its terms taken together.

    H*W - W is not negative, since it is W*(H - 1); 2*ceil(H/2) - H is neither, since ceil(H/2) is at least H/2.
    """
    if len(value.terms) > _MOST_TERMS or any(len(monomial) > _MOST_FACTORS for monomial in value.terms):
        return float("-inf"), float("inf")
    low, high = _from_the_least(scope, value)
    if low <= 0 <= high:
        for below in (True, False):
            relaxed = _without_floors(scope, value, below)
            if relaxed is not None:
                end = _from_the_least(scope, relaxed) if isinstance(relaxed, Size) else (relaxed, relaxed)
                low, high = (max(low, end[0]), high) if below else (low, min(high, end[1]))
        if is_whole(value):
            # A multiple of what all factors share.
            shared = math.gcd(*map(int, value.terms.values()))
            low, high = math.ceil(Fraction(low) / shared) * shared, math.floor(Fraction(high) / shared) * shared
    return low, high


def without_common_factors(scope: Bounded, value: Size) -> Size:
    """An expression with the same sign, without factors that are positive and in all terms.

    96*floor(H/4)*floor(W/4) - 96*floor(W/4) is negative, zero or positive as floor(H/4) - 1 is.
    """
    common = shared_factors(value.terms, lambda index: scope.atom_bounds(index)[0] > 0)
    terms = without_factors(value.terms, common)
    whole = {key: factor for key, factor in terms.items() if isinstance(factor, int)}
    if len(whole) < len(terms):
        return Size(scope, terms)
    shared = math.gcd(*whole.values())
    return Size(scope, {key: factor // shared for key, factor in whole.items()})


def _from_the_least(scope: Bounded, value: Size) -> tuple[Any, Any]:
    """Bounds by terms in what each factor is above its least value: (a + x)(b + y) - ab = ay + bx + xy."""
    terms: dict[tuple[int, ...], Any] = {}
    ends = {index: scope.atom_bounds(index) for monomial in value.terms for index in monomial}
    for monomial, factor in value.terms.items():
        expanded: dict[tuple[int, ...], Any] = {(): factor}
        for index in monomial:
            least = ends[index][0]
            following: dict[tuple[int, ...], Any] = {}
            for inner, one in expanded.items():
                key = tuple(sorted((*inner, index)))
                following[key] = following.get(key, 0) + one
                following[inner] = following.get(inner, 0) + one * least
            expanded = following
        for inner, one in expanded.items():
            terms[inner] = terms.get(inner, 0) + one
    low = high = terms.pop((), 0)
    for monomial, factor in terms.items():
        most: Any = factor
        for index in monomial:
            most = most * (ends[index][1] - ends[index][0])
        low, high = low + min(most, 0), high + max(most, 0)
    return low, high


def _without_floors(scope: Bounded, value: Size, below: bool) -> Any:
    """An expression without floors that is never above, or never below; None where there is none.

    x / q - (q - 1) / q <= floor(x / q) <= x / q, for whole x.
    """
    found: Any = 0
    relaxed = False
    for monomial, factor in value.terms.items():
        term: Any = Size(scope, {monomial: factor})
        atoms = [scope.atoms[index] for index in monomial]
        if len(atoms) == 1 and atoms[0].kind == "floor" and isinstance(inside := atoms[0].args[0], Size):
            relaxed = True
            gap: Any = 0
            if (factor > 0) is below:
                whole = all(scope.atoms[index].whole for inner in inside.terms for index in inner)
                bottom = denominator_of(inside)
                gap = Fraction(bottom - 1, bottom) if whole else 1
            term = factor * (inside - gap)
        found = found + term
    return found if relaxed else None
