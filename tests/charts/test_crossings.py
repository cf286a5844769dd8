"""Crossings of two lines: the exact root where both are polynomials, else the sizes around it."""

from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flopcalc.charts.crossings import Crossing, crossings


def _line(xs: Any, cost: Any) -> list[tuple[Fraction, Any]]:
    return [(Fraction(x), cost(x)) for x in xs]


def test_a_crossing_between_sizes_is_the_root() -> None:
    """9 x^2 = x^2 + 300 x at x = 37.5, where both are 12,656.25."""
    xs = range(16, 129, 16)
    (found,) = crossings(_line(xs, lambda x: 9 * x * x), _line(xs, lambda x: x * x + 300 * x))
    assert found == Crossing(37.5, 12656.25, Fraction(32), Fraction(48), True)


def test_a_root_that_is_not_rational() -> None:
    """4096 k^2 = 49152 + 384 k^2 at k = sqrt(49152 / 3712)."""
    ks = range(1, 16, 2)
    (found,) = crossings(_line(ks, lambda k: 4096 * k**2), _line(ks, lambda k: 49152 + 384 * k**2))
    assert found.exact
    assert found.x == pytest.approx((49152 / 3712) ** 0.5, rel=1e-14)
    assert found.y == pytest.approx(4096 * 49152 / 3712, rel=1e-14)


def test_a_crossing_at_a_size() -> None:
    xs = range(1, 9)
    (found,) = crossings(_line(xs, lambda x: x * x), _line(xs, lambda x: 4 * x))
    assert found == Crossing(4.0, 16.0, Fraction(4), Fraction(4), True)


def test_lines_that_only_touch_or_are_equal_do_not_cross() -> None:
    xs = range(1, 9)
    assert crossings(_line(xs, lambda x: (x - 4) ** 2 + x), _line(xs, lambda x: x)) == []
    assert crossings(_line(xs, lambda x: x), _line(xs, lambda x: x)) == []
    # Equal from 3 to 5, and then on the other side: no single size.
    assert crossings(_line(xs, lambda x: max(0, x - 5) - max(0, 3 - x) + 9), _line(xs, lambda _: 9)) == []


def test_without_a_polynomial_the_sizes_around_it() -> None:
    """2^x is not a polynomial: on log axes the straight lines between the sizes cross."""
    xs = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
    one, other = _line(xs, lambda x: 2**x), _line(xs, lambda x: 100 * x)
    (found,) = crossings(one, other)
    assert (found.low, found.high, found.exact) == (Fraction(8), Fraction(16), False)
    # By hand, in powers of 2: both lines from 8 to 16 are straight in log2 x, from 3 to 4.
    from math import log2

    start, end = 8 - log2(800), 16 - log2(1600)
    share = start / (start - end)
    assert found.x == pytest.approx(2 ** (3 + share))
    assert found.y == pytest.approx(2 ** (8 + 8 * share))


def test_too_few_sizes_prove_nothing() -> None:
    """Any three points are on a parabola."""
    (found,) = crossings(_line((16, 32, 64), lambda x: x * x), _line((16, 32, 64), lambda x: 40 * x))
    assert not found.exact
    assert 32 < found.x < 64


def test_only_sizes_that_both_lines_have() -> None:
    (found,) = crossings(_line(range(2, 40, 2), lambda x: x * x), _line(range(1, 40), lambda x: 15 * x))
    assert (found.x, found.low, found.high) == (15.0, Fraction(14), Fraction(16))


def test_a_cost_of_zero() -> None:
    """Plain axes where logarithms have no place: 2 (x - 1) and (3 - x) / 2 cross at 1.4."""
    (found,) = crossings([(Fraction(1), 0), (Fraction(3), 4)], [(Fraction(1), 1), (Fraction(3), 0)])
    assert found.x == pytest.approx(1.4)
    assert not found.exact


@given(
    st.lists(st.integers(-50, 50), min_size=1, max_size=4),
    st.lists(st.integers(1, 200), min_size=8, max_size=20, unique=True),
)
def test_each_change_of_sign_is_found_once(coefficients: list[int], sizes: list[int]) -> None:
    """The difference to 0 of any polynomial, at any sizes, and a root in between."""
    xs = sorted(sizes)

    def value(x: Any) -> Any:
        return sum(factor * x**power for power, factor in enumerate(coefficients))

    found = crossings(_line(xs, value), _line(xs, lambda _: 0))
    signs = [(x, value(x) > 0) for x in xs if value(x) != 0]
    changes = [(a, b) for (a, one), (b, other) in pairwise(signs) if one != other]
    zeros = [sum(1 for x in xs if a < x < b) for a, b in changes]
    assert len(found) == sum(1 for count in zeros if count <= 1)
    for cross in found:
        assert cross.exact
        slope = sum(power * factor * cross.x ** (power - 1) for power, factor in enumerate(coefficients) if power)
        assert abs(value(Fraction(cross.x))) <= 1e-9 * max(1.0, abs(slope) * cross.x)
