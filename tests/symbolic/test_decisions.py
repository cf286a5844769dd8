"""Decisions about symbolic sizes: which need no condition, which record one, and how it is written. All by hand."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from flopcalc.symbolic.conditions import FixedSize, Requirement, comparison, requirements
from flopcalc.symbolic.evaluating import evaluate
from flopcalc.symbolic.scope import Condition, Scope
from flopcalc.symbolic.writing import latex_symbol, python, text
from flopcalc.text.expression import evaluate as read


@pytest.fixture
def sizes() -> tuple[Scope, Any, Any]:
    """A scope of two sizes that are alike at the reference point."""
    scope = Scope({"H": 224, "W": 224})
    return scope, scope.symbol("H"), scope.symbol("W")


def test_a_multiple_below_the_next_one_is_none(sizes: tuple[Scope, Any, Any]) -> None:
    """floor((H + 2)/4) <= (H + 2)/4, so 4 floor((H + 2)/4) - 2H <= 2 - H <= 1; it is even, so it is at most 0."""
    scope, height, _ = sizes
    assert not scope.is_positive(4 * ((height + 2) // 4) - 2 * height)
    assert not scope.conditions


def test_under_an_equality_a_difference_is_a_number(sizes: tuple[Scope, Any, Any]) -> None:
    """Once H == W is known, H - W is 0, which is not above 0, and H - W + 1 is 1, which is."""
    scope, height, width = sizes
    assert scope.is_zero(height - width)
    assert [comparison(one) for one in scope.conditions] == ["H == W"]
    assert scope.is_positive(height - width, or_zero=True)
    assert not scope.is_positive(height - width)
    assert scope.is_positive(height - width + 1)
    assert not scope.is_positive(height - width - 1, or_zero=True)
    assert len(scope.conditions) == 1


def test_the_same_decision_is_one_condition(sizes: tuple[Scope, Any, Any]) -> None:
    """However often it is made."""
    scope, height, width = sizes
    for _ in range(3):
        assert not scope.is_positive(height - 3 * width)
    assert [comparison(one) for one in scope.conditions] == ["H <= 3*W"]


# An expression in H, which is at least 1, and a relation to 0: whether it holds at all sizes.
REQUIRED: list[tuple[int, int, str, bool]] = [
    # factor, constant, relation, always
    (1, 0, ">", True),
    (1, 0, ">=", True),
    (1, 0, "!=", True),
    (1, -1, ">=", True),
    (1, -1, ">", False),
    (1, -1, "!=", False),
    (1, -2, ">=", False),
    (-1, 0, "<", True),
    (-1, 0, "!=", True),
    (-1, 1, "<=", True),
    (-1, 1, "<", False),
    (-1, 2, "<=", False),
]


@pytest.mark.parametrize(("factor", "constant", "relation", "always"), REQUIRED)
def test_what_always_holds_is_not_required(
    factor: int, constant: int, relation: str, always: bool, sizes: tuple[Scope, Any, Any]
) -> None:
    scope, height, _ = sizes
    value = factor * height + constant
    assert scope.require(Condition(value, relation, "here"), value)
    assert bool(scope.conditions) is not always


def test_a_quotient_under_equalities_is_exact(sizes: tuple[Scope, Any, Any]) -> None:
    """For even sizes H is 2 floor(H/2), so that H*W is 4 floor(H/2) floor(W/2); no size is needed as a number."""
    scope, height, width = sizes
    assert height % 2 == 0
    assert width % 2 == 0
    quarter = (height // 2) * (width // 2)
    assert height * width // quarter == 4
    assert height * width / quarter == 4
    assert text(3 * height * width * width // quarter) == "24*floor(W/2)"
    assert {comparison(one) for one in scope.conditions} == {"H == 2*floor(H/2)", "W == 2*floor(W/2)"}


def test_a_quotient_of_sizes_needs_the_divisor(sizes: tuple[Scope, Any, Any]) -> None:
    """H // W has no form: W is needed as a number, which is a condition; H*W // W is H."""
    scope, height, width = sizes
    assert (height * width) // width == height
    assert not scope.conditions
    quotient = height // (width + 1)
    assert [comparison(one) for one in scope.conditions] == ["W == 224"]
    # floor(500 / 225)
    assert evaluate(quotient, {"H": 500, "W": 224}) == 2


