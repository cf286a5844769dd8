"""Where two lines of a picture cross: the size at which two costs are equal."""

from collections.abc import Sequence
from fractions import Fraction
from math import exp, log
from typing import Any, NamedTuple

# A cost is a polynomial of at most this degree in one size, in every formula of a convolution.
_MOST_DEGREE = 6
# Points that a polynomial has to meet beyond those that define it.
_CHECKS = 2


class Crossing(NamedTuple):
    """A size at which two costs are equal. low, high: the sizes of the sweep around it; equal if it is one of them.

    exact: the position is the root of the polynomials that both costs are on all sizes of the sweep. Otherwise it lies
    between low and high, where straight lines on log axes cross.
    """

    x: float
    y: float
    low: Fraction
    high: Fraction
    exact: bool


def crossings(one: Sequence[tuple[Fraction, Any]], other: Sequence[tuple[Fraction, Any]]) -> list[Crossing]:
    """The crossings of two lines, given as points (size, cost) with exact numbers, on the sizes that both have.

    Lines that touch without crossing, or that are equal on a stretch, have none there.
    """
    second = {x: Fraction(y) for x, y in other}
    points = sorted((x, Fraction(y), second[x]) for x, y in one if x in second)
    difference = _polynomial([(x, a - b) for x, a, b in points])
    cost = _polynomial([(x, a) for x, a, _ in points])
    found = []
    before: tuple[Fraction, Fraction, Fraction] | None = None
    equal: list[tuple[Fraction, Fraction, Fraction]] = []
    for x, a, b in points:
        if a == b:
            equal.append((x, a, b))
            continue
        if before is not None and (before[1] > before[2]) != (a > b):
            if len(equal) == 1:
                found.append(Crossing(float(equal[0][0]), float(equal[0][1]), equal[0][0], equal[0][0], True))
            elif not equal:
                found.append(_between(before, (x, a, b), difference, cost))
        before, equal = (x, a, b), []
    return found


def _between(
    first: tuple[Fraction, Fraction, Fraction],
    second: tuple[Fraction, Fraction, Fraction],
    difference: Sequence[Fraction] | None,
    cost: Sequence[Fraction] | None,
) -> Crossing:
    """The crossing between two neighbouring sizes."""
    low, high = first[0], second[0]
    if difference is not None and cost is not None:
        x = _root(difference, low, high)
        return Crossing(float(x), float(_value(cost, x)), low, high, True)
    # Straight lines on log axes where all numbers are positive, else on plain ones.
    if min(low, first[1], first[2], second[1], second[2]) > 0:
        start, end = _log(first[1]) - _log(first[2]), _log(second[1]) - _log(second[2])
        share = start / (start - end)
        x_log = _log(low) + share * (_log(high) - _log(low))
        y_log = _log(first[1]) + share * (_log(second[1]) - _log(first[1]))
        return Crossing(exp(x_log), exp(y_log), low, high, False)
    gap, after = first[1] - first[2], second[1] - second[2]
    part = gap / (gap - after)
    return Crossing(float(low + part * (high - low)), float(first[1] + part * (second[1] - first[1])), low, high, False)


def _log(value: Fraction) -> float:
    return log(value.numerator) - log(value.denominator)


def _polynomial(points: Sequence[tuple[Fraction, Fraction]]) -> list[Fraction] | None:
    """The coefficients, the constant first, of the polynomial of least degree through all points.

    None where the points do not determine one: there are too few points to check it, or its degree is too high.
    """
    table = [y for _, y in points]
    xs = [x for x, _ in points]
    newton = []
    for degree in range(min(_MOST_DEGREE + 1, len(points))):
        newton.append(table[0])
        table = [
            (table[place + 1] - table[place]) / (xs[place + degree + 1] - xs[place]) for place in range(len(table) - 1)
        ]
        if len(table) >= _CHECKS and not any(table):
            break
    else:
        return None
    found = [Fraction(0)]
    for place in range(len(newton) - 1, -1, -1):
        # found * (x - xs[place]) + newton[place]
        shifted = [Fraction(0), *found]
        for index, value in enumerate(found):
            shifted[index] -= xs[place] * value
        shifted[0] += newton[place]
        found = shifted
    return found


def _value(coefficients: Sequence[Fraction], x: Fraction) -> Fraction:
    found = Fraction(0)
    for one in reversed(coefficients):
        found = found * x + one
    return found


def _root(coefficients: Sequence[Fraction], low: Fraction, high: Fraction) -> Fraction:
    """A root between two sizes at which the polynomial has different signs, to 60 bits of their distance."""
    rising = _value(coefficients, high) > 0
    for _ in range(60):
        middle = (low + high) / 2
        value = _value(coefficients, middle)
        if value == 0:
            return middle
        if (value > 0) == rising:
            high = middle
        else:
            low = middle
    return (low + high) / 2
