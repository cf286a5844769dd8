"""One choice for each item, so that a sum is as small as possible and other sums keep their bounds: exactly optimal.

SciPy's `milp` finds a solution. It computes with floats, so that a solution may break a bound by a little, or another
one may be better by a little; the rest is done with whole numbers. All solutions that can be better are gone through:
item by item, the sums that are still possible are kept, without those that cannot end below the best solution. That is
known from a bound that holds for any multipliers of the rows (Lagrange); those of the linear program make it tight.
"""

from collections.abc import Sequence
from fractions import Fraction
from importlib import import_module
from math import gcd
from typing import Any, NamedTuple

from flopcalc.errors import missing_package

# Sums that are kept for one item; with more of them, the proof is given up.
_MOST_STATES = 300_000


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
    milp = _scipy()
    lows = [_suffixes(items, lambda option, row=row: option.rows[row]) for row in range(len(bounds))]
    if any(low[0] > bound for low, bound in zip(lows, bounds, strict=True)):
        return Best(None, True)
    guess = _guess(milp, items, bounds)
    multipliers = _multipliers(milp, items, bounds)
    found, proved = _better(items, bounds, guess, multipliers, lows)
    return Best(found if found is not None else guess, proved)


def _scipy() -> Any:
    try:
        return import_module("scipy.optimize")
    except ImportError:
        raise missing_package("SciPy", "scipy>=1.11", "--choose") from None


def _suffixes(items: Sequence[Sequence[Option]], of: Any) -> list[Any]:
    """The smallest possible sums of the items from each place on."""
    found = [0]
    for options in reversed(items):
        found.append(found[-1] + min(map(of, options)))
    return found[::-1]


# With floats ----------------------------------------------------------------------------------------


def _groups(items: Sequence[Sequence[Option]]) -> dict[tuple[Option, ...], list[int]]:
    """The places of equal items."""
    found: dict[tuple[Option, ...], list[int]] = {}
    for place, options in enumerate(items):
        found.setdefault(tuple(options), []).append(place)
    return found


class _Program(NamedTuple):
    """The linear program: for each group of equal items and each option the number of items that have it."""

    costs: list[float]
    rows: list[list[float]]
    bounds: list[float]
    groups: list[list[float]]
    counts: list[int]
    most: list[int]
    scales: list[int]
    cost_scale: int


