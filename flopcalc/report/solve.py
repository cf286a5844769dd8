"""`flopcalc solve` as tables."""

from collections.abc import Iterator, Mapping
from typing import Any

from flopcalc.analysis.solving.solution import Solution
from flopcalc.report.document import Cell, Column, Document, Facts, Lines, Table
from flopcalc.targets.limits import MEMORY

_KINDS = {
    "params": Column("params", drop=1),
    "macs": Column("MACs"),
    "flops": Column("FLOPs", drop=2),
    "traffic": Column("traffic", drop=3),
    "activations": Column("activations", drop=4),
    "steps": Column("steps", drop=5),
    "adds": Column("adds", drop=6),
    "muls": Column("muls", drop=7),
    "other": Column("other", drop=8),
}
# Kinds that the tables of text show, in addition to those of the limits.
_SHOWN = ("params", "macs", "flops", "traffic")


def solve_document(solution: Solution, *, flat: bool = False) -> Document:
    """The value, its cost and the next value; all pairs; or the operator of each layer. flat: all kinds of cost."""
    record = solution.to_dict()
    kinds = [kind for kind in _KINDS if flat or kind in _SHOWN or any(kind in text for text in record["limits"])]
    blocks: list[Table | Facts | Lines] = []
    if record["choices"]:
        blocks.append(_choices(record, kinds))
    elif record["front"]:
        blocks.append(_front(record, kinds))
    elif record["value"] is not None or record["nearest"]:
        blocks.append(_values(record, kinds))
    blocks.append(Facts(list(_facts(record))))
    if record["notes"]:
        blocks.append(Lines("Notes", record["notes"]))
    return Document(_title(record), blocks, record)


def _title(record: Mapping[str, Any]) -> str:
    limits = " and ".join(record["limits"])
    if record["for"] == "choose":
        wanted = f"{record['objective']}{f' subject to {limits}' if limits else ''}"
        return f"{record['target']}, {wanted}" + (": no solution" if record["value"] is None else "")
    found = "no solution"
    if isinstance(record["value"], Mapping):
        found = f"{len(record['front'])} pairs of {record['for']}"
    elif record["value"] is not None:
        found = f"{record['for']} = {record['value']}"
    return f"{record['target']}, {limits}: {found}"


def _values(record: Mapping[str, Any], kinds: list[str]) -> Table:
    rows: list[tuple[str, Mapping[str, Any]]] = []
    if record["value"] is not None:
        rows.append(("answer", record))
        if record["next"]:
            rows.append(("next, fails", record["next"]))
    elif record["nearest"]:
        rows.append(("nearest, fails", record["nearest"]))
    ratios = [key for key in (rows[0][1]["cost"] or {}) if key not in _KINDS]
    columns = (
        Column("", "text", key="which"),
        Column("clauses" if record["for"] == "choose" else record["for"], "name"),
        *(_KINDS[kind]._replace(key=kind) for kind in kinds if kind in rows[0][1]["cost"]),
        *(Column(key, "number" if key in MEMORY else "ratio") for key in ratios),
    )
    cells: list[list[Cell]] = []
    for which, one in rows:
        cost = one["cost"] or {}
        value = "; ".join(one["value"]) if isinstance(one["value"], list) else one["value"]
        shown = [cost.get(kind) for kind in (*kinds, *ratios) if kind in rows[0][1]["cost"]]
        cells.append([which if cost else f"next, does not exist: {one['why_not']}", value, *shown])
    return Table(columns, cells, main=True)


def _front(record: Mapping[str, Any], kinds: list[str]) -> Table:
    names = record["for"].split(",")
    ratios = [key for key in record["front"][0]["cost"] if key not in _KINDS]
    columns = (
        *(Column(name, "name") for name in names),
        *(_KINDS[kind]._replace(key=kind) for kind in kinds),
        *(Column(key, "ratio") for key in ratios),
    )
    rows = [
        [*(one["value"][name] for name in names), *(one["cost"][kind] for kind in (*kinds, *ratios))]
        for one in record["front"]
    ]
    return Table(columns, rows, main=True)


def _choices(record: Mapping[str, Any], kinds: list[str]) -> Table:
    kinds = [kind for kind in kinds if kind in record["choices"][0]]
    columns = (
        Column("layer", "name"),
        Column("operator", "name"),
        *(_KINDS[kind]._replace(key=kind) for kind in kinds),
    )
    rows = [[one["layer"], one["operator"], *(one[kind] for kind in kinds)] for one in record["choices"]]
    totals = [["network", "", *(record["cost"][kind] for kind in kinds)]]
    return Table(columns, rows, totals, main=True)


def _facts(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if record["why_not"]:
        yield "why not", record["why_not"]
    if isinstance(record["value"], list):
        for number, text in enumerate(record["value"] or ["none: all layers stay"]):
            yield "" if number else "replace", text
    for one in record["alternatives"]:
        yield (
            "same cost",
            _interval(one, record["for"]) + ("" if one["complete"] else ", and perhaps values next to it"),
        )
    if isinstance(record["value"], Mapping):
        yield "nearest to the bound", ", ".join(f"{name} = {value}" for name, value in record["value"].items())
    if formula := record["closed_form"]:
        yield "closed form", _formula(formula)
    yield "exact", "yes" if record["exact"] else "not proved"
    yield "method", record["method"]
    if record["command"]:
        yield "command", record["command"]


def _interval(one: Mapping[str, Any], name: str) -> str:
    if one["from"] == one["to"]:
        return f"{name} = {one['from']}{' only' if one['complete'] else ''}"
    text = name
    if one["from"] is not None:
        text = f"{one['from']} {'<=' if one['from_included'] else '<'} {text}"
    if one["to"] is not None:
        text = f"{text} {'<=' if one['to_included'] else '<'} {one['to']}"
    return text


def _formula(formula: Mapping[str, Any]) -> str:
    where = f"; with {', '.join(f'{a} = {b}' for a, b in formula['letters'].items())}" if formula["letters"] else ""
    sign = formula["text"].split(" ")[1]
    return f"{formula['in_letters']}{where}; {sign} {formula['bound']:.4g} at {formula['at']}"
