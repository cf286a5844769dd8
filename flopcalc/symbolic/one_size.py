"""Where conditions on one whole size hold, in words."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from flopcalc.symbolic.evaluating import evaluate, holds
from flopcalc.symbolic.scope import FAR, Condition, Scope

# Sizes at which a condition on one symbol is looked at, and the largest period that is looked for.
_LOOKED_AT = 256
_LARGEST_PERIOD = 128
# The most remainders that are listed; of more, the range is given.
_LISTED = 3


class Truth(NamedTuple):
    """Where a condition holds, by size: all from the least on; beyond them, where that changes and far away.

    step: between two sizes.
    """

    holds_at: Callable[[int], bool]
    near: dict[int, bool]
    beyond: dict[int, bool]
    step: int

    def __and__(self, other: "Truth") -> "Truth":
        """Where both hold, of the same sizes."""

        def holds_at(size: int) -> bool:
            return self.holds_at(size) and other.holds_at(size)

        near = {size: is_true and other.near[size] for size, is_true in self.near.items()}
        beyond = {size: holds_at(size) for size in sorted({*self.beyond, *other.beyond})}
        return Truth(holds_at, near, beyond, self.step)


def next_multiple(size: int, step: int) -> int:
    """The least multiple that is no smaller."""
    return -(-size // step) * step


def far(step: int) -> list[int]:
    """Large multiples of a step."""
    return sorted({next_multiple(size, step) for size in FAR})


def truth_of(scope: Scope, one: Condition, name: str, step: int = 1) -> Truth:
    """Where a condition on one symbol holds. step: what the symbol is a multiple of, by other conditions."""

    def value(size: int) -> Any:
        return evaluate(one.expression, {name: size})

    def holds_at(size: int) -> bool:
        return holds(value(size), one.relation)

    first = next_multiple(int(scope.least[name]), step)
    last = max(first, int(scope.hints[name])) + _LOOKED_AT * step
    near = {size: holds_at(size) for size in range(first, last, step)}
    sizes = sorted({max(near), *far(step)})
    beyond = sorted({*sizes, *turns(value, sizes, step)} - near.keys())
    return Truth(holds_at, near, {size: holds_at(size) for size in beyond}, step)


def turns(value: Callable[[int], Any], sizes: Sequence[int], step: int) -> Iterator[int]:
    """Where a value changes its sign between two of some sizes in order: the first with the new sign, and that before.

    A value that is 0 on the way is so at the size before.
    """
    points = [(size, _sign(value(size))) for size in sizes]
    for (low, below), (high, above) in pairwise(points):
        if below != above:
            first = _first(value, above, low, high, step)
            yield from (first - step, first)


def _sign(value: Any) -> int:
    return int(value > 0) - int(value < 0)


def _first(value: Callable[[int], Any], sign: int, low: int, high: int, step: int) -> int:
    """The first size behind the lower one at which a value has the sign that it has at the higher one."""
    while high - low > step:
        middle = (low + high) // (2 * step) * step
        low, high = (low, middle) if _sign(value(middle)) == sign else (middle, high)
    return high


def in_words(name: str, truth: Truth) -> list[str] | int | None:
    """The only value of a symbol, or the conditions on it as texts, none where they always hold; None without words."""
    near, beyond = truth.near, truth.beyond
    first, last = min(near), max(near)
    if all(near.values()):
        return [] if all(beyond.values()) else _up_to(name, truth)
    true = [size for size, is_true in near.items() if is_true]
    if len(true) == 1 and not any(beyond.values()):
        return true[0]
    if true and true == list(range(true[0], true[-1] + 1, truth.step)):
        to_the_end = true[-1] == last
        if not all(is_true is to_the_end for is_true in beyond.values()):
            return None
        lower = [f"{name} >= {true[0]}"] if true[0] > first else []
        return lower if to_the_end else [*lower, f"{name} <= {true[-1]}"]
    remainder = _remainder(name, near | beyond)
    return None if remainder is None else [remainder]


def _up_to(name: str, truth: Truth) -> list[str] | None:
    """`H <= 2048`, where a condition holds up to some size beyond; None if it holds again behind it."""
    low, step = max(truth.near), truth.step
    high = min(size for size, is_true in truth.beyond.items() if not is_true)
    if any(is_true for size, is_true in truth.beyond.items() if size > high):
        return None
    return [f"{name} <= {_first(truth.holds_at, 0, low, high, step) - step}"]


def _remainder(name: str, truth: Mapping[int, bool]) -> str | None:
    """`H % 32 == 0`, if the condition is about a remainder. truth: size -> whether it holds there."""
    for period in range(2, _LARGEST_PERIOD + 1):
        by_rest: dict[int, bool] = {}
        if all(by_rest.setdefault(size % period, is_true) == is_true for size, is_true in truth.items()):
            return _of_rests(f"{name} % {period}", by_rest)
    return None


def _of_rests(rest: str, truth: Mapping[int, bool]) -> str | None:
    """For which remainders a condition holds, by whether it holds for each: one of them, a few, or those of a range.

    rest: what the remainder is, such as `H % 32`.
    """
    true, false = (sorted(size for size, is_true in truth.items() if is_true is wanted) for wanted in (True, False))
    if not true:
        return None
    for most in (1, _LISTED):
        for rests, one, some in ((true, "==", "in"), (false, "!=", "not in")):
            if len(rests) <= most:
                return f"{rest} {one} {rests[0]}" if most == 1 else f"{rest} {some} {tuple(rests)}"
    below = [size for size in true if size < false[0]]
    above = [size for size in true if size > false[-1]]
    if len(below) + len(above) < len(true):
        return None
    ends = [f"{rest} <= {below[-1]}" if below[-1] else f"{rest} == 0"] if below else []
    return " or ".join([*ends, f"{rest} >= {above[0]}"] if above else ends)
