"""Expressions with other expressions, or with arrays, in place of their symbols."""

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from symbolic.trees import NAMES, PLAIN, SYMBOLIC, TREES, scope_of, value_of

from flopcalc.symbolic.arrays import evaluate_all
from flopcalc.symbolic.conditions import allows
from flopcalc.symbolic.evaluating import evaluate, symbols_of
from flopcalc.symbolic.scope import Scope
from flopcalc.symbolic.writing import text
from flopcalc.text.expression import evaluate as read


@settings(max_examples=150, deadline=None)
@given(TREES, st.integers(1, 60), st.integers(1, 60))
def test_of_other_expressions(tree: Any, n: int, h: int) -> None:
    """With N = 2 a, H = b + 3 and W = 7: as plain arithmetic at a and b."""
    scope = scope_of()
    form = value_of(tree, {name: scope.symbol(name) for name in NAMES}, SYMBOLIC)
    other = Scope({"a": 5, "b": 12})
    moved = evaluate(form, {"N": 2 * other.symbol("a"), "H": other.symbol("b") + 3, "W": 7})
    assert evaluate(moved, {"a": n, "b": h}) == value_of(tree, {"N": 2 * n, "H": h + 3, "W": 7}, PLAIN)
    assert not symbols_of(moved).keys() - {"a", "b"}


def test_a_rounded_size_stays_one() -> None:
    """As text it is divisible(32*v, 8), and not what that is made of."""
    channels = 16 * Scope({"w": Fraction(1)}).symbol("w")
    rounded = read("divisible(x, 8)", {"x": channels})
    assert text(evaluate(rounded, {"w": 2 * Scope({"v": Fraction(1, 2)}).symbol("v")})) == "divisible(32*v, 8)"


def test_exactly_nine_tenths_are_enough() -> None:
    """Of 10 channels, 9 are the nearest multiple of 9, and no less than nine tenths; of 1, 3 are the least."""
    numpy: Any = pytest.importorskip("numpy")
    channels = Scope({"C": 64}).symbol("C")
    for divisor, given_sizes, expected in ((9, [10, 20, 100], [9, 18, 99]), (3, [10, 19, 1], [9, 18, 3])):
        rounded = read(f"divisible(x, {divisor})", {"x": channels})
        assert [evaluate(rounded, {"C": size}) for size in given_sizes] == expected
        assert evaluate_all({"x": rounded}, {"C": numpy.array(given_sizes)})["x"].tolist() == expected


def test_half_of_what_is_above_a_whole_number() -> None:
    """floor((w - floor(w))/2) is 0, next to other terms as well."""
    scope = Scope({"w": Fraction(5, 4), "H": 9})
    width, height = scope.symbol("w"), scope.symbol("H")
    value = math.floor((width - math.floor(width)) / 2) + height * height + width
    assert evaluate(value + height, {"w": Fraction(11, 4), "H": 2}) == 6 + Fraction(11, 4)


def test_only_halves_have_another_form() -> None:
    """W + floor(2 H/3) - floor(W/2 + H/3) stays as it is."""
    scope = Scope({"H": 224, "W": 224})
    height, width = scope.symbol("H"), scope.symbol("W")
    one, other = width + 2 * height // 3, math.floor(width / 2 + height / 3)
    assert text(one - other) == f"{text(one)} - {text(other)}"


def test_conditions_at_arrays() -> None:
    """They hold at an array where they hold at each of its points, and may be of symbols that are numbers there."""
    numpy: Any = pytest.importorskip("numpy")
    scope = Scope({"H": 224, "W": 100})
    height, width = scope.symbol("H"), scope.symbol("W")
    assert height > width
    assert width >= 10
    assert height % 2 == 0
    for sizes in ([20, 22, 30], [20, 22, 31], [21, 22, 30], [12, 22, 30], [20]):
        for other in (9, 10, 12, 19, 40):
            expected = all(size > other >= 10 and size % 2 == 0 for size in sizes)
            assert allows(scope, {"H": numpy.array(sizes), "W": other}) is expected
            assert all(allows(scope, {"H": size, "W": other}) for size in sizes) is expected
    assert not allows(scope, {"H": numpy.array([20, 22]), "W": numpy.array([12, 9])})
    assert allows(scope, {"H": numpy.array([20, 22]), "W": numpy.array([12, 10])})
