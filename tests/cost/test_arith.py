"""The helpers of formulas give the same on ints, arrays and symbols, and are exact."""

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from flopcalc.analysis.sweeping.node import Book, NeedsNumberError
from flopcalc.cost import arith
from flopcalc.cost.traced import Trace, Traced
from flopcalc.symbolic.conditions import allows
from flopcalc.symbolic.evaluating import evaluate
from flopcalc.symbolic.scope import Scope
from flopcalc.symbolic.size import Size

WHOLE = st.integers(1, 10**6)


@given(WHOLE, WHOLE)
def test_quotients_agree_with_fractions(a: int, b: int) -> None:
    """Against Fraction's own floor and ceiling, an independent definition."""
    quotient = Fraction(a, b)
    assert arith.floor_div(a, b) == math.floor(quotient)
    assert arith.ceil_div(a, b) == math.ceil(quotient)
    assert arith.ceil_div(np.array([a]), b).tolist() == [math.ceil(quotient)]
    assert arith.ceil_div(sympy.Integer(a), b) == math.ceil(quotient)
    assert arith.floor_div(sympy.Integer(a), b) == math.floor(quotient)


@given(WHOLE, WHOLE)
def test_extremes(a: int, b: int) -> None:
    """maximum and minimum on every kind of number."""
    assert (arith.maximum(a, b), arith.minimum(a, b)) == (max(a, b), min(a, b))
    assert arith.maximum(np.array([a, b]), np.array([b, a])).tolist() == [max(a, b)] * 2
    x = sympy.Symbol("x", integer=True, positive=True)
    assert arith.maximum(x, a).subs(x, b) == max(a, b)
    part = Fraction(1, 3)
    assert (arith.maximum(part, a), arith.maximum(a, part), arith.minimum(a, part)) == (a, a, part)


@pytest.mark.parametrize("value", [1, 2, 3, 2**40 - 1, 2**53 - 1, 2**60 - 1, 2**60, 2**60 + 1])
def test_floor_log2_is_exact(value: int) -> None:
    """Just below a power of two a float rounds up; this must not."""
    expected = len(bin(value)) - 3
    assert arith.floor_log2(value) == expected
    assert arith.floor_log2(np.array([value], dtype=np.int64)).tolist() == [expected]


def test_floor_log2_of_quotients_and_symbols() -> None:
    """log2(384 / 128) = log2(3) floors to 1; a symbol stays a formula."""
    assert arith.floor_log2(384, 128) == 1
    assert arith.floor_log2(np.array([384, 512]), 128).tolist() == [1, 2]
    x = sympy.Symbol("x", positive=True)
    assert arith.floor_log2(x, 128).subs(x, 1024) == 3


@pytest.mark.parametrize(
    ("value", "expected", "first", "last"),
    [
        (lambda h: arith.floor_log2(h, 2), 3, 16, 31),  # 20 / 2 is from 8 to 15
        (lambda h: arith.floor_log2(1000, h), 5, 16, 31),  # 1000 / 20 is from 32 to 63, so 1000/64 < H <= 1000/32
        (lambda h: arith.floor_log2(8 * h, h), 3, 1, 100),
        (lambda h: arith.floor_log2(h + 100, 2 * h), 1, 15, 33),  # H + 100 >= 4 H, and H + 100 < 8 H
    ],
)
def test_floor_log2_of_symbolic_sizes(value: Callable[[Size], int], expected: int, first: int, last: int) -> None:
    """It has no form: it is a number, with the sizes from `first` to `last` as a condition."""
    scope = Scope({"H": 20})
    assert value(scope.symbol("H")) == expected
    held = [size for size in range(1, 101) if allows(scope, {"H": size})]
    assert held == list(range(first, last + 1))


