"""What follows from equalities that were recorded: where H is 16 floor(H/16), both may take the place of the other."""

from collections.abc import Mapping

from flopcalc.symbolic.atoms import Monomial, Number, Terms
from flopcalc.symbolic.size import Size

# Each replacement may bring in an atom that has one as well.
_ROUNDS = 4


def solved(value: Size) -> tuple[int, Terms] | None:
    """An atom, as its index, and the terms that are equal to it where an expression is 0; None if there is none.

    The atom has the factor 1 or -1, so that whole numbers stay whole, and is in one term only.
    """
    counts: dict[int, int] = {}
    for monomial in value.terms:
        for index in monomial:
            counts[index] = counts.get(index, 0) + 1
    for monomial in sorted(value.terms):
        factor = value.terms[monomial]
        if len(monomial) == 1 and factor in (1, -1) and counts[monomial[0]] == 1:
            return monomial[0], {other: -share * factor for other, share in value.terms.items() if other != monomial}
    return None


def replaced(value: Size, known: Mapping[int, Terms]) -> Terms:
    """The terms of an expression with the atoms that are known to be equal to others replaced."""
    terms: Terms = dict(value.terms)
    for _ in range(_ROUNDS):
        if not any(index in known for monomial in terms for index in monomial):
            break
        following: Terms = {}
        for monomial, factor in terms.items():
            for key, share in _product(monomial, factor, known).items():
                total = following.get(key, 0) + share
                if total:
                    following[key] = total
                else:
                    following.pop(key, None)
        terms = following
    return terms


def _product(monomial: Monomial, factor: Number, known: Mapping[int, Terms]) -> Terms:
    found: Terms = {(): factor}
    for index in monomial:
        by = known.get(index, {(index,): 1})
        following: Terms = {}
        for one, share in found.items():
            for other, more in by.items():
                key = tuple(sorted(one + other))
                following[key] = following.get(key, 0) + share * more
        found = following
    return found
