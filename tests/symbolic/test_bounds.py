"""Bounds of expressions: they contain all values, and they are narrow where a decision needs it. By hand."""

import math
from fractions import Fraction
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from symbolic.trees import NAMES, PLAIN, SYMBOLIC, TREES, value_of

from flopcalc.symbolic.conditions import allows, comparison
from flopcalc.symbolic.evaluating import evaluate
from flopcalc.symbolic.scope import LARGEST, Scope
from flopcalc.symbolic.size import Size, largest, smallest
from flopcalc.text.expression import evaluate as read

FACTORS = st.sampled_from([Fraction(1, 2), Fraction(-2, 3), 1, -4, 6])
WIDTHS = st.sampled_from([Fraction(1, 4), Fraction(1, 3), Fraction(1), Fraction(7, 5), Fraction(4)])
POINTS = st.fixed_dictionaries({**{name: st.integers(1, 40) for name in NAMES}, "w": WIDTHS})


def _sizes(**hints: Any) -> tuple[Scope, list[Any]]:
    scope = Scope(hints)
    return scope, [scope.symbol(name) for name in hints]


@settings(max_examples=200, deadline=None)
@given(TREES, TREES, FACTORS, FACTORS, POINTS)
def test_with_fractions(one: Any, other: Any, a: Any, b: Any, point: dict[str, Any]) -> None:
    """As plain arithmetic: the value is within the bounds, and a decision holds where its conditions do."""
    scope = Scope({"N": 3, "H": 20, "W": 29, "w": Fraction(3, 4)})
    names = {name: scope.symbol(name) for name in NAMES}
    x, y = value_of(one, names, SYMBOLIC), value_of(other, names, SYMBOLIC)
    form = a * x + b * y * math.floor(3 * scope.symbol("w") * x) + b * scope.symbol("w")
    assume(isinstance(form, Size))
    x, y = value_of(one, point, PLAIN), value_of(other, point, PLAIN)
    value = a * x + b * y * math.floor(3 * point["w"] * x) + b * point["w"]
    assert evaluate(form, point) == value
    low, high = scope.bounds(form)
    assert low <= value <= high
    decided = form > 0, form >= 0, form == 0
    assume(allows(scope, point))
    assert decided == (value > 0, value >= 0, value == 0)


def test_bounds_that_end_at_zero() -> None:
    """x - floor(x/3) + 1 is 2 or more for x = min(H, 6) from 1 on; by its terms alone it is 1 - 2 + 1 or more."""
    scope, (height,) = _sizes(H=224)
    size = smallest(height, 6)
    value = size - size // 3 + 1
    assert scope.is_positive(value)
    assert not scope.is_positive(-value, or_zero=True)
    assert not scope.is_zero(value)
    assert not scope.conditions


def test_a_multiple_above_the_one_before() -> None:
    """2 H - 4 floor((H + 2)/4) is H - 2 or more, which is -1 or more, and even."""
    scope, (height,) = _sizes(H=224)
    assert scope.is_positive(2 * height - 4 * ((height + 2) // 4), or_zero=True)
    assert not scope.conditions


def test_bounds_of_multiples() -> None:
    """Twice a difference of numbers from 1 to 5."""
    scope, (height, width) = _sizes(H=224, W=224)
    assert scope.bounds(2 * smallest(height, 5) - 2 * smallest(width, 5)) == (-8, 8)


def test_an_equality_is_known_without_its_factor() -> None:
    """2 H = 2 W says that H - W is 0, and 3 H W = 6 W that H is 2."""
    scope, (height, width) = _sizes(H=224, W=224)
    assert 2 * height == 2 * width
    assert height + 1 > width
    assert [comparison(one) for one in scope.conditions] == ["H == W"]
    scope, (height, width) = _sizes(H=2, W=224)
    assert 3 * height * width == 6 * width
    assert height < 3
    assert [comparison(one) for one in scope.conditions] == ["H == 2"]


def test_a_condition_with_a_fraction() -> None:
    """2 H > W/2 where 4 H > W."""
    scope, (height, width) = _sizes(H=224, W=224)
    assert 2 * height > width / 2
    assert [comparison(one) for one in scope.conditions] == ["4*H > W"]
    assert allows(scope, {"H": 10, "W": 39})
    assert not allows(scope, {"H": 10, "W": 40})


def test_the_sizes_that_there_are() -> None:
    """From 1 to 10^9; rational ones from 10^-6 on. Next to these ends, a decision is a condition."""
    scope, (height, width) = _sizes(H=224, w=Fraction(1))
    assert LARGEST == 10**9
    assert height >= 1
    assert height <= 10**9
    assert width * 10**6 >= 1
    assert not scope.conditions
    assert height < 10**9
    assert width * 10**6 > 1
    assert len(scope.conditions) == 2


def test_a_floor_of_what_has_an_end() -> None:
    """floor(min(H, 7)/2) is 3 at most."""
    scope, (height,) = _sizes(H=224)
    assert scope.bounds(smallest(height, 7) // 2 + 1) == (1, 4)


def test_what_is_rounded_has_a_least_value() -> None:
    """divisible(x, 8) is 8 or more, and nine tenths of x or more: 90 where x is at least 100."""
    scope, (channels,) = _sizes(C=224)
    rounded = read("divisible(x, 8)", {"x": channels})
    assert rounded * channels >= 8 * channels
    rounded = read("divisible(x, 8)", {"x": largest(channels, 100)})
    assert rounded * channels >= 90 * channels
    assert not scope.conditions


def test_a_floor_of_halves_and_thirds() -> None:
    """(3 H + 2 W)/6 is at most 5/6 above its floor."""
    scope, (height, width) = _sizes(H=224, W=224)
    assert scope.bounds(6 * math.floor(height / 2 + width / 3) - 3 * height - 2 * width) == (-5, 0)


def test_a_raised_bound_is_used_at_once() -> None:
    """Also for an expression that was met before."""
    scope, (height, width) = _sizes(H=224, W=224)
    value = height * width - 20 * width
    assert scope.bounds(height) == (1, LARGEST)
    assert scope.bounds(value)[0] < 0
    assert height > 32
    assert scope.bounds(height) == (33, LARGEST)
    assert height > 20
    assert value > 0
    assert len(scope.conditions) == 1
    assert width > 1
    assert scope.bounds(width) == (2, LARGEST)


def test_a_bound_of_a_rational_number_is_none() -> None:
    """What is above 1 need not be 2."""
    scope, (width,) = _sizes(w=Fraction(5, 2))
    assert width > 1
    assert scope.bounds(width)[0] < 1


def test_what_may_be_zero_is_not_negative() -> None:
    """1 - H is 0 at H = 1, and below 0 at all others."""
    scope, (height,) = _sizes(H=224)
    assert not scope.is_positive(1 - height, or_zero=True)
    assert [comparison(one) for one in scope.conditions] == ["H > 1"]


def test_a_product_is_at_least_its_factor() -> None:
    """H W - W is W (H - 1), which is not negative, and at most (10^9 - 1) 10^9."""
    scope, (height, width) = _sizes(H=224, W=224)
    assert scope.bounds(height * width - width) == (0, (LARGEST - 1) * LARGEST)
    assert scope.bounds(width - height * width) == (-(LARGEST - 1) * LARGEST, 0)
