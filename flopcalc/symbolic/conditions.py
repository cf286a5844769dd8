"""Where an expression holds: the conditions of a scope as people write them."""

import math
import random
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import chain, product, starmap
from typing import Any, NamedTuple

from flopcalc.symbolic.arrays import evaluate_all
from flopcalc.symbolic.atoms import Terms
from flopcalc.symbolic.evaluating import evaluate, holds, symbols_of
from flopcalc.symbolic.scope import FAR, Condition, Scope
from flopcalc.symbolic.size import Size, denominator_of
from flopcalc.symbolic.writing import text

# Sizes at which a condition on one symbol is looked at, and the largest period that is looked for.
_LOOKED_AT = 256
_LARGEST_PERIOD = 128
# The most remainders that are listed; of more, the range is given.
_LISTED = 3
_MULTIPLE = re.compile(r"\w+ % ([0-9]+) == 0")
_UPPER = re.compile(r"(\w+) <= ([0-9]+)")
# Values of each symbol at which a condition on several is looked at, from the least on; further points, and how far.
_SMALL, _FURTHER, _BEYOND = 12, 200, 1000
# With this number of symbols or more, only the further points are looked at.
_MANY = 4


class Requirement(NamedTuple):
    """A condition as text, such as `H >= 33`, and the place where it was met."""

    condition: str
    why: str


class FixedSize(NamedTuple):
    """A symbol that must have one value, and the place that needs it."""

    size: str
    value: int
    by: str


class Divisor(NamedTuple):
    """What a symbol must be a multiple of, and the place that needs it."""

    divisor: int
    by: str


def allows(scope: Scope, point: Mapping[str, Any]) -> bool:
    """Whether all conditions hold at a point; with arrays, at all of its points."""
    found = evaluate_all({str(number): one.expression for number, one in enumerate(scope.conditions)}, point)
    for number, one in enumerate(scope.conditions):
        true: Any = holds(found[str(number)], one.relation)
        if not (true.all() if hasattr(true, "all") else true):
            return False
    return True


def requirements(scope: Scope) -> tuple[list[Requirement], list[FixedSize]]:
    """The conditions in words of one line each, and the sizes that are fixed. Those that always hold are left out."""
    bounds: dict[str, tuple[int, str]] = {}
    multiples = divisors(scope)
    steps = dict.fromkeys(scope.hints, 1) | {name: one.divisor for name, one in multiples.items()}
    found = {f"{name} % {one.divisor} == 0": one.by for name, one in multiples.items()}
    fixed: dict[str, FixedSize] = {}
    for one in scope.conditions:
        if one.bounds is not None:
            # Each raises the one before.
            name, least = one.bounds
            bounds[name] = least, one.where
            continue
        names = list(symbols_of(one.expression))
        shown = _on_one(scope, one, names[0], steps[names[0]]) if len(names) == 1 else None
        if isinstance(shown, int):
            fixed.setdefault(names[0], FixedSize(names[0], shown, one.where))
        elif shown is None:
            shown = "" if len(names) > 1 and _holds_widely(scope, one, names, steps) else comparison(one)
        if isinstance(shown, str) and shown:
            found.setdefault(shown, one.where)
    for name in fixed.keys() & multiples.keys():
        del found[f"{name} % {steps[name]} == 0"]
    least_of = {name: _next_multiple(least, steps[name]) for name, (least, _) in bounds.items() if name not in fixed}
    lower = [
        Requirement(f"{name} >= {least}", bounds[name][1])
        for name, least in least_of.items()
        if least > _next_multiple(int(scope.given_least[name]), steps[name])
    ]
    return [*lower, *starmap(Requirement, _least_upper(found).items())], list(fixed.values())


