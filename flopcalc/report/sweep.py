"""The rows of a sweep as text and as files, written as they arrive; and the table of a sweep."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import IO, Any

from flopcalc import optional
from flopcalc.analysis.sweeping.cells import SCHEMA, plain_column
from flopcalc.analysis.sweeping.outcome import Rows, is_array
from flopcalc.analysis.sweeping.run import Summary
from flopcalc.errors import FlopcalcError, printable
from flopcalc.report.document import Column, Document, Facts, Lines, Table
from flopcalc.spec.param import show

# Rows that a table on a page has, and that a table for people shows.
MAX_TABLE = 10_000
SHOWN = 100
_RATIO_DIGITS = 6
_NEEDS_QUOTES = frozenset(',"\n\r')


def csv_pieces(columns: Sequence[str], parts: Iterable[Rows]) -> Iterator[str]:
    """CSV with a header: exact numbers, ratios with six decimals, nothing for what a row does not have."""
    yield ",".join(map(_quoted, columns)) + "\n"
    for rows in parts:
        if rows.count:
            yield _lines(rows, columns, _csv_cell, ",", "\n")


def json_pieces(columns: Sequence[str], parts: Iterable[Rows], summary: Summary) -> Iterator[str]:
    """The contract `flopcalc/sweep/1`, one row for each line. What was counted comes behind the rows."""
    yield f'{{\n  "schema": "{SCHEMA}",\n  "columns": {json.dumps(list(columns), ensure_ascii=False)},\n  "rows": ['
    between = "\n    ["
    for rows in parts:
        if rows.count:
            yield between + _lines(rows, columns, _json_cell, ", ", "],\n    [")[: -len(",\n    [")]
            between = ",\n    ["
    yield "\n  ]" if between[0] == "," else "]"
    found = {"infeasible": summary.infeasible, "combinations": summary.combinations, "reasons": summary.reasons}
    yield f",{json.dumps(found, indent=2, ensure_ascii=False)[1:]}\n"


def json_line_pieces(columns: Sequence[str], parts: Iterable[Rows]) -> Iterator[str]:
    """JSON lines: an object for each row."""
    for rows in parts:
        if rows.count:
            keys = [f"{json.dumps(name, ensure_ascii=False)}: " for name in columns]
            texts = [_texts(rows, name, _json_cell) for name in columns]
            named = [[key + text for text in column] for key, column in zip(keys, texts, strict=True)]
            yield "".join([f"{{{', '.join(row)}}}\n" for row in zip(*named, strict=True)])


def _lines(rows: Rows, columns: Sequence[str], cell: Callable[[Any], str], between: str, end: str) -> str:
    texts = [_texts(rows, name, cell) for name in columns]
    return end.join([*map(between.join, zip(*texts, strict=True)), ""])


def _texts(rows: Rows, name: str, cell: Callable[[Any], str]) -> Sequence[str]:
    """The texts of a column."""
    values = plain_column(rows, name)
    if not is_array(rows.columns[name]):
        return [cell(values[0])] * rows.count
    if rows.columns[name].dtype.kind == "i":
        return list(map(str, values))
    return [cell(value) for value in values]


def _rounded(value: float) -> float:
    return round(value, _RATIO_DIGITS)


def _quoted(text: str) -> str:
    text = printable(text)
    return '"' + text.replace('"', '""') + '"' if not _NEEDS_QUOTES.isdisjoint(text) else text


def _csv_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(_rounded(value))
    return _quoted(show(value))


def _json_cell(value: Any) -> str:
    if isinstance(value, float):
        return repr(_rounded(value))
    return json.dumps(value, ensure_ascii=not (isinstance(value, str) and value.isprintable()))


def write_parquet(file: IO[bytes], types: Mapping[str, str], parts: Iterable[Rows]) -> None:
    """Parquet, a row group for each part. types: int, float, bool or text for each column.

    Raises FlopcalcError (missing-package) without pyarrow, (no-type) for integers of more than 64 bits.
    """
    pa, parquet = _pyarrow()
    arrow = {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(), "text": pa.string()}
    schema = pa.schema([(name, arrow[kind]) for name, kind in types.items()])
    with parquet.ParquetWriter(file, schema) as writer:
        for rows in parts:
            if rows.count:
                writer.write_table(pa.table([_arrow(pa, rows, field) for field in schema], schema=schema))


def check_parquet() -> None:
    """Raise FlopcalcError (missing-package) where pyarrow is not installed."""
    _pyarrow()


def _pyarrow() -> tuple[Any, Any]:
    parquet = optional.load("pyarrow.parquet", "pyarrow", "pyarrow>=15", "--format parquet")
    import pyarrow

    return pyarrow, parquet


def _arrow(pa: Any, rows: Rows, field: Any) -> Any:
    found = rows.columns[field.name]
    if is_array(found) and found.dtype.kind == "i" and field.type == pa.int64():
        return pa.array(found)
    values = plain_column(rows, field.name)
    if field.type == pa.string():
        values = [one if one is None else show(one) for one in values]
    try:
        return pa.array(values, type=field.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        raise FlopcalcError(
            "no-type",
            f"column {field.name} has numbers of more than 64 bits, which a Parquet column cannot have",
            "write --format csv or jsonl, or leave the column out with --columns",
        ) from None


def notes(summary: Summary) -> list[str]:
    """What a reader must know of the combinations that are not among the rows."""
    return [
        f"{one['target']}, {one['count']:,} combination{'s' if one['count'] > 1 else ''}: rule '{one['rule']}'; "
        f"for example {one['example']}"
        for one in summary.reasons
    ]


def sweep_document(
    targets: Sequence[str], columns: Sequence[str], parts: Iterable[Rows], summary: Summary, shown: int | None
) -> Document:
    """The table of a sweep. shown: only that number of rows; None: all, but not more than MAX_TABLE.

    Raises FlopcalcError (too-many).
    """
    kept: list[list[Any]] = []
    for rows in parts:
        room = (shown if shown is not None else MAX_TABLE + 1) - len(kept)
        if rows.count and room > 0:
            values = [plain_column(rows, name)[:room] for name in columns]
            kept += [list(row) for row in zip(*values, strict=True)]
        if shown is None and summary.rows > MAX_TABLE:
            raise FlopcalcError(
                "too-many",
                f"more than {MAX_TABLE:,} rows are too many for a page",
                "give --limit or --where, or write --format csv, jsonl or parquet",
            )
    cells = [[_cell(value) for value in row] for row in kept]
    blocks: list[Table | Facts | Lines] = [Table(tuple(map(_column, columns)), cells)]
    facts = [
        ("combinations", _tried(summary)),
        ("rows", f"{summary.rows:,}"),
        ("infeasible", f"{summary.infeasible:,}"),
    ]
    if len(kept) < summary.rows:
        facts[1] = (
            "rows",
            f"{summary.rows:,}, of which {len(kept):,} are shown; --limit, --where or --pareto give fewer, -o FILE all",
        )
    blocks.append(Facts(facts))
    if summary.reasons:
        blocks.append(Lines("Combinations that do not apply", notes(summary)))
    return Document(f"sweep of {', '.join(targets)}", blocks, None)


def _tried(summary: Summary) -> str:
    if summary.combinations == summary.all:
        return f"{summary.all:,}"
    return f"{summary.combinations:,} of {summary.all:,}, until there were enough rows"


def _cell(value: Any) -> Any:
    return show(value) if isinstance(value, bool) else value


_TEXTS = frozenset({"operator", "network", "input", "replace"})


def _column(name: str) -> Column:
    if name in _TEXTS:
        return Column(name, "text")
    title = {"macs": "MACs", "flops": "FLOPs", "traffic": "traffic (bytes)"}.get(name, name)
    kind: Any = "ratio" if name.startswith("ratio(") else "number"
    return Column(title, kind, key=name, drop={"flops": 3, "params": 2}.get(name, 0))