def _program(items: Sequence[Sequence[Option]], bounds: Sequence[int]) -> _Program:
    groups = _groups(items)
    columns = [(index, option) for index, options in enumerate(groups) for option in options]
    counts = [len(places) for places in groups.values()]
    # Smaller numbers with the same solutions: without what each item adds at least, and without common factors.
    least_cost = [min(option.cost for option in options) for options in groups]
    costs = [option.cost - least_cost[index] for index, option in columns]
    cost_scale = gcd(*costs) or 1
    rows, limits, scales = [], [], []
    for row, bound in enumerate(bounds):
        least = [min(option.rows[row] for option in options) for options in groups]
        values = [option.rows[row] - least[index] for index, option in columns]
        room = bound - sum(low * count for low, count in zip(least, counts, strict=True))
        scale = gcd(*values) or 1
        size = max(map(abs, values), default=1) / scale or 1
        rows.append([value // scale / size for value in values])
        limits.append(room // scale / size)
        scales.append(int(scale * size))
    of_group = [[float(index == group) for index, _ in columns] for group in range(len(groups))]
    largest = max(costs, default=1) // cost_scale or 1
    return _Program(
        costs=[cost // cost_scale / largest for cost in costs],
        rows=rows,
        bounds=limits,
        groups=of_group,
        counts=counts,
        most=[counts[index] for index, _ in columns],
        scales=scales,
        cost_scale=cost_scale * largest,
    )


def _guess(scipy: Any, items: Sequence[Sequence[Option]], bounds: Sequence[int]) -> tuple[int, ...] | None:
    """A solution of `milp` that keeps all bounds, or None."""
    program = _program(items, bounds)
    constraints = [scipy.LinearConstraint(program.groups, program.counts, program.counts)]
    if bounds:
        below = [-float("inf")] * len(bounds)
        constraints.append(scipy.LinearConstraint(program.rows, below, program.bounds))
    found = scipy.milp(
        program.costs,
        integrality=[1] * len(program.costs),
        bounds=scipy.Bounds(0, program.most),
        constraints=constraints,
        options={"mip_rel_gap": 0.0, "time_limit": 30},
    )
    if found.x is None:
        return None
    amounts = iter(round(float(one)) for one in found.x)
    chosen = [0] * len(items)
    for options, places in _groups(items).items():
        numbers = [number for number, amount in zip(range(len(options)), amounts, strict=False) for _ in range(amount)]
        if len(numbers) != len(places):
            return None
        for place, number in zip(places, numbers, strict=True):
            chosen[place] = number
    sums = [sum(items[place][number].rows[row] for place, number in enumerate(chosen)) for row in range(len(bounds))]
    return tuple(chosen) if all(a <= b for a, b in zip(sums, bounds, strict=True)) else None


def _multipliers(scipy: Any, items: Sequence[Sequence[Option]], bounds: Sequence[int]) -> list[Fraction]:
    """A number of 0 or more for each row: the price of one unit of it in the linear program."""
    if not bounds:
        return []
    program = _program(items, bounds)
    found = scipy.linprog(
        program.costs,
        A_ub=program.rows,
        b_ub=program.bounds,
        A_eq=program.groups,
        b_eq=program.counts,
        bounds=list(zip([0] * len(program.most), program.most, strict=True)),
        method="highs",
    )
    if found.status != 0:
        return [Fraction(0)] * len(bounds)
    prices = [max(0.0, -float(price)) for price in found.ineqlin.marginals]
    return [
        Fraction(price).limit_denominator(10**9) * program.cost_scale / scale
        for price, scale in zip(prices, program.scales, strict=True)
    ]


# With whole numbers ---------------------------------------------------------------------------------


def _better(
    items: Sequence[Sequence[Option]],
    bounds: Sequence[int],
    guess: tuple[int, ...] | None,
    multipliers: Sequence[Fraction],
    lows: Sequence[Sequence[int]],
) -> tuple[tuple[int, ...] | None, bool]:
    """A solution with a smaller sum than the guess, and whether all of them were looked at."""
    best = None if guess is None else sum(items[place][number].cost for place, number in enumerate(guess))
    # One common denominator, so that all sums are ints.
    scale = 1
    for one in multipliers:
        scale = scale * one.denominator // gcd(scale, one.denominator)
    weights = [int(one * scale) for one in multipliers]

    def priced(option: Option) -> int:
        return option.cost * scale + sum(weight * row for weight, row in zip(weights, option.rows, strict=True))

    least = _suffixes(items, priced)
    paid = sum(weight * bound for weight, bound in zip(weights, bounds, strict=True))
    # A state is a sum of costs and of rows so far; its value is the price so far, the state before, and the choice.
    state: tuple[int, tuple[int, ...]] = (0, (0,) * len(bounds))
    layers: list[dict[tuple[int, tuple[int, ...]], tuple[int, Any, int]]] = [{state: (0, None, -1)}]
    for place, options in enumerate(items):
        after: dict[tuple[int, tuple[int, ...]], tuple[int, Any, int]] = {}
        rest = least[place + 1] - paid
        for before, (price, _, _) in layers[-1].items():
            for number, option in enumerate(options):
                now = price + priced_of(option, scale, weights)
                if best is not None and now + rest > (best - 1) * scale:
                    continue
                rows = tuple(map(int.__add__, before[1], option.rows))
                if any(row + low[place + 1] > bound for row, low, bound in zip(rows, lows, bounds, strict=True)):
                    continue
                key = (before[0] + option.cost, rows)
                if key not in after:
                    after[key] = (now, before, number)
        after = _undominated(after)
        if len(after) > _MOST_STATES:
            return None, False
        layers.append(after)
    if not layers[-1]:
        return None, True
    end = min(layers[-1])
    chosen: list[int] = []
    for layer in layers[:0:-1]:
        _, before, number = layer[end]
        chosen.append(number)
        end = before
    return tuple(chosen[::-1]), True


def priced_of(option: Option, scale: int, weights: Sequence[int]) -> int:
    """The cost of an option with the prices of its rows."""
    return option.cost * scale + sum(map(int.__mul__, weights, option.rows))


def _undominated(states: dict[Any, Any]) -> dict[Any, Any]:
    """Without states that another one beats in the cost and in the only row; with several rows, all of them."""
    if len(states) < 2 or len(next(iter(states))[1]) > 1:
        return states
    kept = {}
    least: int | None = None
    for key in sorted(states):
        row = key[1][0] if key[1] else 0
        if least is None or row < least:
            kept[key] = states[key]
            least = row
    return kept
