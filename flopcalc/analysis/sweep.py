"""All combinations of shapes and options: `flopcalc.sweep`, and its result."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeAlias

from flopcalc import optional
from flopcalc.cost.result import Result
from flopcalc.errors import FlopcalcError, as_name, clip

if TYPE_CHECKING:
    from flopcalc.analysis.sweeping.outcome import Rows
    from flopcalc.analysis.sweeping.run import Result as TaskResult
    from flopcalc.analysis.sweeping.run import Summary, Sweeping

# A range as text (`16:1024:16`, both ends included), a list as text or of Python, or one value.
Sizes: TypeAlias = SupportsIndex | str | Sequence[Any] | range
Options: TypeAlias = SupportsIndex | float | Fraction | str | Sequence[Any] | range | None


@dataclass(frozen=True, repr=False, eq=False)
class Sweep(Result):
    """The result of a sweep. columns: names. combinations: those that were tried.

    infeasible: combinations to which the operator does not apply; reasons: their number for each target and rule,
    with an example.
    """

    columns: tuple[str, ...]
    combinations: int
    infeasible: int
    reasons: tuple[Mapping[str, Any], ...]
    _rows: "Rows"

    def __len__(self) -> int:
        """The number of rows."""
        return self._rows.count

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Each row by column."""
        return (dict(zip(self.columns, row, strict=True)) for row in self.to_rows())

    def __repr__(self) -> str:
        rows = "1 row" if len(self) == 1 else f"{len(self):,} rows"
        shown = ", ".join(self.columns)
        tried = f"{self.combinations:,} combinations, {self.infeasible:,} infeasible"
        return f"<Sweep of {rows}: {shown if len(shown) <= 60 else f'{shown[:59]}…'}; {tried}>"

    def first(self, count: int) -> "Sweep":
        """The same with its first rows only."""
        import numpy as np

        from flopcalc.cost.whole import as_int

        number = as_int(count)
        if number is None or number < 0:
            why = f"the number of rows is {clip(count)}; it must be a whole number, 0 or more"
            raise FlopcalcError("bad-usage", why, "write for example first(10)")
        rows = self._rows.taken(np.arange(min(number, len(self))))
        return Sweep(self.columns, self.combinations, self.infeasible, self.reasons, rows)

    def column(self, name: str) -> list[Any]:
        """The values of a column: exact ints, floats for ratios, text, truth values, or None.

        Raises FlopcalcError (unknown-column).
        """
        if name not in self.columns:
            from flopcalc.errors import unknown_name

            raise unknown_name("column", name, self.columns, f"columns: {', '.join(self.columns)}")
        from flopcalc.analysis.sweeping.cells import plain_column

        return plain_column(self._rows, name)

    def to_rows(self) -> list[list[Any]]:
        """The rows as lists, in the order of the columns."""
        columns = [self.column(name) for name in self.columns]
        return [list(row) for row in zip(*columns, strict=True)] if columns else []

    def to_dict(self) -> dict[str, Any]:
        """As JSON: the contract `flopcalc/sweep/1`."""
        from flopcalc.analysis.sweeping.cells import SCHEMA

        return {
            "schema": SCHEMA,
            "columns": list(self.columns),
            "rows": self.to_rows(),
            "infeasible": self.infeasible,
            "combinations": self.combinations,
            "reasons": [dict(one) for one in self.reasons],
        }

    def _frame_columns(self) -> dict[str, Any]:
        from flopcalc.analysis.sweeping.cells import frame_column

        return {name: frame_column(self._rows, name) for name in self.columns}


