"""Conditions in words: they are shown wherever sizes may break them, and say what holds. By hand and by brute force."""

import math
import random
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from flopcalc.symbolic.conditions import FixedSize, Requirement, divisors, requirements
from flopcalc.symbolic.scope import Condition, Scope


def _shown(scope: Scope) -> list[str]:
    needed, fixed = requirements(scope)
    return [one.condition for one in needed] + [f"{one.size} == {one.value}" for one in fixed]


def _one_of(size: Any, rests: set[int], period: int) -> Any:
    """1 where the remainder of a size is one of these, else 0."""
    return sum((size - rest) // period - (size - rest - 1) // period for rest in rests)


SETS = [
    *((6, {rest for rest in range(6) if number >> rest & 1}) for number in range(1, 63)),
    *((period, set(random.Random(period).sample(range(period), period // 2))) for period in range(8, 18)),  # noqa: S311
    *((period, {rest % period for rest in range(-3, 4)}) for period in (16, 33, 64, 120)),
    # All but four, which are not next to each other.
    *((20, set(range(20)) - others) for others in ({4, 5, 6, 9}, {4, 7, 8, 9}, {0, 1, 2, 19}, {0, 17, 18, 19})),
    *((period, set(range(first, first + 5))) for period in (16, 33, 64) for first in (0, 1, 4, period - 5)),
]


@pytest.mark.parametrize(("period", "rests"), SETS, ids=str)
def test_remainders(period: int, rests: set[int]) -> None:
    """Any set of remainders: shown as such if they are few, all but few, or all up to one, from one on, or both."""
    least = next(one for one in range(2, period + 1) if all((rest + one) % period in rests for rest in rests))
    inside = {rest % least for rest in rests}
    changes = sum((rest in inside) != ((rest + 1) % least in inside) for rest in range(least))
    readable = min(len(inside), least - len(inside)) <= 3 or (changes == 2 and inside & {0, least - 1})
    scope = Scope({"H": 60})
    value = _one_of(scope.symbol("H"), rests, period)
    scope.conditions.append(Condition(value, ">", ""))
    (shown,) = _shown(scope)
    assert (f"H % {least} " in shown) is bool(readable)
    if readable:
        for size in range(1, 3 * period):
            assert eval(shown, {"H": size}) == (size % period in rests)  # noqa: S307 - our own text
        # Two bounds at most, and lists of three at most.
        assert shown.count("%") <= 2
        assert shown.count(",") <= 2


def test_a_stride_of_128() -> None:
    """The largest of the usual networks."""
    scope = Scope({"H": 512})
    assert scope.symbol("H") % 128 == 0
    assert _shown(scope) == ["H % 128 == 0"]
    assert divisors(scope)["H"].divisor == 128


# What is decided at H = 60, W = 44, N = 3, and the least sizes; of these, how many do not do it, and what is shown.
HIDDEN: dict[str, tuple[Callable[[Any, Any, Any], bool], list[str]]] = {
    "one product": (lambda n, h, w: h * w != 15, ["H*W != 15"]),
    "a product of three": (lambda n, h, w: n * h * w != 30, ["N*H*W != 30"]),
    "three far away": (lambda n, h, w: n * h * w < 10**12, ["N*H*W < 1000000000000"]),
    "two far away": (lambda n, h, w: h * w < 10**9, ["H*W < 1000000000"]),
    "one above the reference": (lambda n, h, w: h != 300, ["H != 300"]),
    "one of many multiples": (lambda n, h, w: h % 4 == 0 and h != 800, ["H % 4 == 0", "H != 800"]),
    "one above a bound": (lambda n, h, w: (h - 2) * (h - 50) * (h - 50) > 0, ["H^3 + 2700*H > 102*H^2 + 5000"]),
    "below as well": (lambda n, h, w: (h - 3) * (h - 19) > 0, ["H^2 + 57 > 22*H"]),
    "one far away": (lambda n, h, w: h != 1000, ["H != 1000"]),
    "not from there on": (lambda n, h, w: (h - 4) * (10**6 - h) > 0, ["1000004*H > H^2 + 4000000"]),
    "a product of multiples": (
        lambda n, h, w: h % 4 == 0 and w % 4 == 0 and h * w != 20 * 28,
        ["H % 4 == 0", "W % 4 == 0", "H*W != 560"],
    ),
}


@pytest.mark.parametrize("case", HIDDEN)
def test_what_few_sizes_break_is_shown(case: str) -> None:
    """Also if it holds at nearly all sizes."""
    decides, expected = HIDDEN[case]
    scope = Scope({"N": 3, "H": 60, "W": 44})
    decided = decides(*(scope.symbol(name) for name in "NHW"))
    assert decided
    assert _shown(scope) == expected


def test_what_fractions_break_is_shown() -> None:
    """(w - floor(w)) H = w - floor(w) holds for whole w, and not for w = 1/2, H = 3."""
    scope = Scope({"H": 9, "w": Fraction(1)})
    height, width = scope.symbol("H"), scope.symbol("w")
    part = width - math.floor(width)
    assert part * height == part
    assert len(_shown(scope)) == 1


def test_a_constant_fraction_in_words() -> None:
    scope = Scope({"w": Fraction(1, 4)})
    assert scope.symbol("w") <= Fraction(1, 2)
    assert _shown(scope) == ["w <= 1/2"]


def test_one_size_and_others_far_away() -> None:
    """H % 3000 is 1 at 1, and at no other size up to 3,000; it is no fixed size."""
    scope = Scope({"H": 1})
    assert scope.symbol("H") % 3000 == 1
    needed, fixed = requirements(scope)
    assert not fixed
    assert [one.condition for one in needed] == ["H == 3000*floor(H/3000) + 1"]


def test_sizes_that_may_be_zero() -> None:
    """A bound of 1 says something where the least size is 0, and so does what fails at 0 only."""
    cases: list[tuple[Callable[[Any], bool], list[str]]] = [
        (lambda extra: extra > 0, ["extra >= 1"]),
        (lambda extra: extra != 0, ["extra >= 1"]),
        (lambda extra: extra >= 0, []),
        (lambda extra: (extra - 1) * (extra - 1) != 1, ["extra^2 != 2*extra"]),
        (lambda extra: extra % 4 == 3 and extra > 0, ["extra % 4 == 3"]),
        (lambda extra: (extra + 1) % 4 == 0 and extra > 3, ["extra >= 4", "extra % 4 == 3"]),
    ]
    for decide, expected in cases:
        scope = Scope({"extra": 7}, least={"extra": 0})
        decided = decide(scope.symbol("extra"))
        assert decided
        assert _shown(scope) == expected


def test_divisors_at_one_point_are_no_divisors() -> None:
    """What asks for multiples of 8 at H = W = 192 only, or for one of the two only."""
    cases: list[Callable[[Any, Any], bool]] = [
        # At 8 + 1 and 16 + 1 it holds, too.
        lambda h, w: h % 8 == w % 8,
        # At W = 192 for multiples of 64 only, and at H = 192 always.
        lambda h, w: h * (w // 192) % 64 == 0,
    ]
    for decide in cases:
        scope = Scope({"H": 192, "W": 192})
        decided = decide(scope.symbol("H"), scope.symbol("W"))
        assert decided
        assert divisors(scope) == {}
        assert len(requirements(scope)[0]) == 1


def test_the_place_of_a_condition_is_the_first() -> None:
    """And a condition that never holds is shown as it is."""
    places = iter(("first", "second"))
    scope = Scope({"H": 60}, where=lambda: next(places))
    height = scope.symbol("H")
    assert 2 * height <= 400
    assert 2 * height <= 401
    scope.conditions.append(Condition(height * height + 1 - height, "<", "third"))
    assert requirements(scope) == (
        [Requirement("H <= 200", "first"), Requirement("H^2 + 1 < H", "third")],
        [],
    )
    assert FixedSize("H", 3, "here") == ("H", 3, "here")


def test_what_fails_at_the_reference_point_is_shown() -> None:
    """A condition of another scope, whose sizes may be others."""
    scope = Scope({"H": 500, "w": Fraction(3, 4)})
    for name, size in scope.hints.items():
        value = scope.symbol(name) - size
        assert scope.require(Condition(value, "!=", ""), value)
    assert _shown(scope) == ["H != 500", "w != 3/4"]
    scope = Scope({"H": 500})
    height = scope.symbol("H")
    value = (height - 2) * (height - 500) * (height - 500)
    assert scope.require(Condition(value, ">", ""), value)
    assert _shown(scope) == ["H^3 + 252000*H > 1002*H^2 + 500000"]


def test_the_last_size_that_is_looked_at_may_be_the_only_one() -> None:
    """Of the sizes up to 744 + 255, and of those far away, 999 is in both."""
    scope = Scope({"H": 744})
    value = scope.symbol("H") - 999
    assert scope.require(Condition(value, "==", ""), value)
    assert requirements(scope) == ([], [FixedSize("H", 999, "")])


@pytest.mark.parametrize("relation", [">=", "<="])
def test_two_sizes_whose_expression_has_one_sign(relation: str) -> None:
    """W times the remainder of H by 2 is 0 or more wherever it is looked at, and 0 at even sizes."""
    scope = Scope({"H": 9, "W": 8})
    height, width = scope.symbol("H"), scope.symbol("W")
    value = width * (height - 2 * (height // 2))
    scope.conditions.append(Condition(value if relation == ">=" else -value, relation, ""))
    assert _shown(scope) == []
