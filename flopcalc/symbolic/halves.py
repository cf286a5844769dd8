"""The normal form of halves: x - floor(x/2) is the other half, floor((x + 1)/2)."""

import math
from fractions import Fraction
from typing import Any, TypeAlias

Terms: TypeAlias = dict[tuple[int, ...], Any]


def without_halves(scope: Any, terms: Terms) -> Terms:
    """Terms with x - floor(x/2) in its usual form, floor((x + 1)/2)."""
    for monomial, factor in terms.items():
        if len(monomial) != 1 or scope.atoms[monomial[0]].kind != "floor":
            continue
        whole, other = _halves(scope, monomial[0])
        if whole and all(terms.get(one) == -factor * share for one, share in whole.items()):
            rest = {one: share for one, share in terms.items() if one != monomial and one not in whole}
            for one, share in other.items():
                total = rest.get(one, 0) - factor * share
                if total:
                    rest[one] = total
                else:
                    del rest[one]
            return without_halves(scope, rest)
    return terms


def _halves(scope: Any, index: int) -> tuple[Terms, Terms]:
    """For an atom floor(x/2) or floor((x + 1)/2), x and the other half, as terms; none where x has no such form."""
    found: tuple[Terms, Terms] | None = scope.halves.get(index)
    if found is None:
        found = scope.halves[index] = {}, {}
        inside = scope.atoms[index].args[0]
        half = Fraction(1, 2)
        if all(Fraction(one).denominator % 2 == 0 for key, one in inside.terms.items() if key):
            # The reading in which x has no constant term.
            odd = math.floor(2 * inside.terms.get((), 0))
            whole = math.floor(inside * 2 - odd)
            # It may be 0, as of floor((w - floor(w))/2).
            if hasattr(whole, "terms"):
                found = scope.halves[index] = whole.terms, math.floor(inside + half - odd).terms
    return found
