"""`flopcalc explain` as tables."""

from collections.abc import Iterable, Mapping
from typing import Any

from flopcalc.report.document import Cell, Column, Document, Facts, Lines, Table, people
from flopcalc.report.uncounted import uncounted_lines


def explain_document(
    record: Mapping[str, Any], figure: str | None = None, params: str | None = None, *, flat: bool = False
) -> Document:
    """The lines of each counter; or the readings of a printed figure. flat: each row names its counter."""
    title = f"{record['target']}, input {' '.join(record['input'])}, batch {record['batch']}"
    if figure is not None:
        return _readings(record, title, figure, params)
    least = "at least " if record["uncounted"] else ""
    rows: list[list[Cell]] = []
    for row in record["rows"]:
        again = row["tool"] if flat else ""
        rows.append([row["tool"], "MACs", record["macs"]])
        rows += [[again, _line(step), step["amount"]] for step in row["steps"]]
        rows.append([again, f"= {row['version'] or row['tool']}{_measured(row)}", row["figure"]])
    blocks: list[Table | Facts | Lines] = [
        Table((Column("counter", "name"), Column("line", "text"), Column("amount")), rows, main=True),
    ]
    notes = [(row["tool"], row["why_not"]) for row in record["rows"] if row["why_not"]]
    if notes:
        blocks.append(Facts(notes, "Not certain"))
    if record["uncounted"]:
        blocks.append(Lines("Not counted", list(uncounted_lines(record["uncounted"]))))
    if record["notes"]:
        blocks.append(Lines("Notes", record["notes"]))
    return Document(f"{title}: {least}{people(record['macs'])} MACs, {people(record['params'])} params", blocks, record)


def _line(step: Mapping[str, Any]) -> str:
    layers = step["layers"]
    if not layers:
        return str(step["what"])
    where = ", ".join(layers) if len(layers) < 3 else f"{len(layers)} layers, {layers[0]} and so on"
    # What a module does itself is named `(model)`.
    return f"{step['what']} {where}" if where == "(model)" else f"{step['what']} ({where})"


def _measured(row: Mapping[str, Any]) -> str:
    if row["measured"] is None:
        return ""
    return ", as it reports" if row["measured"] == row["figure"] else f"; it reports {people(row['measured'])}"


def _readings(record: Mapping[str, Any], title: str, figure: str, params: str | None) -> Document:
    printed = figure if params is None else f"{figure} with {params} parameters"
    found = record["readings"]
    # The heading names the network. Readings that differ in options alone would look the same without them.
    is_one = {one.get("target", "") for one in found} <= {record["target"]}
    columns = (
        Column("network", "name", drop=3 if is_one else 0),
        Column("convention", "text"),
        Column("input", "name"),
        Column("options", "text", drop=0 if any(one["options"] for one in found) else 1),
        Column("figure"),
        Column("params", drop=2),
        Column("agrees", "name"),
    )
    rows = [list(_reading(one)) for one in found]
    agree = sum(bool(one["agrees"]) for one in found)
    head = f"{_number(agree)} of {printed}" if agree else f"no reading gives {printed}; the nearest ones"
    blocks: list[Table | Facts | Lines] = [Table(columns, rows, main=True)]
    blocks.append(Facts(list(_meanings(found)), "Ways of counting"))
    return Document(f"{title}: {head}", blocks, record)


def _number(agree: int) -> str:
    """Of the readings that agree."""
    from flopcalc.analysis.readings import READINGS

    if agree == READINGS:
        return f"the {agree} simplest readings"
    return f"{agree} {'reading' if agree == 1 else 'readings'}"


def _meanings(found: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, str]]:
    """Each way of counting in the readings, and what it counts."""
    return {one["convention"]: one["means"] for one in found}.items()


def _reading(one: Mapping[str, Any]) -> Iterable[Cell]:
    options = " ".join(f"{name}={value}" for name, value in one["options"].items())
    yield from (one.get("target", ""), one["convention"], one["input"], options, one["figure"])
    yield from (one.get("params"), "yes" if one["agrees"] else "no")
