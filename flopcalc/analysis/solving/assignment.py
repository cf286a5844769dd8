"""One choice for each item, so that a sum is as small as possible and other sums keep their bounds: exactly optimal.

SciPy's `milp` finds a solution. It computes with floats, so that a solution may break a bound by a little, or another
one may be better by a little; the rest is done with whole numbers. All solutions that can be better are gone through:
item by item, the sums that are still possible are kept, without those that cannot end below the best solution. That is
known from a bound that holds for any multipliers of the rows (Lagrange); those of the linear program make it tight.
"""

import os
import sys
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import frexp, gcd
from typing import Any, NamedTuple

from flopcalc import optional

# Sums that are kept for one item; with more of them, the proof is given up.
_MOST_STATES = 100_000
# Digits of the prices of rows.
_BITS = 40


class Option(NamedTuple):
    """One choice for an item: what it adds to the sum that is made small, and to each row."""

    cost: int
    rows: tuple[int, ...]


class Best(NamedTuple):
    """The choice for each item, None without a solution. proved: whether there is no better one."""

    choices: tuple[int, ...] | None
    proved: bool


def assign(items: Sequence[Sequence[Option]], bounds: Sequence[int]) -> Best:
    """The choices with the smallest sum of costs for which the sum of each row is at most its bound.

    Raises FlopcalcError (missing-package) where SciPy is not installed.
    """
    scipy = _scipy()
    items, bounds = _reduced(items, bounds)
    if any(bound < 0 for bound in bounds):
        return Best(None, True)
    with _quiet():
        guess = _guess(scipy, items, bounds)
        prices = _prices(scipy, items, bounds)
    # Items first whose options differ most, so that few sums are kept for most of the way; equal items together.
    order = sorted(range(len(items)), key=lambda place: (-_gap(items[place], prices), items[place]))
    ordered = [items[place] for place in order]
    best = None if guess is None else sum(options[number].cost for options, number in zip(items, guess, strict=True))
    found, proved = _better(ordered, bounds, best, prices)
    if found is None:
        return Best(guess, proved)
    chosen = [0] * len(items)
    for place, number in zip(order, found, strict=True):
        chosen[place] = number
    return Best(tuple(chosen), proved)


