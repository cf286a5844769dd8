"""Running a sweep: its tasks one after the other, in several processes, or on a Dask cluster, in the same order.

A task is a few blocks of one target. Its result is small: the rows that are kept, and the refused combinations. Rows
arrive in the order of the tasks, however they are computed, so that all ways give the same result.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from flopcalc.analysis.sweeping.choice import Selection, best_first, front, together
from flopcalc.analysis.sweeping.networks import NetworkFamily
from flopcalc.analysis.sweeping.operators import OperatorFamily
from flopcalc.analysis.sweeping.outcome import Family, Refusals, Rows, is_array, refusals_of, rows_of
from flopcalc.analysis.sweeping.request import MAX_COMBINATIONS, MAX_OF_NETWORKS, MAX_ROWS, Request
from flopcalc.errors import FlopcalcError


class Task(NamedTuple):
    """Part of a sweep: some outer combinations of a target, or one of the pieces of one of them."""

    family: int
    start: int
    stop: int
    piece: int = 0
    pieces: int = 1


@dataclass(frozen=True)
class Result:
    """The result of a task. rows: in several parts, in order. combinations: those that were tried."""

    rows: tuple[Rows, ...]
    refused: tuple[tuple[int, Refusals], ...]
    combinations: int

    @property
    def count(self) -> int:
        """The number of rows."""
        return sum(part.count for part in self.rows)


class Sweeping:
    """A request with its targets. columns: those of the rows, in their order."""

    def __init__(self, request: Request, columns: Sequence[str]) -> None:
        self.request = request
        self.columns = tuple(columns)
        keys = [key.name for key in (*request.sort, *request.pareto)]
        self.needed = tuple(dict.fromkeys((*columns, *keys)))
        make = OperatorFamily if request.kind == "operators" else NetworkFamily
        self.families: list[Family] = [make(request, text, self.needed) for text in request.targets]
        self._selection = Selection(request.pareto, request.sort, request.limit)
        self.combinations = sum(family.outers * family.inner for family in self.families)

    def types(self) -> dict[str, str]:
        """The type of each column: int, float, bool or text."""
        found = {}
        for name in self.columns:
            kinds = {family.type_of(name) for family in self.families if name in family.names}
            is_ratio = name.startswith("ratio(")
            mixed = "float" if kinds == {"int", "float"} else "text"
            target = name in ("operator", "network")
            found[name] = (
                "float" if is_ratio else "text" if target or not kinds else kinds.pop() if len(kinds) == 1 else mixed
            )
        return found

    def tasks(self) -> Iterator[Task]:
        """All tasks in order."""
        for index, family in enumerate(self.families):
            pieces = -(-family.inner // family.task)
            together = max(1, family.task // max(1, family.inner))
            for start in range(0, family.outers, together):
                stop = min(start + together, family.outers)
                for piece in range(pieces):
                    yield Task(index, start, stop, piece, pieces)

    def results(self, task: Task, enough: int | None = None) -> Iterator[Result]:
        """The results of a task, block by block. enough: stop after that number of rows."""
        family = self.families[task.family]
        rows = 0
        for outer in range(task.start, task.stop):
            for outcome in family.outcomes(outer, task.piece, task.pieces):
                kept = rows_of(outcome, self.needed, self._selection)
                if self._selection.names and not self.request.pareto:
                    kept = self.chosen(kept)
                refused = tuple((task.family, one) for one in refusals_of(outcome))
                yield Result((kept,) if kept.count else (), refused, outcome.count)
                rows += kept.count
                if enough is not None and rows >= enough:
                    return

    def run(self, task: Task, enough: int | None = None) -> Result:
        """The result of a whole task."""
        parts: list[Rows] = []
        refused: dict[str, Refusals] = {}
        tried = 0
        for result in self.results(task, enough):
            tried += result.combinations
            parts += result.rows
            for _, one in result.refused:
                refused[one.label] = one.after(refused.get(one.label))
        if self.selects and len(parts) > 1:
            parts = [self.chosen(together(parts, self.needed))]
        return Result(tuple(parts), tuple((task.family, one) for one in refused.values()), tried)

    @property
    def selects(self) -> bool:
        """Whether the rows of a part are fewer once they are compared with each other."""
        return bool(self.request.pareto or (self.request.sort and self.request.limit is not None))

    def chosen(self, rows: Rows) -> Rows:
        """The rows that can be among the result, where it has an order or a front."""
        if self.request.pareto:
            rows = front(rows, self.request.pareto)
        if self.request.sort and self.request.limit is not None and not self.request.pareto:
            rows = best_first(rows, self.request.sort, self.request.limit)
        return rows


class Summary:
    """What a sweep has counted so far: combinations (of `all`), rows, and refused combinations by target and rule."""

    def __init__(self, sweeping: Sweeping) -> None:
        self._sweeping = sweeping
        self.all = sweeping.combinations
        self.combinations = 0
        self.rows = 0
        self._refused: dict[tuple[int, str], Refusals] = {}

    def add(self, result: Result) -> None:
        """Count the combinations of a task."""
        self.combinations += result.combinations
        for family, one in result.refused:
            self._refused[family, one.label] = one.after(self._refused.get((family, one.label)))

    @property
    def infeasible(self) -> int:
        """The combinations that do not apply."""
        return sum(one.count for one in self._refused.values())

    @property
    def reasons(self) -> list[dict[str, Any]]:
        """For each target and rule the number of combinations, and one of them in words."""
        return [
            {
                "target": self._sweeping.families[family].label,
                "rule": one.label,
                "count": one.count,
                "example": one.example,
            }
            for (family, _), one in self._refused.items()
        ]


def check_size(sweeping: Sweeping) -> None:
    """Raise FlopcalcError (too-many) for more combinations than can be tried."""
    request, count = sweeping.request, sweeping.combinations
    most = MAX_COMBINATIONS if request.kind == "operators" else MAX_OF_NETWORKS
    if count <= most:
        return
    if request.limit is not None and not request.sort and not request.pareto:
        return
    shown = f"{count:,}" if count < 10**30 else f"about 10^{len(str(count)) - 1}"
    why = f"{shown} combinations are too many (at most {most:,})"
    if request.limit is not None:
        what = "--sort" if request.sort else "--pareto"
        raise FlopcalcError(
            "too-many", f"{why}, and {what} looks at all of them", f"try fewer values, or leave {what} out"
        )
    raise FlopcalcError("too-many", why, "try fewer values, or give --limit N for the first N rows")


def stream(
    sweeping: Sweeping,
    summary: Summary,
    results: Callable[[Sweeping, int | None], Iterator[Result]],
    report: Callable[[int, int], None],
) -> Iterator[Rows]:
    """The rows of the result, part by part and in order; the summary is complete at the end.

    report: called with the number of combinations that are done, and with the number of all.

    Without an order and a front nothing is held. Raises FlopcalcError (too-many) where too many rows must be held.
    """
    request = sweeping.request
    held = bool(request.sort or request.pareto)
    left = request.limit
    kept: list[Rows] = []
    size = 0
    for result in results(sweeping, None if held else left):
        summary.add(result)
        report(summary.combinations, sweeping.combinations)
        if held:
            kept += result.rows
            size += result.count
            if sweeping.selects:
                if len(kept) > 1 and size > 4 * kept[0].count + 10_000:
                    kept = [sweeping.chosen(together(kept, sweeping.needed))]
                    size = kept[0].count
            elif size > MAX_ROWS:
                raise FlopcalcError(
                    "too-many",
                    f"more than {MAX_ROWS:,} rows are too many to be held for an order",
                    "give --limit N for the first N of them, or --where for fewer",
                )
            continue
        for rows in result.rows:
            count = rows.count if left is None else min(left, rows.count)
            yield _cut(rows, count, sweeping, summary)
            if left is not None:
                left -= count
                if not left:
                    return
    if held and kept:
        rows = sweeping.chosen(together(kept, sweeping.needed))
        if request.sort:
            rows = best_first(rows, request.sort, request.limit)
        yield _cut(rows, rows.count if request.limit is None else min(request.limit, rows.count), sweeping, summary)


def _cut(rows: Rows, count: int, sweeping: Sweeping, summary: Summary) -> Rows:
    """The first rows, with the columns of the result only."""
    summary.rows += count
    columns = {name: rows.columns[name] for name in sweeping.columns}
    if count < rows.count:
        columns = {name: one[:count] if is_array(one) else one for name, one in columns.items()}
    return Rows(count, columns)


def one_after_another(sweeping: Sweeping, enough: int | None) -> Iterator[Result]:
    """The results of all tasks, in this process. enough: of this number of rows."""
    for task in sweeping.tasks():
        for result in sweeping.results(task, enough):
            yield result
            if enough is not None:
                enough -= result.count
        if enough is not None and enough <= 0:
            return
