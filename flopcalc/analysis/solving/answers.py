"""From a cell that was found to the value that is shown: its text, the interval that costs the same, the next value."""

from collections.abc import Callable
from typing import Any

from flopcalc.analysis.solving.axes import Axis, Cell
from flopcalc.analysis.solving.numbers import Exact, Interval, exact_text, shortest
from flopcalc.analysis.solving.question import Outcome, Question
from flopcalc.analysis.solving.variables import Variable, exact_number

# Neighbours that are looked at for the same cost.
_MOST = 200


def merged(axis: Axis, cell: Cell, *, slow: bool = False) -> tuple[Interval, bool, Cell | None, Cell | None]:
    """All values around a cell that have its costs, whether they are all, and the cells below and above them."""
    whole = True

    def ends(step: Callable[[Cell], Cell | None]) -> tuple[Cell, Cell | None]:
        nonlocal whole
        last, other = cell, step(cell)
        for _ in range(1 if slow else _MOST):
            if other is None or not other.outcome.costs_like(cell.outcome):
                return last, other
            last, other = other, step(other)
        whole = False
        return last, other

    (low, below), (high, above) = ends(axis.down), ends(axis.up)
    interval = Interval(low.interval.low, high.interval.high, low.interval.low_in, high.interval.high_in)
    return interval, whole, below, above


def cost_of(question: Question, outcome: Outcome) -> dict[str, Any]:
    """All kinds of cost, and the ratios of the limits as numbers."""
    found: dict[str, Any] = dict(outcome.totals)
    for limit, one in zip(question.limits, outcome.judged, strict=True):
        if limit.ratio_to:
            found[f"ratio({limit.ratio_to}, {limit.quantity})"] = float(one.actual)
    return found


def value_in(variable: Variable, axis: Axis, interval: Interval, largest: bool) -> Exact:
    """The number of an interval that is shown: the shortest decimal, or the end of whole numbers."""
    if variable.kind == "rational" and axis.complete:
        return exact_number(shortest(interval, largest))
    end = interval.high if largest else interval.low
    return exact_number(end or 0)


def interval_record(variable: Variable, interval: Interval, *, complete: bool = True) -> dict[str, Any]:
    """An interval as plain data: from, to (null: without an end), and whether the ends belong to it.

    complete: whether values outside of it, next to its ends, have another cost.
    """

    def text(end: Exact | None) -> str | None:
        if end is None:
            return None
        return exact_text(end) if variable.kind == "rational" else variable.text(exact_number(end))

    return {
        "from": text(interval.low),
        "to": text(interval.high),
        "from_included": interval.low_in and interval.low is not None,
        "to_included": interval.high_in and interval.high is not None,
        "complete": complete,
    }


def point_record(question: Question, variable: Variable, axis: Axis, cell: Cell, largest: bool) -> dict[str, Any]:
    """A cell that is not the answer: a value of it, and its cost, or why it has none."""
    end, inside = (cell.interval.high, cell.interval.high_in) if largest else (cell.interval.low, cell.interval.low_in)
    # Its end, since this is where the cost changes.
    number = exact_number(end) if end is not None and inside else value_in(variable, axis, cell.interval, largest)
    found: dict[str, Any] = {"value": variable.text(number)}
    if cell.outcome.refused:
        return {**found, "cost": None, "why_not": cell.outcome.refused}
    return {**found, "cost": cost_of(question, cell.outcome)}
