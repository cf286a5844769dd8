"""Numbers that record where a decision about them would change, against the same arithmetic on plain fractions."""

import math
import random
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest

from flopcalc.cost.arith import ceil_div, floor_div, maximum, minimum, share
from flopcalc.cost.traced import Trace, Traced
from flopcalc.text.expression import FUNCTIONS, evaluate

# Each takes a number and gives one that is a step function of it.
STEPS: list[Callable[[Any], Any]] = [
    math.floor,
    math.ceil,
    round,
    int,
    lambda x: x // 3,
    lambda x: (7 * x - 2) // Fraction(5, 3),
    lambda x: FUNCTIONS["divisible"](32 * x, 8),
    lambda x: FUNCTIONS["divisible"](1280 * maximum(1, x), 8),
    lambda x: floor_div(24 * x, 1) + ceil_div(5 * x, 2),
    lambda x: share(x, 64),
    lambda x: 1 if x > 2 else 0 if x == 1 else -1,
    lambda x: math.floor(minimum(x, 3 - x)),
    lambda x: math.floor(abs(2 * x - 3)),
    lambda x: math.floor(x - x % Fraction(1, 4)),
    lambda x: evaluate("divisible(24 * w, 8) + round(3 * w) + (48 if w >= 2 else 24 if w > 1 / 2 else 12)", {"w": x}),
    lambda x: int(2 - 3 * x),
    lambda x: math.floor(x + 2 * x - 1),
    lambda x: 1 if 2 * x - 3 else 0,
    lambda x: evaluate("ceil(often * w) // 2 + max(1, floor(w * 3))", {"w": x, "often": 4}),
]


@pytest.mark.parametrize("step", STEPS, ids=range(len(STEPS)))
def test_the_interval_is_that_of_the_result(step: Callable[[Any], Any]) -> None:
    """Inside it the result is the same on plain fractions; a next interval begins where it ends."""
    numbers = random.Random(1)  # noqa: S311 - the same numbers on each run
    between = [Fraction(numbers.randrange(1, 40_000), 9_973) for _ in range(200)]
    for x in (*between, *(Fraction(n, 24) for n in range(97))):
        trace = Trace(x)
        result = step(Traced(x, 1, trace))
        assert type(result) is int
        assert result == step(x)
        low = x - 1 if trace.low is None else trace.low
        high = x + 1 if trace.high is None else trace.high
        assert low <= x <= high
        for share_ in (Fraction(1, 10**6), Fraction(1, 3), Fraction(2, 3), 1 - Fraction(1, 10**6)):
            assert step(low + (high - low) * share_) == result
        for end, included in ((trace.low, trace.low_in), (trace.high, trace.high_in)):
            assert end is None or not included or step(end) == result


@pytest.mark.parametrize(
    "step",
    [
        math.floor,
        math.ceil,
        round,
        lambda x: x // 3,
        lambda x: int(x < 2),
        lambda x: int(x <= 2),
        lambda x: int(x > 2),
        lambda x: int(x >= 2),
        lambda x: int(x == 2),
        lambda x: int(bool(x - 2)),
    ],
    ids=range(10),
)
def test_the_ends_are_exact(step: Callable[[Any], Any]) -> None:
    """At an end that is not in the interval the result differs, and beyond one that is.

    Where the number is itself at such a place, nothing is known of one side: the interval is this number alone.
    """
    tiny = Fraction(1, 10**9)
    for x in (Fraction(n, 8) for n in range(-40, 41)):
        trace = Trace(x)
        result = step(Traced(x, 1, trace))
        assert result == step(x)
        for end, included, side in ((trace.low, trace.low_in, -1), (trace.high, trace.high_in, 1)):
            if end is None:
                assert step(x + side * 1000) == result
                assert not included
            elif end != x:
                assert step(end - side * tiny) == result
                assert (step(end) == result) == included
                assert not included or step(end + side * tiny) != result


def test_every_change_is_found() -> None:
    """From interval to interval: no result between two ends differs, by a fine grid of plain fractions."""

    def step(x: Any) -> Any:
        return FUNCTIONS["divisible"](24 * x, 8) * 1000 + round(3 * x)

    ends = set()
    x = Fraction(1, 997)
    while x < 3:
        trace = Trace(x)
        step(Traced(x, 1, trace))
        assert trace.high is not None
        ends.add(trace.high)
        x = trace.high + Fraction(1, 10**9 + 7)
    grid = [Fraction(n, 3600) for n in range(1, 3 * 3600)]
    for one, other in pairwise(grid):
        if step(one) != step(other):
            assert any(one <= end <= other for end in ends)


def test_what_is_not_linear_is_refused() -> None:
    """Rather than giving a wrong interval."""
    x = Traced(Fraction(1, 3), 1, Trace(Fraction(1, 3)))
    for wrong in (
        lambda: x * x,
        lambda: x**2,
        lambda: 1 / x,  # type: ignore[operator]
        lambda: float(x),  # type: ignore[arg-type]
        lambda: range(x),  # type: ignore[call-overload]
        lambda: x < "1",
        lambda: x + 0.5,
        lambda: x * 0.5,
        lambda: x / 0.5,
        lambda: x // 0.5,
        lambda: x % 0.5,
    ):
        with pytest.raises(TypeError):
            wrong()
    assert x != "1"
    assert x**1 is x
    assert x**0 == 1
