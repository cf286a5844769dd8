"""Expressions at arrays of sizes: exact, and on 64-bit integers where they suffice."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from symbolic.trees import NAMES, PLAIN, SYMBOLIC, TREES, scope_of, value_of

from flopcalc.symbolic.arrays import evaluate_all
from flopcalc.symbolic.scope import Scope
from flopcalc.symbolic.size import Size, largest
from flopcalc.text.expression import evaluate as read

numpy: Any = pytest.importorskip("numpy")


@settings(max_examples=200, deadline=None)
@given(TREES, st.sampled_from([3, 700, 10**5, 10**8]))
def test_arrays_are_exact(tree: Any, most: int) -> None:
    """As plain arithmetic on Python's integers, also where 64 bits do not suffice."""
    scope = scope_of()
    form = value_of(tree, {name: scope.symbol(name) for name in NAMES}, SYMBOLIC)
    assume(isinstance(form, Size))
    columns = {name: [1 + (most * (place + 3) * step) // 7 for step in range(7)] for place, name in enumerate(NAMES)}
    found = evaluate_all({"x": form}, {name: numpy.array(column) for name, column in columns.items()})["x"]
    expected = [
        value_of(tree, dict(zip(NAMES, sizes, strict=True)), PLAIN) for sizes in zip(*columns.values(), strict=True)
    ]
    assert [int(one) for one in found] == expected


def test_a_sum_beyond_64_bits_next_to_a_fraction() -> None:
    """2^62 + 2^62 does not fit into 64 bits, whatever comes after it."""
    scope = scope_of()
    n, h, w = (scope.symbol(name) for name in NAMES)
    for factor in (Fraction(1, 2), Fraction(-1, 2), Fraction(3, 2), Fraction(-3, 2)):
        point = {name: numpy.array([2**31]) for name in NAMES}
        found = evaluate_all({"x": n * n + h * h + factor * w * w}, point)["x"]
        assert found.tolist() == [2**63 + factor * 2**62]


def test_a_quotient_that_is_whole_is_an_integer() -> None:
    """h^2 / 4 at even sizes; where one is odd, as exact fractions."""
    size = Scope({"H": 224}).symbol("H")
    found = evaluate_all({"x": size * size / 4 + size / 2}, {"H": numpy.array([2, 4, 10])})["x"]
    assert found.dtype == "int64"
    assert found.tolist() == [2, 6, 30]
    assert evaluate_all({"x": size / 4}, {"H": numpy.array([2, 4])})["x"].tolist() == [Fraction(1, 2), 1]


EXPONENTS = st.fixed_dictionaries({name: st.integers(0, 62) for name in NAMES})


@settings(max_examples=600, deadline=None)
@given(TREES, EXPONENTS)
def test_arrays_near_the_largest_number(tree: Any, exponents: dict[str, int]) -> None:
    """Sizes around powers of two, so that many expressions or their terms are just beyond 64 bits."""
    scope = scope_of()
    form = value_of(tree, {name: scope.symbol(name) for name in NAMES}, SYMBOLIC)
    assume(isinstance(form, Size))
    columns = {name: [max(1, 2 ** exponents[name] + step) for step in (-1, 0, 1)] for name in NAMES}
    found = evaluate_all({"x": form}, {name: numpy.array(column) for name, column in columns.items()})["x"]
    expected = [
        value_of(tree, dict(zip(NAMES, sizes, strict=True)), PLAIN) for sizes in zip(*columns.values(), strict=True)
    ]
    assert [int(one) for one in found] == expected


# Expressions of n and h, the exponents of n and h, and the value. Something that is computed for them is 2^63 or more.
BEYOND: dict[str, tuple[Callable[[Any, Any], Any], int, int, int]] = {
    "a sum": (lambda n, h: n + h, 62, 62, 2**63),
    "a difference": (lambda n, h: -n - 3 * h, 1, 62, -2 - 3 * 2**62),
    "a product": (lambda n, h: 3 * n * h, 31, 31, 3 * 2**62),
    "a factor": (lambda n, h: 2 * n - n * h, 62, 0, 2**62),
    "a dividend": (lambda n, h: (n + 3 * h) // 5, 62, 61, (2**62 + 3 * 2**61) // 5),
    "a dividend of fractions": (lambda n, h: math.floor(n / 2 + h / 3), 61, 61, 5 * 2**60 // 3),
    "the larger one": (lambda n, h: largest(n * h, 5 * n) - n * h + h, 40, 30, 2**30),
    "the first of the larger one": (lambda n, h: largest(4 * n, h), 61, 3, 2**63),
    "a multiple": (lambda n, h: read("divisible(a, 8)", {"a": n}) + h, 60, 3, 2**60 + 8),
    "a multiple that is small next to its divisor": (
        lambda n, h: read("divisible(a, b)", {"a": n, "b": 2**60}) + h,
        3,
        3,
        2**60 + 8,
    ),
}


@pytest.mark.parametrize("case", BEYOND)
def test_what_is_beyond_64_bits(case: str) -> None:
    """Also where the result is not."""
    form, *powers, expected = BEYOND[case]
    scope = scope_of()
    n, h = scope.symbol("N"), scope.symbol("H")
    point = {name: numpy.array([2**power]) for name, power in zip("NH", powers, strict=True)}
    assert evaluate_all({"x": form(n, h)}, point)["x"].tolist() == [expected]
    # Next to one that fits, and with a plain number.
    both = evaluate_all({"small": h, "x": form(n, h)}, {**point, "H": 2 ** powers[1]})
    assert both["x"].tolist() == [expected]


@pytest.mark.parametrize("sizes", [[-(2**40), 1], [-1, 2**40], [2**40], []], ids=str)
def test_squares(sizes: list[int]) -> None:
    """The size that is farthest from 0 decides, on either side."""
    n = scope_of().symbol("N")
    assert evaluate_all({"x": n * n}, {"N": numpy.array(sizes)})["x"].tolist() == [size * size for size in sizes]


def test_what_fits_is_computed_on_64_bits() -> None:
    """2^63 - 1 does; beyond it are Python's integers, a hundred times slower."""
    scope = scope_of()
    n, h = scope.symbol("N"), scope.symbol("H")
    for size, kind in ((2**63 - 1, "int64"), (2**63, "object")):
        assert evaluate_all({"x": n * h}, {"N": numpy.array([size]), "H": numpy.array([1])})["x"].dtype == kind
    multiple = read("divisible(a, 8)", {"a": n})
    most = (2**63 - 1) // 10 - 8
    for size, kind in ((most, "int64"), (most + 1, "object")):
        assert evaluate_all({"x": multiple}, {"N": numpy.array([size])})["x"].dtype == kind
    for size, kind in ((2**62 - 1, "int64"), (2**62, "object")):
        assert evaluate_all({"x": largest(n, h)}, dict.fromkeys("NH", numpy.array([size])))["x"].dtype == kind
    # At sizes of 10^6 a product of three is the cost of a large layer.
    assert evaluate_all({"x": n * n * h}, {"N": numpy.array([10**6]), "H": numpy.array([10**6])})["x"].dtype == "int64"


def test_without_an_array() -> None:
    """A quotient of plain numbers is one, in the point or in one expression only."""
    scope = scope_of()
    assert evaluate_all({"x": scope.symbol("N") / 4}, {"N": 3}) == {"x": Fraction(3, 4)}
    point = {"N": 3, "H": numpy.array([1, 2])}
    assert evaluate_all({"x": scope.symbol("N") / 4, "y": scope.symbol("H")}, point)["x"] == Fraction(3, 4)
    assert evaluate_all({"x": scope.symbol("N") / 3, "y": scope.symbol("H")}, point)["x"] == 1