@pytest.mark.parametrize(
    ("symbolic", "plain"),
    [
        (arith.maximum, max),
        (lambda h, w: arith.maximum(7, w), lambda h, w: max(7, w)),
        (arith.minimum, min),
        (lambda h, w: arith.minimum(h, 7), lambda h, w: min(h, 7)),
        (lambda h, w: arith.floor_div(h, 3), lambda h, w: math.floor(Fraction(h, 3))),
        (lambda h, w: arith.ceil_div(h, 3), lambda h, w: math.ceil(Fraction(h, 3))),
        (lambda h, w: arith.exact_div(12 * h, 3), lambda h, w: 4 * h),
        (lambda h, w: arith.exact_div(h * w, w), lambda h, w: h),
        (lambda h, w: arith.share(Fraction(29, 100), h), lambda h, w: math.floor(Fraction(29 * h, 100))),
        (lambda h, w: arith.share(h, Fraction(29, 100)), lambda h, w: math.floor(Fraction(29 * h, 100))),
    ],
)
def test_helpers_on_symbolic_sizes(symbolic: Callable[..., Size], plain: Callable[[int, int], int]) -> None:
    """One form for all sizes: nothing is decided at the size of the reference."""
    scope = Scope({"H": 20, "W": 30})
    found = symbolic(scope.symbol("H"), scope.symbol("W"))
    for h, w in ((1, 1), (6, 7), (7, 6), (8, 9), (20, 30), (100, 41)):
        assert evaluate(found, {"H": h, "W": w}) == plain(h, w)
    assert not scope.conditions


@pytest.mark.parametrize(
    ("top", "bottom", "exact"),
    [(1, 1, 0), (8, 1, 3), (1, 4, -2), (6, 1, None), (1, 3, None), (3, 8, None), (5, 3, None)],
)
def test_log2(top: int, bottom: int, exact: int | None) -> None:
    """Exact where the number is a power of two, which both its numerator and its denominator then are."""
    found = arith.log2(Fraction(top, bottom))
    if exact is None:
        assert found == pytest.approx(math.log2(top / bottom))
    else:
        assert (found, type(found)) == (exact, int)


def test_log2_of_other_numbers() -> None:
    """A float, a symbol; a symbolic size is fixed, as its logarithm has no form. Of 0 and below there is none."""
    assert arith.log2(2.5) == math.log2(2.5)
    x = sympy.Symbol("x", positive=True)
    assert sympy.simplify(arith.log2(x).subs(x, 8)) == 3
    scope = Scope({"H": 16})
    assert arith.log2(scope.symbol("H")) == 4
    assert [size for size in range(1, 40) if allows(scope, {"H": size})] == [16]
    for value in (0, -4, Fraction(0), -0.5):
        with pytest.raises(TypeError, match="not positive"):
            arith.log2(value)


def test_square_root() -> None:
    """Of a symbol its root; symbolic sizes have no form for it."""
    x = sympy.Symbol("x", positive=True)
    assert (arith.square_root(9), arith.square_root(x)) == (3, sympy.sqrt(x))
    assert math.isnan(arith.square_root(Scope({"H": 20}).symbol("H")))


@given(st.integers(0, 12))
def test_summation(last: int) -> None:
    """Sum of 2^i for i = 1..last is 2^(last + 1) - 2."""
    expected = 2 ** (last + 1) - 2
    assert arith.summation(lambda i: 2**i, 1, last) == expected
    assert arith.summation(lambda i: 2**i, 1, np.array([last, last])).tolist() == [expected] * 2
    n = sympy.Symbol("n", integer=True, positive=True)
    if last:
        assert arith.summation(lambda i: 2**i, 1, n).subs(n, last) == expected


def test_summation_up_to_several_numbers() -> None:
    """1 + ... + n, where the rounding of a whole number and the larger of it and 0 are the number."""
    n = sympy.Symbol("n", integer=True, positive=True)
    found = arith.summation(lambda i: arith.maximum(arith.ceil_div(i, 1), 0), 1, n)
    assert sympy.simplify(found - n * (n + 1) / 2) == 0
    assert arith.summation(lambda i: i, 1, np.array([2, 5, 0])).tolist() == [3, 15, 0]


def test_share_is_exact() -> None:
    """int(100 * 0.29) is 28; an exact ratio gives 29."""
    assert arith.share(Fraction(29, 100), 100) == 29
    thirds = arith.share(Fraction(1, 3), np.array([10, 11, 12]))
    assert (thirds.tolist(), thirds.dtype.kind) == ([3, 3, 4], "i")
    x = sympy.Symbol("x", integer=True, positive=True)
    assert arith.share(Fraction(1, 3), x).subs(x, 11) == 3
    ratio = sympy.Symbol("r", positive=True)
    assert arith.share(ratio, x) == sympy.floor(ratio * x)
    assert arith.share(Traced(Fraction(1, 3), 1, Trace(Fraction(1, 3))), 11) == 3