def _next_multiple(size: int, step: int) -> int:
    """The least multiple that is no smaller."""
    return -(-size // step) * step


def divisors(scope: Scope) -> dict[str, Divisor]:
    """The symbols that are multiples wherever the conditions hold."""
    found: dict[str, Divisor] = {}
    for one in scope.conditions:
        names = sorted(symbols_of(one.expression))
        if one.relation != "==" or len(names) > 2:
            continue
        by_name = _divisor(scope, one, names[0]) if len(names) == 1 else _two_divisors(scope, one, names)
        for name, divisor in by_name.items():
            before = found.get(name, Divisor(1, one.where))
            found[name] = before._replace(divisor=math.lcm(before.divisor, divisor))
    return found


def _divisor(scope: Scope, one: Condition, name: str) -> dict[str, int]:
    match = _MULTIPLE.fullmatch(str(_on_one(scope, one, name)))
    return {name: int(match[1])} if match else {}


def _two_divisors(scope: Scope, one: Condition, names: Sequence[str]) -> dict[str, int]:
    """Both divisors of a condition such as `64*floor(H/8)*floor(W/8) == H*W`, which holds where both are multiples."""
    found: dict[str, int] = {}
    for name, other in (names, names[::-1]):
        there: Any = evaluate(one.expression, {name: scope.symbol(name), other: scope.hints[other]})
        found |= _divisor(scope, one._replace(expression=there), name)
    if len(found) < 2:
        return {}
    for sizes in product(*(_around(found[name]) for name in names)):
        point = dict(zip(names, sizes, strict=True))
        multiples = not any(point[name] % found[name] for name in names)
        if holds(evaluate(one.expression, point), one.relation) is not multiples:
            return {}
    return found


def _around(period: int) -> list[int]:
    """Sizes of three periods: all of them, or a spread where they are many."""
    return sorted({*range(1, 3 * period, max(1, period // 16)), period, 2 * period, 3 * period})


def _least_upper(found: Mapping[str, str]) -> dict[str, str]:
    """Without those that another one implies: of `H <= 62` and `H <= 56`, only the second says something."""
    ends = {text: (match[1], int(match[2])) for text in found if (match := _UPPER.fullmatch(text))}
    least: dict[str, int] = {}
    for name, most in ends.values():
        least[name] = min(most, least.get(name, most))
    return {text: one for text, one in found.items() if text not in ends or ends[text][1] == least[ends[text][0]]}


def _on_one(scope: Scope, one: Condition, name: str, step: int = 1) -> str | int | None:
    """A condition on one symbol: the only value, "" where it always holds, a text; None for the plain comparison.

    step: what the symbol is a multiple of, by other conditions.
    """
    hint = scope.hints[name]
    if isinstance(hint, Fraction):
        return None
    first = _next_multiple(int(scope.least[name]), step)
    sizes = range(first, max(first, hint) + _LOOKED_AT * step, step)
    by_size = {size: holds(evaluate(one.expression, {name: size}), one.relation) for size in sizes}
    later = {
        size: holds(evaluate(one.expression, {name: size}), one.relation) for size in _far(step) if size > sizes[-1]
    }
    if all(by_size.values()):
        return "" if all(later.values()) else _up_to(one, name, step, sizes[-1], later)
    true = [size for size, is_true in by_size.items() if is_true]
    if len(true) == 1 and not any(later.values()):
        return true[0]
    if true and true == list(range(true[0], true[-1] + 1, step)):
        to_the_end = true[-1] == sizes[-1]
        if not all(is_true is to_the_end for is_true in later.values()):
            return None
        upper = "" if to_the_end else f"{name} <= {true[-1]}"
        lower = f"{name} >= {true[0]}" if true[0] > first else ""
        return " and ".join(filter(None, (lower, upper)))
    return _remainder(name, by_size | later)


def _far(step: int) -> list[int]:
    """Large multiples of a step."""
    return sorted({_next_multiple(size, step) for size in FAR})


def _up_to(one: Condition, name: str, step: int, low: int, later: Mapping[int, bool]) -> str | None:
    """`H <= 2048`, where a condition holds up to some size; None if it holds again behind it.

    low: a size where it holds. later: whether it holds at larger ones.
    """
    high = min(size for size, is_true in later.items() if not is_true)
    if any(is_true for size, is_true in later.items() if size > high):
        return None
    while high - low > step:
        middle = (low + high) // (2 * step) * step
        if holds(evaluate(one.expression, {name: middle}), one.relation):
            low = middle
        else:
            high = middle
    return f"{name} <= {low}"


def _holds_widely(scope: Scope, one: Condition, names: Sequence[str], steps: Mapping[str, int]) -> bool:
    """Whether a condition on several whole symbols holds at all small multiples of steps, and at many others."""
    if any(isinstance(scope.hints[name], Fraction) for name in names):
        return False
    by = {name: (_next_multiple(int(scope.least[name]), steps[name]), steps[name]) for name in names}
    draws = random.Random(0)  # noqa: S311 - not for secrets
    further = ([first + draws.randrange(_BEYOND) * step for first, step in by.values()] for _ in range(_FURTHER))
    small = [range(first, first + _SMALL * step, step) for first, step in by.values()]
    ends = [
        sorted({first, first + step, int(scope.hints[name]), *_far(step)[::5]}) for name, (first, step) in by.items()
    ]
    # All combinations of a few sizes of each, where there are not too many.
    all_of: list[list[Sequence[int]]] = [[*small], [*ends]] if len(names) < _MANY else []
    points = (dict(zip(names, sizes, strict=True)) for sizes in chain(further, *(product(*each) for each in all_of)))
    return all(holds(evaluate(one.expression, point), one.relation) for point in points)


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


def comparison(one: Condition) -> str:
    """The condition with its negative terms on the other side: `ceil(H/16) == 2*ceil(H/32)`."""
    value, relation = one.expression, one.relation
    bottom = denominator_of(Size(value.scope, {one: factor for one, factor in value.terms.items() if one}))
    factors = {monomial: factor * bottom for monomial, factor in value.terms.items()}
    if all(factor == int(factor) for factor in factors.values()):
        shared = math.gcd(*map(int, factors.values()))
        factors = {monomial: int(factor) // shared for monomial, factor in factors.items()}
    value = Size(value.scope, factors)
    left: Terms = {monomial: factor for monomial, factor in value.terms.items() if factor > 0}
    right: Terms = {monomial: -factor for monomial, factor in value.terms.items() if factor < 0}
    sides = _side(value, left), _side(value, right)
    if not left or (set(left) == {()} and right):
        return f"{sides[1]} {_TURNED[relation]} {sides[0]}"
    return f"{sides[0]} {relation} {sides[1]}"


_TURNED = {">": "<", ">=": "<=", "<": ">", "<=": ">=", "==": "==", "!=": "!="}


def _side(value: Size, terms: Terms) -> str:
    return text(Size(value.scope, terms)) if terms else "0"