def _scipy() -> Any:
    return optional.load("scipy.optimize", "SciPy", "scipy>=1.11", "--choose")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the solver writes to the file descriptor of standard output, where results go."""
    sys.stdout.flush()
    try:
        held = os.dup(1)
    except OSError:
        # There is no standard output.
        yield
        return
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 1)
        yield
    finally:
        os.dup2(held, 1)
        os.close(held)
        os.close(null)


def _reduced(items: Sequence[Sequence[Option]], bounds: Sequence[int]) -> tuple[list[list[Option]], list[int]]:
    """The same problem in smaller numbers: without what each item adds at least, and without common factors."""
    least = [min(option.cost for option in options) for options in items]
    unit = gcd(*(option.cost - low for options, low in zip(items, least, strict=True) for option in options)) or 1
    costs = [[(option.cost - low) // unit for option in options] for options, low in zip(items, least, strict=True)]
    rows: list[list[list[int]]] = [[[] for _ in options] for options in items]
    rooms = []
    for row, bound in enumerate(bounds):
        lows = [min(option.rows[row] for option in options) for options in items]
        values = [[option.rows[row] - low for option in options] for options, low in zip(items, lows, strict=True)]
        unit = gcd(*(value for each in values for value in each)) or 1
        for place, each in enumerate(values):
            for number, value in enumerate(each):
                rows[place][number].append(value // unit)
        # A sum is a multiple of the unit, so that the rest of the bound has no effect.
        rooms.append((bound - sum(lows)) // unit)
    made = [
        [Option(cost, tuple(row)) for cost, row in zip(*pair, strict=True)] for pair in zip(costs, rows, strict=True)
    ]
    return made, rooms


# With floats ----------------------------------------------------------------------------------------


class _Program(NamedTuple):
    """The linear program: for each group of equal items and each option the number of items that have it.

    Costs and rows are divided by their largest numbers. places: of the items of each group.
    """

    costs: list[float]
    rows: list[list[float]]
    bounds: list[float]
    groups: list[list[float]]
    places: list[list[int]]
    most: list[int]
    cost_scale: int
    scales: list[int]


def _program(items: Sequence[Sequence[Option]], bounds: Sequence[int]) -> _Program:
    found: dict[tuple[Option, ...], list[int]] = {}
    for place, options in enumerate(items):
        found.setdefault(tuple(options), []).append(place)
    columns = [(index, option) for index, options in enumerate(found) for option in options]
    places = list(found.values())
    cost_scale = max((option.cost for _, option in columns), default=0) or 1
    scales = [max((option.rows[row] for _, option in columns), default=0) or 1 for row in range(len(bounds))]
    return _Program(
        costs=[option.cost / cost_scale for _, option in columns],
        rows=[[option.rows[row] / scale for _, option in columns] for row, scale in enumerate(scales)],
        bounds=[bound / scale for bound, scale in zip(bounds, scales, strict=True)],
        groups=[[float(index == group) for index, _ in columns] for group in range(len(found))],
        places=places,
        most=[len(places[index]) for index, _ in columns],
        cost_scale=cost_scale,
        scales=scales,
    )


def _guess(scipy: Any, items: Sequence[Sequence[Option]], bounds: Sequence[int]) -> tuple[int, ...] | None:
    """A solution of `milp` that keeps all bounds, or None."""
    program = _program(items, bounds)
    counts = [len(places) for places in program.places]
    constraints = [scipy.LinearConstraint(program.groups, counts, counts)]
    if bounds:
        below = [-float("inf")] * len(bounds)
        constraints.append(scipy.LinearConstraint(program.rows, below, program.bounds))
    found = scipy.milp(
        program.costs,
        integrality=[1] * len(program.costs),
        bounds=scipy.Bounds(0, program.most),
        constraints=constraints,
        options={"mip_rel_gap": 0.0, "time_limit": 10},
    )
    if found.x is None:
        return None
    amounts = iter([round(float(one)) for one in found.x])
    chosen = [0] * len(items)
    for places in program.places:
        options = range(len(items[places[0]]))
        numbers = [number for number in options for _ in range(max(0, next(amounts)))]
        if len(numbers) != len(places):
            return None
        for place, number in zip(places, numbers, strict=True):
            chosen[place] = number
    sums = [
        sum(options[number].rows[row] for options, number in zip(items, chosen, strict=True))
        for row in range(len(bounds))
    ]
    return tuple(chosen) if all(a <= b for a, b in zip(sums, bounds, strict=True)) else None


def _prices(scipy: Any, items: Sequence[Sequence[Option]], bounds: Sequence[int]) -> list[int]:
    """Whole numbers of 0 or more: what a unit of cost is worth, and one unit of each row, in the linear program."""
    program = _program(items, bounds)
    found = None
    if bounds:
        found = scipy.linprog(
            program.costs,
            A_ub=program.rows,
            b_ub=program.bounds,
            A_eq=program.groups,
            b_eq=[len(places) for places in program.places],
            bounds=[(0, most) for most in program.most],
            method="highs",
        )
    if found is None or found.status != 0:
        return [1, *[0] * len(bounds)]
    marginals = [max(0.0, -float(price)) for price in found.ineqlin.marginals]
    worth = [price * program.cost_scale / scale for price, scale in zip(marginals, program.scales, strict=True)]
    # Any numbers give a bound; with more digits it is tighter.
    unit = 1 << (_BITS + max([0, *(-frexp(one)[1] for one in worth if one)]))
    return [unit, *(int(one * unit) for one in worth)]


# With whole numbers ---------------------------------------------------------------------------------


def _priced(option: Option, prices: Sequence[int]) -> int:
    """The cost of an option with the prices of its rows."""
    return option.cost * prices[0] + sum(map(int.__mul__, prices[1:], option.rows))


def _gap(options: Sequence[Option], prices: Sequence[int]) -> int:
    """The difference between the two best options, by their price; large where there is one option only."""
    found = sorted(_priced(option, prices) for option in options)
    return found[1] - found[0] if len(found) > 1 else 1 << 200


def _better(
    items: Sequence[Sequence[Option]], bounds: Sequence[int], best: int | None, prices: Sequence[int]
) -> tuple[tuple[int, ...] | None, bool]:
    """A solution with a smaller sum than `best`, and whether all of them were looked at."""
    priced = [[_priced(option, prices) for option in options] for options in items]
    # The smallest price of the items from each place on, with what the bounds are worth.
    rest = [-sum(map(int.__mul__, prices[1:], bounds))]
    for each in reversed(priced):
        rest.append(rest[-1] + min(each))
    rest.reverse()
    limit = None if best is None else (best - 1) * prices[0]
    # A state is a sum of costs and of rows so far; with it the price so far, the state before, and the choice.
    state: tuple[int, tuple[int, ...]] = (0, (0,) * len(bounds))
    layers: list[dict[Any, tuple[int, Any, int]]] = [{state: (0, None, -1)}]
    for place, options in enumerate(items):
        after: dict[Any, tuple[int, Any, int]] = {}
        most = None if limit is None else limit - rest[place + 1]
        choices = [(number, option.cost, option.rows, priced[place][number]) for number, option in enumerate(options)]
        for before, (price, _, _) in layers[-1].items():
            for number, cost, rows, more in choices:
                now = price + more
                if most is not None and now > most:
                    continue
                sums = tuple(map(int.__add__, before[1], rows))
                if any(map(int.__gt__, sums, bounds)):
                    continue
                key = (before[0] + cost, sums)
                if key not in after:
                    after[key] = (now, before, number)
        after = _undominated(after)
        if len(after) > _MOST_STATES:
            return None, False
        layers.append(after)
    if not layers[-1]:
        return None, True
    end = min(layers[-1])
    # The price is a bound of the cost from below: where a row has room left, a worse solution may be in the last layer.
    if best is not None and end[0] >= best:
        return None, True
    chosen: list[int] = []
    for layer in layers[:0:-1]:
        _, before, number = layer[end]
        chosen.append(number)
        end = before
    return tuple(chosen[::-1]), True


def _undominated(states: dict[Any, Any]) -> dict[Any, Any]:
    """Without states that another one beats in the cost and in all rows; with three rows or more, all of them."""
    rows = len(next(iter(states))[1]) if states else 0
    if len(states) < 2 or rows > 2:
        return states
    kept = {}
    # The rows of the states so far that no other one beats: the first one rises, and the second one falls.
    firsts: list[int] = []
    seconds: list[int] = []
    for key in sorted(states):
        first, second = (*key[1], 0, 0)[:2]
        place = bisect_right(firsts, first)
        if place and seconds[place - 1] <= second:
            continue
        kept[key] = states[key]
        end = place
        while end < len(firsts) and seconds[end] >= second:
            end += 1
        start = place - 1 if place and firsts[place - 1] == first else place
        firsts[start:end], seconds[start:end] = [first], [second]
    return kept
