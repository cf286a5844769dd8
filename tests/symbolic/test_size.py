"""Symbolic numbers: the values of plain arithmetic at every size, and conditions where a decision depends on sizes."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from symbolic.trees import NAMES, PLAIN, SYMBOLIC, TREES, scope_of, value_of

from flopcalc.errors import FlopcalcError
from flopcalc.symbolic.conditions import allows, requirements
from flopcalc.symbolic.equalities import solved
from flopcalc.symbolic.evaluating import evaluate, holds
from flopcalc.symbolic.scope import Scope
from flopcalc.symbolic.size import Size, is_whole, largest, rounded_to, smallest
from flopcalc.symbolic.writing import latex, latex_lines, python, term_text, terms_of, text
from flopcalc.text.expression import evaluate as read

POINTS = st.fixed_dictionaries({name: st.integers(1, 700) for name in NAMES})


@settings(max_examples=400, deadline=None)
@given(TREES, POINTS)
def test_values_are_those_of_plain_arithmetic(tree: Any, point: dict[str, int]) -> None:
    """On symbols and then at a point, as Python source, and as text that is read again."""
    scope = scope_of()
    form = value_of(tree, {name: scope.symbol(name) for name in NAMES}, SYMBOLIC)
    expected = value_of(tree, point, PLAIN)
    assert evaluate(form, point) == expected
    assert eval(python(form), {"max": max, "min": min}, dict(point)) == expected  # noqa: S307 - our own text
    assert read(text(form), point, longest=10**6) == expected
    assert latex(form)
    assert not scope.conditions


@settings(max_examples=300, deadline=None)
@given(TREES, TREES, POINTS)
def test_decisions_hold_where_their_conditions_do(one: Any, other: Any, point: dict[str, int]) -> None:
    """Whatever is decided by the hints is true at every point that fulfils the recorded conditions."""
    scope = scope_of()
    names = {name: scope.symbol(name) for name in NAMES}
    a, b = value_of(one, names, SYMBOLIC), value_of(other, names, SYMBOLIC)
    assume(isinstance(a, Size) or isinstance(b, Size))
    decided = {"<": a < b, "<=": a <= b, "==": a == b, "!=": a != b, ">": a > b, ">=": a >= b}
    assume(allows(scope, point))
    x, y = value_of(one, point, PLAIN), value_of(other, point, PLAIN)
    plain = {"<": x < y, "<=": x <= y, "==": x == y, "!=": x != y, ">": x > y, ">=": x >= y}
    assert decided == plain


@settings(max_examples=200, deadline=None)
@given(TREES, st.integers(1, 40))
def test_bounds_contain_all_values(tree: Any, seed: int) -> None:
    scope = scope_of()
    form = value_of(tree, {name: scope.symbol(name) for name in NAMES}, SYMBOLIC)
    low, high = scope.bounds(form)
    for step in range(30):
        point = {name: 1 + (seed * (step + 3) * (place + 5)) % 531 for place, name in enumerate(NAMES)}
        assert low <= evaluate(form, point) <= high


@pytest.mark.parametrize(
    ("build", "shown"),
    [
        (lambda h: (h + 2 * 3 - 7) // 2 + 1, "ceil(H/2)"),
        (lambda h: ((h + 2 * 3 - 7) // 2 + 1 + 2 - 3) // 2 + 1, "ceil(H/4)"),
        (lambda h: -(-h // 7) * 7 - h, "-H + 7*ceil(H/7)"),
        (lambda h: -(-(h // 4) // 7), "floor((H+24)/28)"),
        (lambda h: h * h // h, "H"),
        (lambda h: (h * h + 2 * h + 1) // (h + 1), "H + 1"),
        (lambda h: h % 2, "H - 2*floor(H/2)"),
        (lambda h: (2 * h + 6) // 4, "ceil(H/2) + 1"),
        (lambda h: h - h, "0"),
        (lambda h: largest(h, 1), "H"),
        (lambda h: largest(h, 3), "max(3, H)"),
        (lambda h: largest(7 * -(-h // 7) - h, h - 7 * -(-h // 7)), "-H + 7*ceil(H/7)"),
        (lambda h: h / 2 + h / 2, "H"),
        (lambda h: h / 2, "H/2"),
        # Both halves of a number are the number, and a number without one half is the other one.
        (lambda h: h - h // 2, "ceil(H/2)"),
        (lambda h: h - (h + 1) // 2, "floor(H/2)"),
        (lambda h: h - (h // 2 + (h + 1) // 2), "0"),
        (lambda h: (h + 1) // 2 - (h + 1) // 4, "ceil(H/4)"),
        (lambda h: (h + 1) // 2 - (h + 3) // 4, "floor((H+1)/4)"),
        (lambda h: h / 2 - h // 2 / 2, "ceil(H/2)/2"),
        (lambda h: 2 * h // 3 - h // 3, "floor(2*H/3) - floor(H/3)"),
    ],
)
def test_normal_forms(build: Callable[[Any], Any], shown: str) -> None:
    scope = scope_of(H=224)
    form = build(scope.symbol("H"))
    assert text(form) == shown
    assert not scope.conditions


def test_a_condition_that_is_a_lower_bound_is_used_later() -> None:
    scope = scope_of(H=224)
    scope.where = lambda: "layer4"
    h = scope.symbol("H")
    assert -(-h // 32) != 1
    assert h > 32
    assert h > 3
    assert [tuple(one) for one in requirements(scope)[0]] == [("H >= 33", "layer4")]


def test_a_size_that_is_fixed_names_the_place() -> None:
    scope = scope_of(H=224, W=225)
    scope.where = lambda: "encoder.pos_embedding"
    assert (scope.symbol("H") + 1) == 225
    needed, fixed = requirements(scope)
    assert (needed, [tuple(one) for one in fixed]) == ([], [("H", 224, "encoder.pos_embedding")])


def test_remainders_are_named() -> None:
    scope = scope_of(H=224)
    h = scope.symbol("H")
    assert h % 32 == 0
    assert h // 3 * 3 != h
    assert {one.condition for one in requirements(scope)[0]} == {"H % 32 == 0", "H % 3 != 0"}


# A map of H is halved and doubled again, which gives the same size for some remainders.
REMAINDERS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "stride 2 twice": (lambda h: -(-h // 2) == 2 * -(-h // 4), "H % 4 in (0, 3)"),
    "stride 2 five times": (lambda h: -(-h // 16) == 2 * -(-h // 32), "H % 32 == 0 or H % 32 >= 17"),
    "pooled": (lambda h: h // 16 == 2 * (h // 32), "H % 32 <= 15"),
    "around": (lambda h: (h + 3) // 8 == 2 * ((h + 3) // 16), "H % 16 <= 4 or H % 16 >= 13"),
    "the end": (lambda h: h // 15 == (h + 5) // 15, "H % 15 >= 10"),
    "few": (lambda h: h // 9 == (h + 2) // 9, "H % 9 in (7, 8)"),
    "all but a few": (lambda h: h // 10 == (h + 2) // 10, "H % 10 not in (8, 9)"),
    "every second": (lambda h: h // 9 % 2 == h % 2, "floor(H/9)"),
}


@pytest.mark.parametrize("case", REMAINDERS)
def test_several_remainders(case: str) -> None:
    """As text, a condition holds at the sizes where the decision is the same as at 224."""
    decides, expected = REMAINDERS[case]
    scope = scope_of(H=224)
    here = decides(scope.symbol("H"))
    ((condition, _),), fixed = requirements(scope)
    assert fixed == []
    if "floor" in expected:
        assert expected in condition
    else:
        assert condition == expected
        for size in range(1, 200):
            assert eval(condition, {"H": size}) == (decides(size) == here)  # noqa: S307 - our own text


def test_decisions_that_always_hold_leave_no_condition() -> None:
    scope = scope_of()
    h, w, n = (scope.symbol(name) for name in "HWN")
    assert h * w * n > 0
    assert h + w != 1
    assert (h + 1) // 2 >= 1
    assert h < 10**9 + 1
    assert h - h // 2 == (h + 1) // 2
    assert not scope.conditions


def test_held_decisions_are_recorded_when_they_are_used() -> None:
    scope = scope_of(H=224)
    with scope.holding() as held:
        assert scope.symbol("H") > 100
    assert not scope.conditions
    scope.decide(held)
    assert len(scope.conditions) == 1


# 179/320 of 16 channels are 8.95, of which 8 are less than nine tenths, by less than 1.
@pytest.mark.parametrize("value", [Fraction(1, 4), Fraction(35, 100), Fraction(179, 320), 1, Fraction(13, 10), 2])
@pytest.mark.parametrize("channels", [16, 24, 32, 96, 160, 1280])
def test_rounding_to_a_multiple_is_that_of_mobile_networks(value: Fraction, channels: int) -> None:
    """As torchvision's _make_divisible has it: written here with its floats replaced by fractions."""
    wanted = Fraction(value) * channels
    new = max(8, int(wanted + 4) // 8 * 8)
    new += 8 if new < Fraction(9, 10) * wanted else 0
    scope = Scope({"width": Fraction(1)})
    form = read("divisible(x, 8)", {"x": scope.symbol("width") * channels})
    assert evaluate(form, {"width": Fraction(value)}) == new == rounded_to(wanted, 8)


def test_bounds_of_what_is_rounded_to_a_multiple() -> None:
    """What is rounded may be a tenth less: 35 channels are 32, and no decision may hold for 35 alone."""
    scope = Scope({"C": 64}, least={"C": 35})
    rounded = read("divisible(x, 8)", {"x": scope.symbol("C")})
    low, high = scope.bounds(rounded)
    values = [evaluate(rounded, {"C": size}) for size in range(35, 200)]
    assert min(values) == 32
    assert low <= 32
    assert high >= max(values)
    # It is a condition, which 35 channels break.
    assert rounded >= 34
    assert [one.relation for one in scope.conditions] == [">="]


def test_conditions_far_from_the_reference_are_kept() -> None:
    """What is 0 near the reference point only is a condition, in words too."""
    scope = Scope({"H": 224, "W": 225})
    h, w = scope.symbol("H"), scope.symbol("W")
    assert h // 2000 == 0
    assert largest(w - 1500, 0) == 0
    assert {one.condition for one in requirements(scope)[0]} == {"H <= 1999", "W <= 1500"}
    other = Scope({"H": 224, "W": 220})
    a, b = -(-other.symbol("H") // 32), -(-other.symbol("W") // 32)
    assert a == b
    assert a == 7
    assert not allows(other, {"H": 32, "W": 32})


def test_atoms_are_those_of_their_terms() -> None:
    """-1 and -2 have the same hash, and these are two maxima."""
    scope = Scope({"H": 224, "W": 225})
    h, w = scope.symbol("H"), scope.symbol("W")
    x = h // 2000
    one, other = largest(w - x - 5, 0), largest(w - 2 * x - 5, 0)
    point = {"H": 20000, "W": 100}
    assert (evaluate(one, point), evaluate(other, point)) == (85, 75)


def test_fractions_inside_are_exact_in_python() -> None:
    scope = Scope({"N": 3, "H": 224})
    n, h = scope.symbol("N"), scope.symbol("H")
    for form, point in ((2 * largest(h / 2, 3), {"H": 7}), (n * (n + 1) * ((h + 1) // 2) / 2, {"N": 2, "H": 1})):
        value = eval(python(form), {"max": max, "min": min}, dict(point))  # noqa: S307 - our own text
        assert value == evaluate(form, point)


def test_other_numbers_are_refused() -> None:
    """Nothing turns a symbol into a number silently."""
    size: Any = scope_of().symbol("H")
    for wrong in (
        lambda: range(size),
        lambda: size * 0.5,
        lambda: int(size),
        lambda: float(size),
        lambda: [1, 2][size],
    ):
        with pytest.raises(TypeError):
            wrong()


def test_a_number_by_a_size() -> None:
    """It has no form, so that the size is fixed; differences and products have one."""
    cases: list[tuple[Callable[[Any], Any], int]] = [
        (lambda h: 100 // h, 14),
        (lambda h: 100 % h, 2),
        (lambda h: Fraction(50) // h, 7),
    ]
    for compute, value in cases:
        scope = Scope({"H": 7})
        assert compute(scope.symbol("H")) == value
        assert requirements(scope) == ([], [("H", 7, "")])
    scope = Scope({"H": 7})
    height: Any = scope.symbol("H")
    assert [evaluate(one, {"H": 9}) for one in (100 - height, 100 + height, 3 * height)] == [91, 109, 27]
    assert not scope.conditions
    refused: list[Callable[[], Any]] = [lambda: 1.5 // height, lambda: height // 1.5, lambda: height / 1.5]
    for compute_with in refused:
        with pytest.raises(TypeError):
            compute_with()


def test_bounds_of_an_absolute_value() -> None:
    """|H - W| is not negative, and the smaller of H - W and W - H is not positive."""
    scope = scope_of()
    difference: Any = scope.symbol("H") - scope.symbol("W")
    assert scope.bounds(abs(difference))[0] == 0
    low, high = scope.bounds(smallest(difference, -difference))
    assert low < -1000
    assert high >= 0


@pytest.mark.parametrize("divisor", [2, 3, 4, 10])
def test_rounding_is_that_of_python(divisor: int) -> None:
    """Halves to the even number."""
    height: Any = scope_of().symbol("H")
    up, down = round(height / divisor), round(-height / divisor)
    for size in range(1, 4 * divisor + 2):
        assert evaluate(up, {"H": size}) == round(Fraction(size, divisor))
        assert evaluate(down, {"H": size}) == round(Fraction(-size, divisor))


def test_whole_numbers() -> None:
    """So are sums, products and extremes of them; a floor of one is itself."""
    height: Any = Scope({"H": 9, "w": Fraction(3, 4)}).symbol("H")
    width: Any = height.scope.symbol("w")
    assert all(map(is_whole, (3, Fraction(6, 2), height, 2 * height - 5, height // 2, largest(height, 3))))
    assert not any(map(is_whole, (Fraction(1, 2), height / 2, width, height * width, largest(width, 3))))
    assert text(math.floor(largest(height, 3) + Fraction(1, 2))) == text(largest(height, 3))


def test_lines_of_terms_with_a_common_factor() -> None:
    """W (ceil(H/2) - H + 3): the factor is in front of all lines, and the brackets are around them."""
    height: Any = scope_of().symbol("H")
    width: Any = height.scope.symbol("W")
    value = width * -(-height // 2) - width * height + 3 * width
    lines = latex_lines(value, 2)
    assert (lines[0][:10], lines[0].count("H"), lines[1]) == (r"W \, \bigl", 2, r"+ 3 \bigr)")


def test_an_expression_of_too_many_terms() -> None:
    scope = Scope({f"x{number}": number + 2 for number in range(40)})
    total = sum((scope.symbol(name) for name in scope.hints), 0)
    with pytest.raises(FlopcalcError, match="terms"):
        total**4


def test_relations() -> None:
    assert [holds(0, relation) for relation in (">", ">=", "<", "<=", "==", "!=")] == [
        False,
        True,
        False,
        True,
        True,
        False,
    ]


def test_lines_of_terms_with_fractions() -> None:
    """The sign of a term is written once, also of a factor below 1: pairs of N tokens, less one."""
    n: Any = scope_of().symbol("N")
    assert latex_lines(Fraction(1, 2) * n * n - Fraction(1, 2) * n + 3, per_line=2) == [
        latex(Fraction(1, 2) * n * n) + " - " + latex(Fraction(1, 2) * n),
        "+ 3",
    ]


def test_floors_have_one_form() -> None:
    """Whole numbers are outside, and what is inside begins where it is not negative; equal ones have equal terms."""
    h: Any = scope_of().symbol("H")
    assert ((h - 3) // 2).terms == ((h + 1) // 2 - 2).terms
    assert ((h - 2) // 5).terms == ((h + 3) // 5 - 1).terms
    assert ((3 * h - 7) // 5).terms == ((3 * h + 3) // 5 - 2).terms


def test_a_size_is_equal_to_no_text() -> None:
    h: Any = scope_of().symbol("H")
    assert [h == other for other in ("H", None, (1,))] == [False] * 3
    assert h != "H"


def test_what_an_equality_says_of_an_atom() -> None:
    """H = W^2 / 2 + 3, whichever side is negative."""
    scope = scope_of()
    h: Any = scope.symbol("H")
    w: Any = scope.symbol("W")
    half = w * w * Fraction(1, 2)
    for value in (h - half - 3, half + 3 - h):
        found = solved(value)
        assert found is not None
        assert (scope.atoms[found[0]].name, Size(scope, found[1]).terms) == ("H", (half + 3).terms)


def test_one_term_as_text() -> None:
    h: Any = scope_of().symbol("H")
    assert [term_text(h * h * 2 + 3, term) for term in terms_of(h * h * 2 + 3)] == ["2*H^2", "3"]


def _shown(scope: Scope) -> list[str]:
    return [one.condition for one in requirements(scope)[0]]


def test_an_interval_is_shown_by_its_ends() -> None:
    """What holds from one size to another, and nowhere else."""
    scope = scope_of(H=70)
    assert scope.symbol("H") // 32 == 2
    assert _shown(scope) == ["H >= 64", "H <= 95"]


def test_a_factor_that_may_be_one_is_taken_out_of_a_condition() -> None:
    """H W > 2 W for all W, from H = 3 on."""
    scope = scope_of(H=224, W=224)
    h, w = scope.symbol("H"), scope.symbol("W")
    assert h * w > 2 * w
    assert _shown(scope) == ["H >= 3"]


def test_what_later_bounds_imply_is_not_shown() -> None:
    """H + W > 33 holds at all sizes that are left when H is 33 or more."""
    scope = scope_of(H=224, W=224)
    h, w = scope.symbol("H"), scope.symbol("W")
    assert h + w > 33
    assert h >= 33
    assert _shown(scope) == ["H >= 33"]
