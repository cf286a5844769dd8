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
from flopcalc.symbolic.one_size import Truth, far, in_words, next_multiple, truth_of, turns
from flopcalc.symbolic.scope import Condition, Scope
from flopcalc.symbolic.size import Size, denominator_of
from flopcalc.symbolic.writing import text

_MULTIPLE = re.compile(r"\w+ % ([0-9]+) == 0")
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
    """The conditions in words of one line each, and the sizes that are fixed. Those that always hold are left out.

    Those on one symbol are joined where that has words: `N <= 3` for `N <= 4` and `N != 4`.
    """
    bounds: dict[str, tuple[int, str]] = {}
    multiples = divisors(scope)
    steps = dict.fromkeys(scope.hints, 1) | {name: one.divisor for name, one in multiples.items()}
    # Those on one whole symbol by its name, each other one by its number.
    groups: dict[str | int, list[Condition]] = {}
    for number, one in enumerate(scope.conditions):
        names = list(symbols_of(one.expression))
        if one.bounds is not None:
            # Each raises the one before.
            name, least = one.bounds
            bounds[name] = least, one.where
        elif len(names) == 1 and not isinstance(scope.hints[names[0]], Fraction):
            groups.setdefault(names[0], []).append(one)
        elif not _holds_widely(scope, one, names, steps):
            groups[number] = [one]
    found = {f"{name} % {one.divisor} == 0": one.by for name, one in multiples.items()}
    fixed: dict[str, FixedSize] = {}
    for key, group in groups.items():
        shown = (
            _of_one(scope, group, key, steps[key])
            if isinstance(key, str)
            else {comparison(one): one.where for one in group}
        )
        if isinstance(shown, FixedSize):
            fixed[shown.size] = shown
        else:
            found |= {text: where for text, where in shown.items() if text not in found}
    for name in fixed.keys() & multiples.keys():
        del found[f"{name} % {steps[name]} == 0"]
    lower = []
    for name, (least, where) in bounds.items():
        end = next_multiple(least, steps[name])
        implied = name in fixed or any(one.startswith(f"{name} >= ") for one in found)
        if end > next_multiple(int(scope.given_least[name]), steps[name]) and not implied:
            lower.append(Requirement(f"{name} >= {end}", where))
    return [*lower, *starmap(Requirement, found.items())], list(fixed.values())


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
    if isinstance(scope.hints[name], Fraction):
        return {}
    shown = in_words(name, truth_of(scope, one, name))
    match = _MULTIPLE.fullmatch(shown[0]) if isinstance(shown, list) and len(shown) == 1 else None
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


def _of_one(scope: Scope, group: Sequence[Condition], name: str, step: int) -> dict[str, str] | FixedSize:
    """The conditions on one whole symbol with their places, or its value. Two of a kind are one where that has words.

    step: what the symbol is a multiple of, by other conditions.
    """
    kept: list[tuple[Truth, dict[str, str]]] = []
    for one in group:
        truth = truth_of(scope, one, name, step)
        shown = in_words(name, truth)
        if shown == []:
            continue
        found = {comparison(one): one.where}
        for number, (other, before) in enumerate(kept):
            if _is_of_rests(shown) is not _is_of_rests(list(before)):
                # Of a bound next to remainders, sizes far away tell too little.
                continue
            both = truth & other
            words = in_words(name, both)
            if words is not None:
                del kept[number]
                truth, shown, found = both, words, before
                break
        if isinstance(shown, int):
            return FixedSize(name, shown, one.where)
        kept.append((truth, found if shown is None else {text: found.get(text, one.where) for text in shown}))
    return {text: where for _, found in kept for text, where in found.items()}


def _is_of_rests(shown: list[str] | int | None) -> bool:
    return isinstance(shown, list) and "%" in shown[0]


def _holds_widely(scope: Scope, one: Condition, names: Sequence[str], steps: Mapping[str, int]) -> bool:
    """Whether a condition on several whole symbols holds at all small multiples of steps, and at many others."""
    if any(isinstance(scope.hints[name], Fraction) for name in names):
        return False
    by = {name: (next_multiple(int(scope.least[name]), steps[name]), steps[name]) for name in names}
    draws = random.Random(0)  # noqa: S311 - not for secrets
    further = ([first + draws.randrange(_BEYOND) * step for first, step in by.values()] for _ in range(_FURTHER))
    small = [range(first, first + _SMALL * step, step) for first, step in by.values()]
    ends = [
        sorted({first, first + step, int(scope.hints[name]), *far(step)[::5]}) for name, (first, step) in by.items()
    ]
    # All combinations of a few sizes of each, where there are not too many.
    all_of: list[list[Sequence[int]]] = [[*small], [*ends]] if len(names) < _MANY else []
    points = (dict(zip(names, sizes, strict=True)) for sizes in chain(further, *(product(*each) for each in all_of)))
    signs = set()
    for point in points:
        value = evaluate(one.expression, point)
        if not holds(value, one.relation):
            return False
        signs.add(value > 0)
    # What is never negative, or never positive, may be 0 where the condition allows it.
    return one.relation != "!=" or len(signs) == 1 or not _is_zero_somewhere(one, by, scope.hints)


def _is_zero_somewhere(one: Condition, by: Mapping[str, tuple[int, int]], hints: Mapping[str, Any]) -> bool:
    """Whether an expression that has both signs is 0 on a way along one symbol, with the others at some sizes.

    by: the least size of each symbol, and what it is a multiple of.
    """
    chosen = [
        [
            *range(first, first + _SMALL * step, step),
            int(hints[name]),
            *(next_multiple(2**power, step) for power in range(2, 11)),
        ]
        for name, (first, step) in by.items()
    ]
    for name, (first, step) in by.items():
        for sizes in zip(*chosen, strict=True):
            point = {other: max(size, by[other][0]) for other, size in zip(by, sizes, strict=True)}

            def value(size: int, point: Mapping[str, int] = point, name: str = name) -> Any:
                return evaluate(one.expression, {**point, name: size})

            if any(
                value(size) == 0 for size in turns(value, [first, *(size for size in far(step) if size > first)], step)
            ):
                return True
    return False


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
