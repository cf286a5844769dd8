"""What is said about where a form holds is true exactly where its conditions hold: random decisions, by brute force."""

import math
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flopcalc.symbolic.conditions import allows, requirements
from flopcalc.symbolic.scope import Scope

Decision = Callable[[Any, Any], bool]
# Around a size of 224 and others, near and beyond the sizes that are looked at one by one.
NUMBERS = (2, 7, 14, 16, 32, 64, 196, 224, 240, 479, 480, 512, 640, 700, 998, 1000, 1001, 4096, 5000)


def _on_one(draws: random.Random) -> Decision:
    number, step, rest = draws.choice(NUMBERS), draws.choice((2, 3, 4, 8, 14, 16, 32)), draws.randrange(32)
    return draws.choice(
        (
            lambda h, w: h <= number,
            lambda h, w: h > number,
            lambda h, w: h != number,
            lambda h, w: h // step > number // step,
            lambda h, w: h // step != number // step,
            lambda h, w: h % step == rest % step,
            lambda h, w: (h + rest) // step == -(-h // step),
            lambda h, w: (h - number) * (h + rest) > 0,
        )
    )


def _on_two(draws: random.Random) -> Decision:
    number, step = draws.choice(NUMBERS), draws.choice((2, 8, 16))
    return draws.choice(
        (
            lambda h, w: h == w,
            lambda h, w: h * w == number**2,
            lambda h, w: (h // step) * (w // step) == number,
            lambda h, w: h + w == number,
            lambda h, w: h * w > number**2,
            lambda h, w: h == 2 * w,
        )
    )


def _scope(draws: random.Random, *kinds: Callable[[random.Random], Decision]) -> Scope:
    """Of sizes around 224, with some decisions of each kind, as they are made there."""
    scope = Scope({"H": draws.choice((14, 200, 224, 640)), "W": draws.choice((14, 224, 320))})
    for kind in kinds:
        for _ in range(draws.randint(1, 4)):
            bool(kind(draws)(scope.symbol("H"), scope.symbol("W")))
    return scope


def _says(scope: Scope) -> Callable[[int, int], bool]:
    """Whether a point is one of those that are described."""
    needed, fixed = requirements(scope)
    texts = [one.condition.replace("^", "**") for one in needed] + [f"{one.size} == {one.value}" for one in fixed]
    code = compile(" and ".join(f"({one})" for one in texts) or "True", "shown", "eval")
    names = {"floor": math.floor, "ceil": math.ceil, "max": max, "min": min}
    return lambda h, w: bool(eval(code, names, {"H": h, "W": w}))  # noqa: S307 - our own text


def _sizes(draws: random.Random) -> Iterator[int]:
    yield from (number + step for number in NUMBERS for step in (-1, 0, 1))
    yield from (draws.randint(1, 2000) for _ in range(200))


@pytest.mark.parametrize("seed", range(150))
def test_conditions_on_one_size(seed: int) -> None:
    """Joined or not, they say where the form holds, no more and no less."""
    draws = random.Random(seed)  # noqa: S311 - not for secrets
    scope = _scope(draws, _on_one)
    says = _says(scope)
    for size in [*range(1, 1100), *_sizes(draws)]:
        assert says(size, 1) == allows(scope, {"H": size, "W": 1}), (size, requirements(scope))


@pytest.mark.parametrize("seed", range(100))
def test_conditions_on_two_sizes(seed: int) -> None:
    """What is left out as true of all sizes is true of all that are tried, those on which the decisions turn first."""
    draws = random.Random(seed)  # noqa: S311 - not for secrets
    scope = _scope(draws, _on_two, _on_one)
    says = _says(scope)
    sizes = [*_sizes(draws)]
    for height in sizes:
        for width in (height, 2 * height, *draws.sample(NUMBERS, 6), *draws.sample(sizes, 6)):
            assert says(height, width) == allows(scope, {"H": height, "W": width}), (height, width, requirements(scope))
