"""The normal form of halves: x - floor(x/2) is the other half, floor((x + 1)/2)."""

import math
from fractions import Fraction
from typing import Any, TypeAlias

Terms: TypeAlias = dict[tuple[int, ...], Any]
# Of x - floor(x/2).
_FEWEST = 2


def without_halves(scope: Any, terms: Terms) -> Terms:
    """Terms with x - floor(x/2) in its usual form, floor((x + 1)/2)."""
    if len(terms) < _FEWEST:
        return terms
    for monomial, factor in terms.items():
        if len(monomial) != 1 or scope.atoms[monomial[0]].kind != "floor":
            continue
        for whole, other in _halves(scope, monomial[0]):
            if all(terms.get(one) == -factor * share for one, share in whole.items()):
                rest = {one: share for one, share in terms.items() if one != monomial and one not in whole}
                for one, share in other.items():
                    total = rest.get(one, 0) - factor * share
                    if total:
                        rest[one] = total
                    else:
                        del rest[one]
                return without_halves(scope, rest)
    return terms


def _halves(scope: Any, index: int) -> list[tuple[Terms, Terms]]:
    """For an atom floor(x/2) or floor((x + 1)/2), x and the other half, as terms; for both readings of the atom."""
    found: list[tuple[Terms, Terms]] | None = scope.halves.get(index)
    if found is None:
        found = []
        scope.halves[index] = found
        inside = scope.atoms[index].args[0]
        half = Fraction(1, 2)
        if hasattr(inside, "terms") and all(
            Fraction(one).denominator % 2 == 0 for key, one in inside.terms.items() if key
        ):
            for odd in (0, 1):
                whole, other = math.floor(inside * 2 - odd), math.floor(inside + half - odd)
                if hasattr(whole, "terms") and hasattr(other, "terms") and () not in whole.terms:
                    found.append((whole.terms, other.terms))
    return found
