"""The rows of a sweep as lines: what the horizontal axis is, and what one line is of."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from flopcalc.charts.given import checked
from flopcalc.charts.theme import MOST_SERIES
from flopcalc.cost.kinds import KINDS
from flopcalc.errors import FlopcalcError, clip, unknown_name

if TYPE_CHECKING:
    from flopcalc.analysis.sweep import Sweep

# The columns that name what a row is of.
TARGETS = ("operator", "network", "replace")
# Columns that follow from others, or that are a result.
_RESULTS = frozenset({*KINDS, "cost", "h_out", "w_out", "input"})
_ALIASES = {"hw": "h", "cin": "c_in", "cout": "c_out", "kernel": "k"}


class Point(NamedTuple):
    """One row of a sweep. x: the size. y: the exact cost. values: the other columns that vary."""

    x: Fraction
    y: Any
    values: Mapping[str, Any]


class Series(NamedTuple):
    """One line: its name, and its points in the order of x."""

    name: str
    points: tuple[Point, ...]


class Lines(NamedTuple):
    """All lines of a sweep. over: the column of the horizontal axis. missing: rows without a cost."""

    over: str
    square: bool
    series: tuple[Series, ...]
    missing: int


def number_of(value: Any) -> Fraction | None:
    """The exact number of a cell, also of text such as 1/3; None for others."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float | Fraction):
        return Fraction(value)
    try:
        return Fraction(value) if isinstance(value, str) and value[:1].isdigit() else None
    except ValueError:
        return None


def columns_of(sweep: "Sweep") -> dict[str, list[Any]]:
    """The columns of a sweep by name. Raises FlopcalcError (empty-sweep) where it has no rows."""
    # Loaded only where there is such a result.
    from flopcalc.analysis.sweep import Sweep

    sweep = checked(sweep, Sweep, "sweep", "sweep")
    if not len(sweep):
        raise FlopcalcError(
            "empty-sweep",
            f"the sweep has no rows: none of {sweep.combinations:,} combinations applies",
            "try other sizes, or leave out conditions; flopcalc sweep shows the reasons",
        )
    return {name: sweep.column(name) for name in sweep.columns}


def check_kind_of(columns: Mapping[str, Sequence[Any]], kind: str) -> None:
    """Raise FlopcalcError (unknown-column, bad-usage) unless the column exists and has numbers."""
    if kind not in columns:
        raise unknown_name("column", str(kind), columns, f"the sweep has: {', '.join(columns)}")
    if all(number_of(value) is None for value in columns[kind]):
        raise FlopcalcError("bad-usage", f"{kind} has no numbers to draw", "name a kind of cost, such as macs")


def lines_of(sweep: "Sweep", over: str | None, kind: str) -> Lines:
    """The lines of a sweep.

    over: a column of numbers; None for the size with the most values. kind: the column of the costs.
    Raises FlopcalcError.
    """
    columns = columns_of(sweep)
    check_kind_of(columns, kind)
    over = _over(columns, over)
    free = free_columns(columns, over)
    groups: dict[tuple[Any, ...], list[Point]] = {}
    missing = 0
    for place, (x, y) in enumerate(zip(columns[over], columns[kind], strict=True)):
        at, cost = number_of(x), number_of(y)
        if at is None or cost is None:
            missing += 1
            continue
        values = {name: columns[name][place] for name in (*TARGETS, *free) if name in columns}
        groups.setdefault(tuple(values.items()), []).append(Point(at, y if type(y) is int else cost, values))
    found = tuple(Series(label(dict(key)), _points(points, over)) for key, points in groups.items())
    if len(found) > MOST_SERIES:
        raise FlopcalcError(
            "too-many-lines",
            f"{len(found)} lines look too much alike in one picture, more than {MOST_SERIES}",
            f"name fewer operators, or fewer values of {' and '.join(free) or 'the options'}",
        )
    square = "w" in columns and columns.get("h") == columns.get("w")
    return Lines(over, square, found, missing)


def label(values: Mapping[str, Any]) -> str:
    """The name of a line: `spconv, alpha=0.25, k=3`, `resnet50 with ghost`."""
    target = " ".join(str(values[name]) for name in ("operator", "network") if name in values)
    replaced = values.get("replace")
    if replaced is not None and replaced != "none":
        target += f" with {replaced}"
    rest = [f"{name}={_text(value)}" for name, value in values.items() if name not in TARGETS and value is not None]
    return ", ".join([one for one in (target, *rest) if one])


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


def _points(points: list[Point], over: str) -> tuple[Point, ...]:
    found = sorted(points, key=lambda point: point.x)
    for one, other in pairwise(found):
        if one.x == other.x:
            if one.y == other.y:
                continue
            raise FlopcalcError(
                "bad-usage",
                f"two rows of the sweep have {over} = {one.x} and different costs, and differ in no column",
                "keep the columns in which they differ: leave columns out of the call",
            )
    unique = {point.x: point for point in found}
    return tuple(unique.values())


def _over(columns: Mapping[str, Sequence[Any]], over: str | None) -> str:
    """The column of the horizontal axis. Raises FlopcalcError (unknown-column, bad-usage)."""
    sizes = [name for name in columns if name not in _RESULTS and name not in TARGETS and not name.startswith("ratio(")]
    if over is not None:
        name = _ALIASES.get(over, over)
        name = "h" if name == "input" else name
        if name not in columns:
            raise unknown_name("column", str(over), sizes, f"the sweep varies: {', '.join(sizes)}")
        if all(number_of(value) is None for value in columns[name]):
            raise FlopcalcError(
                "bad-usage", f"{clip(over)} has no numbers for an axis", "name a size or a numeric option, such as c_in"
            )
        return name
    counts = {name: len({number_of(value) for value in columns[name]} - {None}) for name in sizes}
    best = max(counts, key=lambda name: counts[name], default=None)
    if best is None or not counts[best]:
        raise FlopcalcError("bad-usage", "the sweep has no column of sizes", "leave out --columns")
    return best


def free_columns(columns: Mapping[str, Sequence[Any]], over: str | None) -> list[str]:
    """The columns besides `over` in which rows of one target differ, without those that follow from earlier ones."""
    names = [
        name
        for name in columns
        if name not in _RESULTS and name not in TARGETS and name != over and not name.startswith("ratio(")
    ]
    fixed = [columns[name] for name in (*TARGETS, over) if name is not None and name in columns]
    groups: list[Any] = list(zip(*fixed, strict=True)) if fixed else [()] * len(next(iter(columns.values())))
    found = []
    for name in names:
        values = columns[name]
        if len(set(values)) == 1:
            continue
        seen: dict[Any, Any] = {}
        if any(seen.setdefault(key, value) != value for key, value in zip(groups, values, strict=True)):
            found.append(name)
            groups = [(key, value) for key, value in zip(groups, values, strict=True)]
    return found