def test_floors_at_rational_numbers() -> None:
    """8/3 of 7/5 is 56/15, so 3 whole ones; of 3/2 it is 4."""
    scope = Scope({"w": Fraction(1, 2)})
    value = 8 * scope.symbol("w") // 3
    assert evaluate(value, {"w": Fraction(7, 5)}) == 3
    assert evaluate(value, {"w": Fraction(3, 2)}) == 4
    assert evaluate(value, {"w": Fraction(1, 100)}) == 0


def test_a_condition_that_fails_far_away_is_kept(sizes: tuple[Scope, Any, Any]) -> None:
    """H*W < 10^8 holds at all sizes below 1,000, and fails at 10^5 x 10^5."""
    scope, height, width = sizes
    assert scope.is_positive(10**8 - height * width)
    needed, fixed = requirements(scope)
    assert "H*W" in str([*needed, *fixed])


@pytest.mark.parametrize(
    ("terms", "relation", "shown"),
    [
        ((1, -2, 0), ">=", "H >= 2*W"),
        ((2, 0, -32), ">", "H > 16"),
        ((-1, 0, 5), "<=", "H >= 5"),
        ((-1, 0, 5), "<", "H > 5"),
        ((-1, 0, 5), "==", "H == 5"),
        ((-3, 6, 0), ">", "2*W > H"),
        ((-1, -1, 0), "<", "H + W > 0"),
        ((1, 1, -7), "!=", "H + W != 7"),
    ],
)
def test_a_condition_has_no_negative_terms(
    terms: tuple[int, int, int], relation: str, shown: str, sizes: tuple[Scope, Any, Any]
) -> None:
    """They are on the other side, without what all terms share."""
    _, height, width = sizes
    value = terms[0] * height + terms[1] * width + terms[2]
    assert comparison(Condition(value, relation, "")) == shown


@pytest.mark.parametrize(
    ("difference", "or_zero", "shown"),
    [(1, False, "H > W"), (0, False, "H <= W"), (-1, False, "H <= W"), (0, True, "H >= W"), (-1, True, "H < W")],
)
def test_the_hints_decide(difference: int, or_zero: bool, shown: str) -> None:
    """Where bounds do not: by the sign of the difference at the reference point, next to 0 as well."""
    scope = Scope({"H": 224 + difference, "W": 224})
    decided = scope.is_positive(scope.symbol("H") - scope.symbol("W"), or_zero=or_zero)
    assert decided is (difference > 0 or (or_zero and difference == 0))
    assert [comparison(one) for one in scope.conditions] == [shown]


