"""Computations with sizes at random, against Python's own on ints and floats."""

import math
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from random import Random
from typing import Any

import pytest

pytest.importorskip("torch")

import flopcalc.pytorch.tracing.reals  # noqa: F401 (a size divided is one)
from flopcalc.pytorch.tracing.extents import unwrapped
from flopcalc.pytorch.tracing.nodes import wrapped
from flopcalc.symbolic.conditions import allows
from flopcalc.symbolic.evaluating import evaluate
from flopcalc.symbolic.scope import Scope

NUMBERS = (1, 2, 3, 4, 7, 8, 16, 0.5, 0.25, 0.75, 1.5, 1 / 3, 0.1, 1.1, -2, -0.5, 10)
SEEDS = 300
POINTS = [(h, w) for h in (1, 2, 3, 5, 7, 16, 20, 21, 49, 64) for w in (1, 2, 6, 9, 16, 30, 49)]
WHOLE: dict[str, Callable[[Any], Any]] = {
    "floor": math.floor,
    "ceil": math.ceil,
    "trunc": math.trunc,
    "round": round,
    "int": int,
}
Computed = Callable[[Any, Any], Any]


def _expression(random: Random, depth: int) -> tuple[str, Computed]:
    """A computation of h and w, in words and as a function."""
    if depth == 0 or random.random() < 0.15:
        number = random.choice(NUMBERS)
        return random.choice(
            (
                ("h", lambda h, w: h),
                ("w", lambda h, w: w),
                ("h", lambda h, w: h),
                (f"{number:.3g}", lambda h, w: Fraction(number) if isinstance(h, Fraction) else number),
            )
        )
    (a, one), (b, other) = (_expression(random, depth - 1) for _ in range(2))
    return random.choice(
        (
            (f"({a} + {b})", lambda h, w: one(h, w) + other(h, w)),
            (f"({a} - {b})", lambda h, w: one(h, w) - other(h, w)),
            (f"({a} * {b})", lambda h, w: one(h, w) * other(h, w)),
            (f"({a} / {b})", lambda h, w: one(h, w) / other(h, w)),
            (f"({a} / {b})", lambda h, w: one(h, w) / other(h, w)),
            # Of numbers with a fraction, torch has the quotient rounded down, and Python may have one less.
            (f"(int({a}) // 3)", lambda h, w: int(one(h, w)) // 3),
            (f"({a} % {b})", lambda h, w: one(h, w) % other(h, w)),
            (f"-{a}", lambda h, w: -one(h, w)),
            (f"abs({a})", lambda h, w: abs(one(h, w))),
            (f"abs({a}) ** 2", lambda h, w: abs(one(h, w)) ** 2),
        )
    )


def _allowed(whole: Callable[[Any], Any], function: Computed, h: int, w: int) -> list[int]:
    """What Python computes: of floats, and exactly, since floating point may be on the other side of a whole number."""
    found = []
    for one, other in ((h, w), (Fraction(h), Fraction(w))):
        with suppress(ZeroDivisionError, OverflowError):
            found.append(whole(function(one, other)))
    return found


@pytest.mark.parametrize("name", WHOLE)
def test_whole_numbers_of_any_computation(name: str) -> None:
    """At the hints it is what Python computes of floats, and so it is wherever the conditions hold."""
    whole = WHOLE[name]
    form = free = 0
    for seed in range(SEEDS):
        random = Random(f"{name} {seed}")  # noqa: S311 (not for secrets)
        words, function = _expression(random, random.randint(1, 3))
        hints = random.choice(((20, 30), (21, 7), (64, 96), (49, 49)))
        scope: Any = Scope(dict(zip("HW", hints, strict=True)))
        try:
            expected = whole(function(*hints))
        except (ZeroDivisionError, OverflowError):
            continue
        found = unwrapped(whole(function(*(wrapped(scope.symbol(one)) for one in "HW"))))
        case = f"{name} {words} at {hints}: {found}, {scope.conditions}"
        assert evaluate(found, scope.hints) == expected, case
        assert allows(scope, scope.hints), case
        form += 1
        free += not scope.conditions
        met = [(h, w) for h, w in POINTS if allows(scope, {"H": h, "W": w})]
        for h, w in met:
            right = _allowed(whole, function, h, w)
            assert not right or evaluate(found, {"H": h, "W": w}) in right, (case, h, w)
    assert form > 0.9 * SEEDS
    assert free > SEEDS // 10
