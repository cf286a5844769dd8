"""Ratios of closed forms, and their limits for large inputs."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from flopcalc.analysis.network_form import Expression, NetworkForm
from flopcalc.symbolic.atoms import Monomial, Terms, shared_factors, without_factors
from flopcalc.symbolic.size import Size, plain
from flopcalc.symbolic.writing import text

# A large input is one of these times the reference: its divisors remain, and with an odd number odd quotients too.
_MANY = (1024, 1025)


def ratio_text(top: Expression, bottom: Expression) -> str:
    """A quotient as text, without the factors that both share."""
    top, bottom = _reduced(top, bottom)
    if not isinstance(bottom, Size) and bottom == 1:
        return text(top)
    sides = [f"({text(one)})" if isinstance(one, Size) and len(one.terms) > 1 else text(one) for one in (top, bottom)]
    return " / ".join(sides)


def _reduced(top: Expression, bottom: Expression) -> tuple[Any, Any]:
    """Both without their common products and numbers."""
    sides = [one for one in (top, bottom) if isinstance(one, Size)]
    if len(sides) == 2:
        common = shared_factors((*sides[0].terms, *sides[1].terms))
        if common:
            top, bottom = _without(sides[0], common), _without(sides[1], common)
    number = _content(top, bottom)
    scale = Fraction(1, number) if number else Fraction(1)
    reduced = [one * scale if isinstance(one, Size) else plain(Fraction(one) * scale) for one in (top, bottom)]
    return reduced[0], reduced[1]


def _without(value: Size, product: Monomial) -> Any:
    terms = without_factors(value.terms, product)
    return plain(terms[()]) if list(terms) == [()] else Size(value.scope, terms)


def _content(*values: Any) -> int:
    from math import gcd

    factors = [factor for value in values for factor in (value.terms.values() if isinstance(value, Size) else [value])]
    return gcd(*(int(factor) for factor in factors)) if all(factor == int(factor) for factor in factors) else 1


def limit(form: NetworkForm, kind: str) -> Fraction | None:
    """The ratio to the form before replacement for an input that grows along all its axes.

    None where it has none, or the form does not hold there.
    """
    if form.baseline is None:
        return None
    axes = {one.symbol for one in form.variables if one.kind == "axis"}
    if not any(form.allows(_times(form.reference, axes, many)) for many in _MANY):
        return None
    top, bottom = _leading(form.cost[kind], axes), _leading(form.baseline.cost[kind], axes)
    if top is None or not bottom:
        return None
    first = next(iter(bottom))
    quotient = Fraction(top.get(first, 0)) / bottom[first]
    proportional = {key: factor * quotient for key, factor in bottom.items() if factor * quotient}
    return quotient if proportional == top else None


def _times(point: Mapping[str, Any], axes: set[str], many: int) -> dict[str, Any]:
    return {name: value * many if name in axes else value for name, value in point.items()}


def _leading(value: Expression, axes: set[str]) -> Terms | None:
    """The terms that grow fastest, with floors as what they are taken of; None where there are maxima among them."""
    if not isinstance(value, Size):
        return {(): value}
    plain_value = _smooth(value)
    if plain_value is None:
        return None
    if not isinstance(plain_value, Size):
        return {(): plain_value}
    atoms = plain_value.scope.atoms

    def degree(monomial: Monomial) -> int:
        return sum(atoms[index].name in axes for index in monomial)

    most = max(map(degree, plain_value.terms))
    return {monomial: factor for monomial, factor in plain_value.terms.items() if degree(monomial) == most}


def _smooth(value: Any) -> Any:
    """The expression without floors; None where it has maxima, minima or roundings."""
    if not isinstance(value, Size):
        return value
    total: Any = 0
    for monomial, factor in value.terms.items():
        product: Any = factor
        for index in monomial:
            atom = value.scope.atoms[index]
            if atom.kind == "symbol":
                one: Any = Size(value.scope, {(index,): 1})
            elif atom.kind == "floor":
                one = _smooth(atom.args[0])
            else:
                return None
            if one is None:
                return None
            product = product * one
        total = total + product
    return total