def sweep(
    *targets: str | os.PathLike[str],
    c_in: Sizes | None = None,
    c_out: Sizes | None = None,
    k: Sizes | None = None,
    hw: Sizes | None = None,
    h: Sizes | None = None,
    w: Sizes | None = None,
    stride: Sizes | None = None,
    padding: Sizes | None = None,
    dilation: Sizes | None = None,
    groups: Sizes | None = None,
    batch: Sizes | None = None,
    input: str | SupportsIndex | Sequence[Any] | range | None = None,
    replace: str | Sequence[str] = (),
    keep: str | Sequence[str] = (),
    where: str | Sequence[str] = (),
    sort: str | Sequence[str] | None = None,
    pareto: str | Sequence[str] | None = None,
    limit: SupportsIndex | None = None,
    columns: str | Sequence[str] | None = None,
    convention: str = "macs",
    jobs: SupportsIndex = 1,
    scheduler: str | None = None,
    set: Mapping[str, Options] | None = None,
    **options: Options,
) -> Sweep:
    """The cost of all combinations of shapes and options, as `flopcalc sweep` shows it.

    targets: operators (`"conv"`, `"spconv:alpha=1/4"`), or described networks; `flopcalc list` shows both. Sizes are in
    channels and pixels, and have the defaults of `flopcalc.layer`: one value, a list, a `range`, or text such as
    "16,32" or "16:1024:16", both ends included. options: those of the operators or networks, likewise; an option
    applies to the targets that have it; in `set`, options that are named like an argument here. input, batch,
    replace ("spconv,ghost,none"), keep: of networks.

    where: conditions on columns ("macs < 1e9 and ratio(params) <= 1/2"). pareto: columns; only rows that no other row
    beats in all of them stay; "-c_out" is better if it is larger. sort, limit: the order, and the number of rows.
    columns: those of the result. convention: what the column `cost` counts, as in `flopcalc layer`. jobs: processes.
    scheduler: the address of a Dask scheduler.

    All costs are exact; traffic is in bytes of float32. Needs NumPy. Raises FlopcalcError for unknown names, wrong
    values, and too many combinations.

    >>> from flopcalc import sweep
    >>> found = sweep("conv", "ghost", c_in="16:64:16", columns="operator,c_in,macs")
    >>> len(found), found.column("macs")[:2]
    (8, [7225344, 28901376])
    """
    from flopcalc.analysis.sweeping.asked import as_texts, ask
    from flopcalc.targets.spec import as_values

    inputs = () if input is None else as_texts(_input_text(input), "input", "128:256:32")
    named = as_values(set, "set", '{"alpha": [1/8, 1/4]}')
    sweeping = ask(
        [as_name(target, "target") for target in targets],
        sizes={
            "c_in": c_in,
            "c_out": c_out,
            "k": k,
            "hw": hw,
            "h": h,
            "w": w,
            "stride": stride,
            "padding": padding,
            "dilation": dilation,
            "groups": groups,
            "batch": batch,
        },
        settings={name: value for name, value in {**options, **named}.items() if value is not None},
        inputs=inputs,
        replace=as_texts(replace, "replace", "spconv"),
        keep=as_texts(keep, "keep", "layer1"),
        where=as_texts(where, "where", "macs < 1e9"),
        sort=None if sort is None else ",".join(as_texts(sort, "sort", "macs")),
        pareto=None if pareto is None else ",".join(as_texts(pareto, "pareto", "macs,params")),
        limit=limit,
        columns=columns,
        convention=convention,
    )
    from flopcalc.networks.progress_bar import Words, following

    with following(Words("sweep", "trying", "combinations"), steady=True) as shown:

        def report(done: int, total: int) -> None:
            shown.done, shown.total = range(done), total

        cluster = None if scheduler is None else as_name(scheduler, "scheduler")
        summary, rows = started(sweeping, jobs, cluster, report)
        return collected(sweeping, summary, rows)


def _input_text(given: Any) -> Any:
    """An input as text: 128, (3, 128, 128), or a list of these."""
    if isinstance(given, str):
        return given
    if isinstance(given, range | list) and not given:
        raise FlopcalcError("bad-range", f"input is {clip(given)}: it has no values", "write for example 128:256:32")
    if isinstance(given, range):
        return f"{given[0]}:{given[-1]}:{given.step}" if len(given) > 1 else str(given[0])
    if isinstance(given, tuple):
        return "x".join(map(str, given))
    if isinstance(given, list):
        return [_input_text(one) for one in given]
    return str(given)


def started(
    sweeping: "Sweeping",
    jobs: Any = 1,
    scheduler: str | None = None,
    report: Callable[[int, int], None] | None = None,
) -> tuple["Summary", Iterator["Rows"]]:
    """What a sweep will have counted, and its rows part by part. Raises FlopcalcError (missing-package, bad-option)."""
    optional.load("numpy", "NumPy", "numpy>=1.26", "sweep")
    from flopcalc.analysis.sweeping.run import Summary, one_after_another, stream
    from flopcalc.cost.whole import as_int

    number = as_int(jobs)
    if number is None or not 1 <= number <= 1024:
        raise FlopcalcError("bad-option", f"--jobs is {clip(jobs)}; it must be from 1 to 1024", "write --jobs 4")
    results: Callable[[Sweeping, int | None], Iterator[TaskResult]] = one_after_another
    if scheduler is not None:
        if number > 1:
            raise FlopcalcError(
                "bad-usage",
                "--jobs and --scheduler are both given",
                "the workers of the cluster do the work: leave --jobs out",
            )
        from flopcalc.analysis.sweeping.parallel import cluster

        results = cluster(scheduler)
    elif number > 1:
        from flopcalc.analysis.sweeping.parallel import processes

        results = processes(number)
    summary = Summary(sweeping)
    return summary, stream(sweeping, summary, results, report or (lambda done, total: None))


def collected(sweeping: "Sweeping", summary: "Summary", parts: Iterator["Rows"]) -> Sweep:
    """All rows of a sweep. Raises FlopcalcError (too-many) for more than can be held."""
    from flopcalc.analysis.sweeping.choice import together
    from flopcalc.analysis.sweeping.request import MAX_ROWS

    found = []
    for rows in parts:
        found.append(rows)
        if summary.rows > MAX_ROWS:
            raise FlopcalcError(
                "too-many",
                f"more than {MAX_ROWS:,} rows do not fit in memory",
                "give limit or where for fewer rows, or write them to a file with flopcalc sweep -o",
            )
    rows = together(found, sweeping.columns)
    return Sweep(sweeping.columns, summary.combinations, summary.infeasible, tuple(summary.reasons), rows)
