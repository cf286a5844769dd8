"""Costs as polynomials in numbers of layers: exact interpolation from a few values of them."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

from flopcalc.analysis.variables import Variable
from flopcalc.errors import FlopcalcError
from flopcalc.symbolic.scope import Scope

# Readings of a network that an interpolation may take.
_MOST_READINGS = 300


class Structural(NamedTuple):
    """The costs of a network by kind, and of its stages."""

    totals: Mapping[str, Any]
    stages: Mapping[str, Mapping[str, Any]]


def structural_costs(
    costs: Callable[[Sequence[int]], Structural], numbers: Sequence[Variable], scope: Scope, degree: int
) -> Structural:
    """The costs as polynomials of a degree in each of several numbers of layers.

    costs: at values of these numbers. Raises FlopcalcError (no-closed-form) for too many numbers.
    """
    if (degree + 1) ** len(numbers) > _MOST_READINGS:
        names = ", ".join(one.symbol for one in numbers)
        verb = "decides" if len(numbers) == 1 else "decide"
        why = f"{names} {verb} how many layers there are, and the cost is not linear in {names}"
        raise FlopcalcError("no-closed-form", why, "vary other options, or give these a value with --set")

    def fit(rest: Sequence[Variable], values: tuple[int, ...]) -> Structural:
        if not rest:
            return costs(values)
        # From the usual value on: small numbers may be special, and are compared later.
        first = int(rest[0].usual)
        samples = [fit(rest[1:], (*values, first + step)) for step in range(degree + 1)]
        symbol = scope.symbol(rest[0].symbol) - first
        return _interpolated(samples, symbol)

    return fit(numbers, ())


def _interpolated(samples: Sequence[Structural], x: Any) -> Structural:
    """Newton's form at 0, 1, 2, ...: the sum of the k-th differences times x over k."""
    stages = {
        stage: {kind: _newton([one.stages[stage][kind] for one in samples], x) for kind in samples[0].stages[stage]}
        for stage in samples[0].stages
        if all(stage in one.stages for one in samples)
    }
    return Structural({kind: _newton([one.totals[kind] for one in samples], x) for kind in samples[0].totals}, stages)


def _newton(values: list[Any], x: Any) -> Any:
    found: Any = values[0]
    factor: Any = 1
    for order in range(1, len(values)):
        values = [after - before for before, after in pairwise(values)]
        factor = factor * (x - (order - 1)) * Fraction(1, order)
        found = found + values[0] * factor
    return found
