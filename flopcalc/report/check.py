"""The result of a check as a document and as lines of text, from the record `flopcalc/check/1`; computes nothing."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from flopcalc.report.changes import what_changed
from flopcalc.report.document import Cell, Column, Document, Facts, Lines, Table, people

Record = dict[str, Any]
# At most this number of changed layers is shown.
_SHOWN = 30


def check_document(record: Record, for_csv: bool = False) -> Document:
    """The limits by target, the differences from the lock file, and a summary."""
    blocks: list[Table | Facts | Lines] = []
    if for_csv:
        blocks.append(_rows_for_csv(record))
    for target, rows in groupby(record["rows"], key=lambda row: str(row["target"])):
        blocks.append(_limits(target, list(rows)))
    for one in record["differences"]:
        blocks += difference_blocks(one)
    if record["formulas"]:
        blocks.append(Lines("Closed forms that are not as locked", list(_forms(record["formulas"]))))
    blocks.append(Facts(list(_summary(record))))
    if lines := list(_not_counted(record)):
        blocks.append(Lines("Not counted: kernels without a rule, which add nothing", lines))
    verdict = f"{record['failed']} of {record['checked']} failed" if record["failed"] else "fine"
    return Document(f"{record['file']}: {verdict}", blocks, record)


def _limits(target: str, rows: list[Record]) -> Table:
    columns = (
        Column("limit", "text"),
        Column("actual"),
        Column("allowed"),
        Column("by", "text"),
        Column("", "name", key="verdict"),
    )
    cells: list[list[Cell]] = []
    for row in rows:
        limit = row["limit"] + (f" [{row['name']}]" if row["name"] else "")
        verdict = "ok" if row["ok"] else "EXCEEDED"
        cells.append([limit, amount(row["actual"]), amount(row["bound"]), by_how_much(row), verdict])
    return Table(columns, cells, title=target)


def _rows_for_csv(record: Record) -> Table:
    """Limits, then differences from the lock file: one row for each kind of cost, and one for each formula."""
    keys = ("target", "limit", "name", "quantity", "actual", "bound", "excess", "relative", "ok")
    rows: list[list[Cell]] = [
        [row[key] if key != "ok" else str(row[key]).lower() for key in keys] for row in record["rows"]
    ]
    for one in record["differences"]:
        was, now = one["locked"] or {}, one["now"] or {}
        kinds = [kind for kind, value in one["difference"].items() if value] or ["layers"]
        rows += [
            [
                one["target"],
                "locked",
                "",
                kind,
                now.get(kind),
                was.get(kind),
                one["difference"].get(kind),
                None,
                "false",
            ]
            for kind in kinds
        ]
    rows += [
        [one["operator"], "formula", "", one["kind"], one["now"], one["locked"], one["difference"], None, "false"]
        for one in record["formulas"]
    ]
    return Table(tuple(Column(key, "text") for key in keys), rows, main=True)


def amount(value: float) -> str:
    """A number of the record; a large float (0.7 * baseline) has one digit after the point."""
    return f"{value:,.1f}" if isinstance(value, float) and 1000 <= abs(value) < 10**15 else people(value)


def by_how_much(row: Record) -> str:
    """`+3,612,672 (+0.4%)`: the difference between the actual value and its limit."""
    excess = f"{'+' if row['excess'] > 0 else ''}{amount(row['excess'])}"
    return excess if row["relative"] is None else f"{excess} ({row['relative']:+.1%})"


def target_limit_text(row: Record) -> str:
    """An exceeded limit, in one line."""
    return f"{row['target']}: {limit_text(row)}"


def limit_text(row: Record) -> str:
    """An exceeded limit, in one line, without its target."""
    where = f" of {row['name']}" if row["name"] else ""
    return (
        f"{row['quantity']}{where} is {amount(row['actual'])}, the limit is {amount(row['bound'])} "
        f"({row['limit']}): {by_how_much(row)}"
    )


def difference_text(one: Record) -> str:
    """A target that differs from the lock file, in one line."""
    if one["locked"] is None:
        return f"{one['target']} is not in the lock file"
    if one["now"] is None:
        return f"{one['target']} is in the lock file, but is not a target any more"
    changed = [
        f"{kind} {people(one['locked'][kind])} -> {people(one['now'][kind])}"
        for kind, value in one["difference"].items()
        if value
    ]
    return f"{one['target']}: {', '.join(changed) or _without_sums(one)}"


def _without_sums(one: Record) -> str:
    """What changed in a target whose sums are as locked."""
    rest = [row for row in one["layers"] if row["status"] != "renamed"]
    if not one["layers"]:
        before, after = one["what"]
        if before != after:
            return f"it was {before}, and is {after}"
        return " and ".join(_places(one)) or "it is locked in another form"
    if rest:
        return "its layers changed, but not the sums"
    count = "1 layer" if one["renamed"] == 1 else f"{one['renamed']:,} layers"
    return " and ".join([f"{count} renamed", *_places(one)]) + (
        "" if one["moved"] or one["stages"] else ", nothing else"
    )


def _places(one: Record) -> list[str]:
    """Layers that are in another position or in another stage."""
    found = []
    if one["moved"]:
        found.append(f"the order changed: {_first(one['moved'])}")
    if one["stages"]:
        moves = [f"{stage['name']} {stage['was']} -> {stage['now']}" for stage in one["stages"]]
        found.append(f"stages changed: {_first(moves)}")
    return found


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4:,} more" if len(names) > 4 else "")


def formula_text(one: Record) -> str:
    """A closed form that differs from the locked one, in one line."""
    name = f"{one['kind']} of {one['operator']}"
    if one["locked"] is None or one["now"] is None:
        return f"{name}: {'not in the lock file' if one['locked'] is None else 'locked, and no longer there'}"
    return f"{name}: now - locked = {one['difference']}"


def difference_blocks(one: Record, title: str = "Not as locked") -> Iterator[Table | Lines]:
    """A target that differs from the lock file: what it was and is, and its layers side by side."""
    lines = [difference_text(one)]
    before, after = one["what"]
    if before and after and before != after and any(one["difference"].values()):
        lines += [f"was {before}", f"is {after}"]
    if any(one["difference"].values()):
        lines += _places(one)
    yield Lines(title, lines)
    if one["layers"]:
        yield _layers(one)


def _layers(one: Record) -> Table:
    columns = (
        Column("layer", "text"),
        Column("what", "text"),
        Column("params", "difference"),
        Column("MACs", "difference"),
    )
    layers = [row for row in one["layers"] if row["status"] != "renamed"]
    renamed = [row for row in one["layers"] if row["status"] == "renamed"]
    rows: list[list[Cell]] = [[row["name"], what_changed(row), *_deltas([row])] for row in layers[:_SHOWN]]
    if len(layers) > _SHOWN:
        rows.append([f"{len(layers) - _SHOWN:,} more", "", *_deltas(layers[_SHOWN:])])
    end: list[list[Cell]] = []
    if renamed:
        example = f"{renamed[0]['was']} -> {renamed[0]['name']}"
        shown = example if len(renamed) == 1 else f"{example}, ..."
        end.append([f"{len(renamed):,} renamed", shown, *_deltas(renamed)])
    if one["equal"]:
        end.append([f"{one['equal']:,} equal", "", 0, 0])
    total = one["difference"]
    end.append(["total", "", total["params"], total["macs"]])
    return Table(columns, rows, end, title=f"{one['target']}: now - before")


def _deltas(rows: Sequence[Record]) -> list[Cell]:
    return [sum(row["difference"][kind] for row in rows) for kind in ("params", "macs")]


def _forms(forms: list[Record]) -> Iterator[str]:
    for one in forms:
        yield formula_text(one)
        if one["locked"]:
            yield f"locked: {one['locked']}"
        if one["now"]:
            yield f"now: {one['now']}"
        for term in one["terms"]:
            yield f"where {term['name']}: {term['locked'] or 'nothing'} -> {term['now'] or 'nothing'}"


def _summary(record: Record) -> Iterator[tuple[str, str]]:
    counts, rows = record["counts"], record["rows"]
    if counts["limits"]:
        broken = sum(not row["ok"] for row in rows)
        yield "limits", f"{len(rows) - broken:,} kept, {broken:,} exceeded" if broken else f"{len(rows):,} kept"
    for key, what in (("targets", "differences"), ("formulas", "formulas")):
        if counts[key]:
            wrong = len(record[what])
            yield key, f"{counts[key]:,}, {f'{wrong:,} not as locked' if wrong else 'all as locked'}"
    if record["differences"] or record["formulas"]:
        yield "to accept", f"`{record['accept']}` writes the present costs to the lock file"
    if not record["checked"]:
        yield "targets", f"{len(record['targets']):,} without limits; --locked compares them with the lock file"


def _not_counted(record: Record) -> Iterator[str]:
    for name, target in record["targets"].items():
        for one in target["not_counted"]:
            times = "once" if one["count"] == 1 else f"{one['count']:,} times"
            yield f"{name}: {one['op']} in {one['module']}, {times}"