def test_a_common_factor_is_written_before_brackets(sizes: tuple[Scope, Any, Any]) -> None:
    """W ceil(H/2) + W at H = 5, W = 2 is 2 * 3 + 2 = 8, as text and as Python."""
    _, height, width = sizes
    value = width * -(-height // 2) + width
    assert text(value) == "W*(ceil(H/2) + 1)"
    assert read(text(value), {"H": 5, "W": 2}) == 8
    assert eval(python(value), {}, {"H": 5, "W": 2}) == 8  # noqa: S307 - our own text


def test_a_factor_of_halves_stays_inside(sizes: tuple[Scope, Any, Any]) -> None:
    """W ceil(H/2) / 2 + W at H = 5, W = 2 is 3 + 2 = 5; ceil(H/2) / 2 + 1 by itself is not whole there."""
    _, height, width = sizes
    value = width * -(-height // 2) / 2 + width
    assert text(value) == "W*ceil(H/2)/2 + W"
    assert read(text(value), {"H": 5, "W": 2}) == 5
    assert eval(python(value), {}, {"H": 5, "W": 2}) == 5  # noqa: S307 - our own text


@pytest.mark.parametrize(
    ("name", "shown"), [("H", "H"), ("width", r"\mathrm{width}"), ("d_model", r"d_{\mathrm{model}}")]
)
def test_a_symbol_in_latex(name: str, shown: str) -> None:
    """A letter in italics, a word upright, and an index only where the name has one."""
    assert latex_symbol(name) == shown


def test_a_quotient_of_many_terms(sizes: tuple[Scope, Any, Any]) -> None:
    """A product divides a sum term by term, however long it is; 1 + 2 + .. + 2^69 = 2^70 - 1."""
    scope, height, width = sizes
    total = sum(height * width**power for power in range(70))
    assert evaluate(total // height, {"H": 1, "W": 2}) == 2**70 - 1
    assert not scope.conditions


def test_a_condition_that_holds_again_is_no_upper_bound() -> None:
    """H % 3000 is not 0 at 1 to 2,999, and again at 3,001: in words it is no H <= 2999."""
    scope = Scope({"H": 224})
    height = scope.symbol("H")
    assert height % 3000 != 0
    needed, fixed = requirements(scope)
    assert not fixed
    assert [one.condition for one in needed] == ["H != 3000*floor(H/3000)"]


def test_a_rounded_size_may_be_above_its_own(sizes: tuple[Scope, Any, Any]) -> None:
    """min(H, 20) is 20 at most, which is rounded to 24, since 8 divides (20 + 4) // 8 * 8."""
    scope, height, _ = sizes
    rounded = read("divisible(min(x, 20), 8)", {"x": height})
    assert rounded > 20
    assert scope.conditions
    assert rounded <= 28
    assert len(scope.conditions) == 1


def test_the_floor_of_a_half_has_one_form(sizes: tuple[Scope, Any, Any]) -> None:
    """floor((H - 1)/2) is floor((H + 1)/2) - 1, whatever the number of halves."""
    _, height, width = sizes
    for odd in (-5, -3, -1, 1, 3):
        assert text((height + odd) // 2) == text((height + 1) // 2 + (odd - 1) // 2)
        assert text((height - width + odd) // 2) == text((height - width + 1) // 2 + (odd - 1) // 2)


def test_only_the_least_upper_bound_is_shown(sizes: tuple[Scope, Any, Any]) -> None:
    """H <= 500 says all that H <= 700 does; W has a bound of its own."""
    scope, height, width = sizes
    for most in (700, 500, 600):
        assert height <= most
    assert width <= 700
    assert [one.condition for one in requirements(scope)[0]] == ["H <= 500", "W <= 700"]


@pytest.mark.parametrize(
    ("decisions", "shown"),
    [
        # From 3 to 40, and from 5 to 19.
        ([lambda h, w: (h - 2) * (41 - h) > 0, lambda h, w: (h - 4) * (20 - h) > 0], ["H >= 5", "H <= 19"]),
        ([lambda h, w: (h - 4) * (20 - h) > 0, lambda h, w: (h - 2) * (41 - h) > 0], ["H >= 5", "H <= 19"]),
        # At least 4 by a bound of its own, and from 6 on; and the other way round.
        ([lambda h, w: h >= 4, lambda h, w: h * h - 5 * h > 0], ["H >= 6"]),
        ([lambda h, w: h * h - 5 * h > 0, lambda h, w: h >= 4], ["H >= 6"]),
        (
            [lambda h, w: h <= 30, lambda h, w: h != 30, lambda h, w: h != 29, lambda h, w: h != 27],
            ["H <= 28", "H != 27"],
        ),
        ([lambda h, w: h % 4 == 0, lambda h, w: h <= 32, lambda h, w: h != 32], ["H % 4 == 0", "H <= 28"]),
        # The first ends below a size that the second excludes, or above it.
        ([lambda h, w: h // 16 < 40, lambda h, w: h != 620], ["H <= 639", "H != 620"]),
        ([lambda h, w: 40 - h // 16 > 0, lambda h, w: h != 620], ["H <= 639", "H != 620"]),
        ([lambda h, w: h // 16 < 40, lambda h, w: h != 639, lambda h, w: h != 700], ["H <= 638"]),
        # A size far beyond those next to it, and one that no size is.
        ([lambda h, w: h != 640], ["H != 640"]),
        ([lambda h, w: h // 16 != 40], ["floor(H/16) != 40"]),
        ([lambda h, w: h * h != 250001], []),
        ([lambda h, w: h % 4 == 0, lambda h, w: h != 1640], ["H % 4 == 0", "H != 1640"]),
        ([lambda h, w: h % 4 == 0, lambda h, w: h <= 1701], ["H % 4 == 0", "H <= 1700"]),
        # Below a whole number there are others.
        ([lambda h, w: w <= 3, lambda h, w: w != 3], ["w <= 3", "w != 3"]),
    ],
)
def test_conditions_on_one_size_are_joined(decisions: list[Callable[[Any, Any], bool]], shown: list[str]) -> None:
    """Of several ends of a size only the closest says something, and a size that is excluded there moves it."""
    scope = Scope({"H": 12, "w": Fraction(3, 4)})
    assert all(decide(scope.symbol("H"), scope.symbol("w")) for decide in decisions)
    assert [one.condition for one in requirements(scope)[0]] == shown


def test_a_size_with_one_value_has_no_bounds() -> None:
    """Nor has one whose least multiple is that of the least size."""
    scope = Scope({"H": 12, "W": 16}, {"H": 1, "W": 5})
    height, width = scope.symbol("H"), scope.symbol("W")
    assert height >= 4
    assert height * height - 144 == 0
    assert width >= 7
    assert width % 8 == 0
    assert requirements(scope) == ([Requirement("W % 8 == 0", "")], [FixedSize("H", 12, "")])


@pytest.mark.parametrize(
    ("decide", "shown"),
    [
        # It is 1 at H = 1 and H = 2, and larger beyond, which bounds of its terms do not show.
        (lambda h, w: h * h - 3 * h + 3 > 0, []),
        (lambda h, w: (h - 2) * (20 - h) > 0, ["H >= 3", "H <= 19"]),
        (lambda h, w: (h - 2) * (h - 20) < 1, ["H >= 2", "H <= 20"]),
        (lambda h, w: w > Fraction(1, 2), ["w > 1/2"]),
        (lambda h, w: w * h > 3, ["H*w > 3"]),
        # At this size only.
        (lambda h, w: h != 101, ["H != 101"]),
    ],
)
def test_a_condition_in_words(decide: Callable[[Any, Any], bool], shown: list[str]) -> None:
    """Of a size of 9, and of a width of 3/4."""
    scope = Scope({"H": 9, "w": Fraction(3, 4)})
    assert decide(scope.symbol("H"), scope.symbol("w"))
    assert len(scope.conditions) == 1
    needed, fixed = requirements(scope)
    assert ([one.condition for one in needed], fixed) == (shown, [])


def test_the_floor_of_a_rational_number_may_be_lower_by_almost_one() -> None:
    """(H + x) / 4 at 3.9 / 4 is 0.975 above its floor, not 3/4 at most, as it is for whole numbers."""
    scope = Scope({"H": 9, "x": Fraction(1, 2)})
    total = scope.symbol("H") + scope.symbol("x")
    low, high = scope.bounds(4 * math.floor(total * Fraction(1, 4)) - total)
    assert low <= -3.9
    assert 0 <= high < 1
    whole = Scope({"H": 9}).symbol("H")
    assert whole.scope.bounds(4 * (whole // 4) - whole) == (-3, 0)


def test_a_lower_bound_of_large_sizes_in_words() -> None:
    """Not all sizes below it are looked at, so that it is a condition of its own."""
    scope = Scope({"H": 9000})
    assert scope.symbol("H") > 4999
    needed, fixed = requirements(scope)
    assert ([one.condition for one in needed], fixed) == (["H >= 5000"], [])
