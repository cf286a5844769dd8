"""Columns that a user may choose: their names, and the tables made of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from flopcalc.cost.convention import Convention
from flopcalc.errors import FlopcalcError, unknown_name
from flopcalc.report.document import Cell, Column, Table

Row = Mapping[str, Any]
ALL = "all"
# The ranks of default tables are below this.
_LOW_RANKS = 10


class Field(NamedTuple):
    """A column under the name that `--columns` takes. cell: its value in a row.

    chosen: whether `--columns` may name it; other columns appear in the default table only.
    """

    name: str
    column: Column
    cell: Callable[[Row], Cell]
    chosen: bool = True


def choose(fields: Sequence[Field], names: str | None, default: Sequence[str]) -> list[Field]:
    """The fields named in `A,B,...` or `all`, or the default ones. Raises FlopcalcError (unknown-column)."""
    known = {field.name: field for field in fields}
    if names is None:
        return [known[name] for name in default if name in known]
    offered = [field.name for field in fields if field.chosen]
    wanted = names_of(names)
    if not wanted:
        raise FlopcalcError("bad-option", "--columns names no column", f"write all, or some of: {', '.join(offered)}")
    for name in wanted:
        if name not in (*offered, ALL):
            raise unknown_name(
                "column", name, [*offered, ALL], f"--columns takes all, or some of: {', '.join(offered)}"
            )
    # Among all columns, those of the default table are the last ones to be left out.
    last = {_same(known[name]): known[name] for name in default if name in known} if ALL in wanted else {}
    found: dict[str, Field] = {}
    for name in offered if ALL in wanted else wanted:
        # With the convention `macs`, cost and macs are the same column.
        title = _same(known[name])
        found.setdefault(title, last.get(title, known[name]))
    return [_ranked(field, place, _same(field) in last) for place, field in enumerate(found.values())]


def names_of(names: str | None) -> list[str]:
    """The names in `A,B,...`."""
    return [name.strip().lower() for name in (names or "").split(",") if name.strip()]


def _same(field: Field) -> str:
    """What two fields have in common that are one column; two ratios have the same title, and different keys."""
    return field.column.key or field.column.title


def _ranked(field: Field, place: int, keep: bool) -> Field:
    """The field with its rank for leaving it out where the table is too wide: of chosen columns the last ones go first.

    keep: it has the rank that it has in the default table, below all others.
    """
    return field if keep else field._replace(column=field.column._replace(drop=_LOW_RANKS + place if place else 0))


def table_of(fields: Sequence[Field], rows: Sequence[Row], totals: Sequence[Row], **settings: Any) -> Table:
    """A table with one column for each field."""
    return Table(
        tuple(field.column for field in fields),
        [[field.cell(row) for field in fields] for row in rows],
        [[field.cell(row) for field in fields] for row in totals],
        **settings,
    )


def cell_of(key: str) -> Callable[[Row], Cell]:
    """The cell of a field that is one value of the row; empty where the row has none."""
    return lambda row: row.get(key)


def sizes(key: str) -> Callable[[Row], Cell]:
    """The cell of a field that is a list of sizes: 64x56x56."""
    return lambda row: "x".join(map(str, row[key])) if row.get(key) else ""


def same_sizes(key: str) -> Callable[[Row], Cell]:
    """As `sizes`, but one number where all are equal: 1, 2x1."""

    def cell(row: Row) -> Cell:
        found = row.get(key)
        return str(found[0]) if found and len(set(found)) == 1 else sizes(key)(row)

    return cell


def unit(chosen: Convention) -> str:
    """What a convention counts, in a sentence: MACs, FLOPs, or `operations (fvcore)`."""
    return headline(chosen) if chosen.name in ("macs", "flops") else f"operations ({chosen.name})"


def headline(chosen: Convention) -> str:
    """The title of the column that a convention counts."""
    return {"macs": "MACs", "flops": "FLOPs"}.get(chosen.name, chosen.name)
