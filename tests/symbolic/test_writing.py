"""Expressions as text, LaTeX and Python source: by hand."""

import math
from fractions import Fraction
from typing import Any

import pytest

from flopcalc.errors import FlopcalcError
from flopcalc.symbolic.scope import Scope
from flopcalc.symbolic.size import largest, smallest
from flopcalc.symbolic.writing import LATEX, atom_counts, latex, latex_lines, python, term_text, terms_of, text
from flopcalc.text.expression import evaluate as read


@pytest.fixture
def symbols() -> tuple[Any, Any, Any, Any]:
    """Three whole numbers and a rational one."""
    scope = Scope({"N": 3, "H": 224, "W": 288, "w": Fraction(3, 4)})
    n, h, w, width = (scope.symbol(name) for name in scope.hints)
    return n, h, w, width


def test_numbers() -> None:
    """A whole fraction has no denominator, and the sign is in front."""
    assert [text(one) for one in (3, -3, Fraction(8, 2), Fraction(-1, 2), 0)] == ["3", "-3", "4", "-1/2", "0"]
    shown = [latex(one) for one in (-1234567, Fraction(3, 4), Fraction(-1, 2))]
    assert shown == [r"-1\,234\,567", r"\frac{3}{4}", r"-\frac{1}{2}"]
    assert latex_lines(1234) == [r"1\,234"]
    assert (terms_of(0), terms_of(3)) == ([], [((), 3)])


def test_terms(symbols: tuple[Any, Any, Any, Any]) -> None:
    """Those of most factors first, then in the order of the symbols, whatever their factors are."""
    n, h, w, _ = symbols
    value = 5 * n + 2 * h + 3 * w + n * h - 7
    assert text(value) == "N*H + 5*N + 2*H + 3*W - 7"
    assert [term_text(value, term) for term in terms_of(value)] == ["N*H", "5*N", "2*H", "3*W", "-7"]
    assert term_text(value, ((), Fraction(-1, 2)), LATEX) == r"-\frac{1}{2}"
    atoms = value.scope.atoms
    assert {atoms[index].name: count for index, count in atom_counts(value + h * h).items()} == {"N": 2, "H": 3, "W": 1}


def test_floors(symbols: tuple[Any, Any, Any, Any]) -> None:
    """As text, as LaTeX and as Python."""
    _, h, w, width = symbols
    cases = {
        h // 2: ("floor(H/2)", r"\left\lfloor \frac{H}{2} \right\rfloor", "(H//2)"),
        -(-h // 2): ("ceil(H/2)", r"\left\lceil \frac{H}{2} \right\rceil", "(-(-H//2))"),
        2 * h // 3: ("floor(2*H/3)", r"\left\lfloor \frac{2 \, H}{3} \right\rfloor", "(2*H//3)"),
        -(-2 * h // 3): ("ceil(2*H/3)", r"\left\lceil \frac{2 \, H}{3} \right\rceil", "(-(-(2*H)//3))"),
        (h + w) // 3: ("floor((H+W)/3)", r"\left\lfloor \frac{H + W}{3} \right\rfloor", "((H + W)//3)"),
        math.floor(width): ("floor(w)", r"\left\lfloor w \right\rfloor", "(w//1)"),
        # Not ceil((H + w)/2), since H + w need not be whole.
        math.floor((width * h + h + 1) / 2): (
            "floor((H*w+H+1)/2)",
            r"\left\lfloor \frac{H \, w + H + 1}{2} \right\rfloor",
            "((H*w + H + 1)//2)",
        ),
    }
    for value, expected in cases.items():
        assert (text(value), latex(value), python(value)) == expected


def test_extremes(symbols: tuple[Any, Any, Any, Any]) -> None:
    _, h, _, width = symbols
    assert latex(largest(h, 3)) == r"\max\left(3, H\right)"
    assert latex(smallest(h, 3)) == r"\min\left(3, H\right)"
    assert latex(read("divisible(x, 8)", {"x": 16 * width})) == r"\operatorname{div}\left(16 \, w, 8\right)"


def test_different_denominators_in_python(symbols: tuple[Any, Any, Any, Any]) -> None:
    """1 + 4 + 9 = 14: a sum of n^3/3, n^2/2 and n/6 is divided as a whole."""
    n, *_ = symbols
    value = n * (n + 1) * (2 * n + 1) / 6
    assert eval(python(value), {"N": 3}) == 14  # noqa: S307 - our own text


def test_brackets_around_lines(symbols: tuple[Any, Any, Any, Any]) -> None:
    """They close in the last line."""
    _, h, w, _ = symbols
    lines = latex_lines(w * (h // 2) + w * h - 3 * w, per_line=1)
    assert lines == [r"W \, \bigl( H", r"+ \left\lfloor \frac{H}{2} \right\rfloor", r"- 3 \bigr)"]


def test_a_factor_that_is_too_long() -> None:
    """A hundred thousand characters are of no use to a reader."""
    assert len(text(Scope({"x" * 50_000: 3}).symbol("x" * 50_000))) == 50_000
    with pytest.raises(FlopcalcError, match="terms"):
        text(Scope({"x" * 200_000: 3}).symbol("x" * 200_000))
