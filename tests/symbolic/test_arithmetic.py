"""Arithmetic of sizes beside sums and products: quotients, powers, rounding, text, and what is no number."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from symbolic.trees import NAMES, SYMBOLIC, TREES, scope_of, value_of

from flopcalc.symbolic.conditions import comparison
from flopcalc.symbolic.evaluating import evaluate
from flopcalc.symbolic.scope import Scope
from flopcalc.symbolic.size import Size, largest, smallest
from flopcalc.symbolic.writing import text


@settings(max_examples=200, deadline=None)
@given(TREES, TREES, st.sampled_from([1, 2, -3, Fraction(1, 2)]))
def test_a_product_by_its_factor(one: Any, other: Any, share: Any) -> None:
    """(a b + a) / a is b + 1, and a b / a is b, without a condition."""
    scope = scope_of()
    names = {name: scope.symbol(name) for name in NAMES}
    a, b = value_of(one, names, SYMBOLIC), value_of(other, names, SYMBOLIC)
    assume(isinstance(a, Size) and isinstance(b, Size) and len(a.terms) * len(b.terms) < 60)
    a = a + share * scope.symbol("H")
    assume(isinstance(a, Size))
    for product, expected in ((a * b, b), (a * b + a, b + 1)):
        quotient = product / a
        point = {"N": 5, "H": 38, "W": 11}
        assert evaluate(quotient, point) == evaluate(expected, point)
    assert not scope.conditions


class Other:
    """Knows how to compute with anything."""

    def _asked(self, other: Any) -> str:
        return "asked"

    __radd__ = __rsub__ = __rmul__ = __rtruediv__ = __rfloordiv__ = __rpow__ = _asked


def test_what_is_no_number_is_asked_to_compute() -> None:
    """As Python does with its own numbers; a tensor or an array may be such an operand."""
    height: Any = scope_of().symbol("H")
    other = Other()
    results = [height + other, height * other, height / other, height // other, height**other]
    assert results == ["asked"] * 5


def test_floats_are_refused() -> None:
    height: Any = scope_of().symbol("H")
    wrong: list[Callable[[], Any]] = [
        lambda: height + 0.5,
        lambda: 0.5 + height,
        lambda: height - 0.5,
        lambda: height**0.5,
        lambda: height**-1,
        lambda: height ** Fraction(1, 2),
    ]
    for compute in wrong:
        with pytest.raises(TypeError):
            compute()


def test_powers() -> None:
    """A size as the exponent is needed as a number."""
    scope = Scope({"H": 7, "W": 3})
    height: Any = scope.symbol("H")
    assert [evaluate(height**power, {"H": 5}) for power in (0, 1, 3)] == [1, 5, 125]
    assert not scope.conditions
    assert evaluate(height ** scope.symbol("W"), {"H": 5}) == 125
    assert [comparison(one) for one in scope.conditions] == ["W == 3"]


def test_in_a_format() -> None:
    """A comma is left out, and a width is filled."""
    height: Any = scope_of().symbol("H")
    assert (f"{height:,}", f"{height:>3}", f"{height}") == ("H", "  H", "H")


def test_the_smaller_of_two() -> None:
    """Where bounds tell which it is."""
    height: Any = scope_of().symbol("H")
    for a, b in ((height + 3, height), (height, height + 3), (height + 3, 1), (1, height + 3)):
        assert text(largest(a, b)) == "H + 3"
        assert text(smallest(a, b)) == ("H" if isinstance(a, Size) and isinstance(b, Size) else "1")


def test_a_floor_of_whole_and_other_numbers() -> None:
    """1/2 + 1/4 + 1/4 is 1."""
    scope = Scope({"H": 9, "w": Fraction(3, 4)})
    value = math.floor(scope.symbol("H") / 2 + scope.symbol("w") + Fraction(1, 4))
    assert evaluate(value, {"H": 1, "w": Fraction(1, 4)}) == 1


def test_equal_floors_are_equal() -> None:
    """Whole numbers in front of a floor or inside of it, and with either sign."""
    scope = scope_of()
    n, h, w = (scope.symbol(name) for name in NAMES)
    for one, other in (
        ((3 * h - w) // 3, h - (w + 2) // 3),
        ((h - w) // 2 + w, (h + w) // 2),
        ((h - w) // 3 + w, (h + 2 * w) // 3),
        ((-h - w) // 3, -((h + w + 2) // 3)),
        ((h * w - n) // 5, -((n - h * w + 4) // 5)),
        ((4 * h + 5) // 6, (2 * h + 2) // 3),
        ((h // 4 + 7) // 3, (h + 28) // 12),
        ((h * w // 4 + 7) // 3, (h * w + 28) // 12),
        ((2 * (h // 4) + 7) // 6, (h // 4 + 3) // 3),
    ):
        assert one == other
        assert text(one) == text(other)
    assert not scope.conditions
    assert text((3 * h - w) // 3) == "H - ceil(W/3)"
    # Half of 3 * 3, and not 1 * 3.
    assert evaluate((h // 4) * (h // 4) // 2, {"H": 12}) == 4