def test_exact_div_keeps_no_floor_on_symbols() -> None:
    """A rule guarantees divisibility, so the closed form is a plain quotient."""
    a, g = sympy.symbols("a g", integer=True, positive=True)
    assert arith.exact_div(a, g) == a / g
    assert arith.exact_div(a, 4) == a / 4
    assert arith.exact_div(12, g) == 12 / g
    assert (arith.exact_div(12, 4), type(arith.exact_div(12, 4))) == (3, int)
    assert arith.exact_div(np.array([12, 8]), 4).dtype.kind == "i"


def test_a_symbol_has_the_form_that_people_write() -> None:
    """ceil(x / 3) and not -floor(-x / 3), min(x, 7) and not -max(-x, -7)."""
    x = sympy.Symbol("x", integer=True, positive=True)
    assert arith.ceil_div(x, 3) == sympy.ceiling(x / 3)
    assert arith.minimum(x, 7) == sympy.Min(x, 7)
    h = Scope({"H": 20}).symbol("H")
    assert str(arith.minimum(h, 7)) == str(arith.minimum(7, h)) == "min(7, H)"


def test_a_function_of_each_element() -> None:
    """7 -> 2, the number of its divisors; 6 -> 4."""

    def divisors(value: int) -> int:
        return sum(value % one == 0 for one in range(1, value + 1))

    assert arith.elementwise(divisors, 6) == 4
    assert arith.elementwise(divisors, np.array([[6, 7], [1, 12]])).tolist() == [[4, 2], [1, 6]]
    scope = Scope({"H": 20})
    assert arith.elementwise(divisors, scope.symbol("H")) == 6
    assert [size for size in range(1, 40) if allows(scope, {"H": size})] == [20]


def test_recorded_numbers() -> None:
    """What is computed with them is recorded, from both sides, with its bounds."""
    book = Book()
    n = book.axis(0, 3, 20)
    for found in (arith.maximum(n, 8), arith.maximum(8, n)):
        assert (found.low, found.high) == (8, 20)
    logarithm = arith.floor_log2(4 * n, 2)
    assert (logarithm.low, logarithm.high) == (2, 5)  # log2 of 6 and of 40
    total = arith.summation(lambda i: i, 1, n)
    assert (total.low, total.high) == (1 + 2 + 3, 20 * 21 // 2)
    with pytest.raises(NeedsNumberError):
        arith.elementwise(lambda value: -value, n)


def test_the_highest_of_many_sizes() -> None:
    """At every size it is the largest; what is never larger than another one is not in the form."""
    h = Scope({"H": 20}).symbol("H")
    many = [h, 3 * h - 40, 2 * h + 1, 50, h + 1]
    found = arith.highest(many)
    for size in (1, 2, 19, 20, 24, 25, 41, 42, 300):
        assert evaluate(found, {"H": size}) == max(size, 3 * size - 40, 2 * size + 1, 50, size + 1)
    # H <= H + 1 <= 2 H + 1
    assert str(found) == str(arith.highest([3 * h - 40, 2 * h + 1, 50]))
    # 2 H - 1 is never less than H, and the same at 1. What is given twice is there once.
    for several in ([2 * h - 1, 50, h], [h, 50, 2 * h - 1], [2 * h - 1, 50, 2 * h - 1]):
        assert str(arith.highest(several)) == str(arith.highest([2 * h - 1, 50]))
    assert [str(arith.highest(pair)) for pair in ([h, h + 1], [h + 1, h], [h, h])] == ["H + 1", "H + 1", "H"]
    assert arith.highest([3, 7, 5]) == 7


def test_add_up_flattens_a_sum_of_symbols_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sum of 300 symbols: 300 terms are flattened; one after the other it is 2 + 3 + ... + 300 = 45,149."""
    terms: list[int] = []
    flatten = sympy.Add.flatten

    def counted(seq: list[sympy.Expr]) -> object:
        terms.append(len(seq))
        return flatten(seq)

    monkeypatch.setattr(sympy.Add, "flatten", counted)
    symbols = [sympy.Symbol(f"x{i}", positive=True) for i in range(300)]
    found = arith.add_up(symbols)
    assert sum(terms) == 300
    assert found.subs(dict.fromkeys(symbols, 2)) == 600
    assert found == sum(symbols)
    assert arith.add_up([3, symbols[0], Fraction(1, 2), symbols[0]]) == 2 * symbols[0] + sympy.Rational(7, 2)
    assert [arith.add_up(()), arith.add_up([1, 2]), type(arith.add_up([1, 2]))] == [0, 3, int]
    assert arith.add_up([np.array([1, 2]), 3]).tolist() == [4, 5]
