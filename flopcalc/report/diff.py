"""The difference of two networks as a document, from the record `flopcalc/diff/1`; computes nothing."""

from collections.abc import Iterator
from typing import Any

from flopcalc.cost.convention import Convention
from flopcalc.report.changes import sizes, what_changed
from flopcalc.report.columns import headline
from flopcalc.report.document import Cell, Column, Document, Facts, Lines, Table, people
from flopcalc.report.uncounted import RULE_HINT, how_many, uncounted_lines

# The number of renamed layers that are shown.
_EXAMPLES = 3
_WORDS = {
    "same": "equal",
    "renamed": "equal under another name",
    "changed": "changed",
    "removed": "removed",
    "added": "added",
}


def diff_document(record: dict[str, Any], chosen: Convention, everything: bool, for_csv: bool) -> Document:
    """What `flopcalc diff` shows. everything: equal layers too."""
    title = headline(chosen)
    sides = [(key.upper(), record[key]) for key in ("a", "b")]
    differ = [row for row in record["layers"] if row["status"] not in ("same", "renamed")]
    shown = record["layers"] if everything else [row for row in differ if _matters(row)]
    blocks: list[Table | Facts | Lines] = [_totals(record, title)]
    if for_csv:
        blocks.append(rows_for_csv(record, title))
    elif shown:
        blocks.append(_changes(record, shown, len(differ), title))
    if "symbolic" in record:
        blocks += _expressions(record["symbolic"])
    counts = ", ".join(f"{count:,} {_WORDS[status]}" for status, count in record["counts"].items() if count)
    if len(shown) < len(differ):
        counts += f"; --all shows {len(differ) - len(shown):,} more, without params and {title}"
    facts = [("layers", counts or "none"), *((label, _description(side)) for label, side in sides)]
    blocks.append(Facts([*facts, ("convention", f"{chosen.name}: {chosen.text}")]))
    if not everything and (lines := list(_renamed(record))):
        blocks.append(Lines("Renamed, otherwise equal (--all shows all)", lines))
    for label, side in sides:
        if side["uncounted"]:
            lines = list(uncounted_lines(side["uncounted"]))
            lines.append(f"to count them: {RULE_HINT}")
            blocks.append(Lines(f"Not counted in {label}: kernels without a rule, which add nothing above", lines))
    for label, side in sides:
        if side["notes"]:
            blocks.append(Lines(f"Notes on {label}", side["notes"]))
    same = not any(record["counts"][status] for status in ("changed", "removed", "added"))
    verdict = " | equal, layer by layer" if same else ""
    unknown = [
        f"{label} costs at least this, {how_many(found)}" for label, side in sides if (found := side["uncounted"])
    ]
    if unknown:
        verdict += f"{', as far as counted' if same else ''} | {'; '.join(unknown)}"
    return Document(f"{record['a']['target']}  ->  {record['b']['target']}{verdict}", blocks, record)


def _expressions(symbolic: dict[str, Any]) -> Iterator[Table | Facts | Lines]:
    """B - A as expressions."""
    names = ", ".join(f"{name} {meaning}" for name, meaning in symbolic["symbols"].items())
    facts = [("symbols", names)]
    facts += [(kind, one["exact"]) for kind, one in symbolic["difference"].items() if one["exact"] != "0"]
    if len(facts) == 1:
        facts.append(("all kinds", "0: equal at all these sizes"))
    conditions = [f"{one['size']} = {one['value']}" for one in symbolic["fixed"]]
    conditions += [one["condition"] for one in symbolic["valid"]]
    facts.append(("holds for", " and ".join(conditions) or "all sizes"))
    yield Facts(facts, "B - A as an expression")
    if symbolic["stages"]:
        rows = [[one["name"], one["params"], one["macs"]] for one in symbolic["stages"]]
        yield Table((Column("stage", "name"), Column("params", "text"), Column("MACs", "text")), rows)


def _description(side: dict[str, Any]) -> str:
    batch = f", batch {side['batch']}" if side["batch"] != 1 else ""
    replaced = f", {'' if side['replaced'] else 'nothing '}replaced by {side['replace']}" if side["replace"] else ""
    return f"{side['title']}, input {', '.join(side['inputs'])}{batch}{replaced}"


def _totals(record: dict[str, Any], title: str) -> Table:
    kinds = ("params", "cost", "flops", "activations", "steps")
    short = ("flops", "activations")
    columns = (
        Column("total", "text"),
        Column("params"),
        Column(title),
        Column("flops", "short", drop=1),
        Column("activations", "short", drop=2),
        Column("steps", drop=3),
    )
    names = [f"{key.upper()}, at least" if record[key]["uncounted"] else key.upper() for key in ("a", "b")]
    counted = ", as counted" if record["a"]["uncounted"] or record["b"]["uncounted"] else ""
    rows: list[list[Cell]] = [
        [name, *(record[key][kind] for kind in kinds)] for name, key in zip(names, ("a", "b"), strict=True)
    ]
    difference = record["difference"]
    rows.append(
        [f"B - A{counted}", *(_signed(difference[kind], "short" if kind in short else "number") for kind in kinds)]
    )
    ratios = [record["ratio"][kind] for kind in kinds]
    rows.append([f"B / A{counted}", *(None if ratio is None else people(ratio, "ratio") for ratio in ratios)])
    return Table(columns, rows)


def _signed(value: int, kind: str) -> str:
    return f"{'+' if value > 0 else '-' if value < 0 else ''}{people(abs(value), kind)}"


def _matters(row: dict[str, Any]) -> bool:
    """Whether a layer changed, or was added or removed with parameters or cost."""
    layers = [row[side] for side in ("a", "b") if row[side]]
    return row["status"] == "changed" or any(layer["params"] or layer["cost"] for layer in layers)


def _changes(record: dict[str, Any], shown: list[dict[str, Any]], differ: int, title: str) -> Table:
    columns = (
        Column("layer", "text"),
        Column("what", "text"),
        Column("params", "difference"),
        Column(title, "difference"),
    )
    rows: list[list[Cell]] = [
        [row["name"], what_changed(row), row["difference"]["params"], row["difference"]["cost"]] for row in shown
    ]
    equal = record["counts"]["same"] + record["counts"]["renamed"]
    rest = {"equal layers": equal, "others at 0": differ - len(shown)}
    if len(shown) == len(record["layers"]):
        rest = {}
    end: list[list[Cell]] = [[f"{count:,} {what}", "", 0, 0] for what, count in rest.items() if count]
    end.append(["total", "", record["difference"]["params"], record["difference"]["cost"]])
    return Table(columns, rows, end, "B - A, layer by layer", main=True)


def rows_for_csv(record: dict[str, Any], title: str) -> Table:
    """One row for each layer, with the columns of both sides next to each other."""
    kinds = ("type", "in", "out", "params", "cost")
    titles = {"cost": title}
    columns = [Column("layer", "text"), Column("status", "text"), Column("was", "text")]
    columns += [Column(f"{titles.get(kind, kind)} {side}") for kind in kinds for side in ("A", "B")]
    rows: list[list[Cell]] = []
    for row in record["layers"]:
        cells: list[Cell] = [row["name"], row["status"], row["was"]]
        for kind in kinds:
            for layer in (row["a"], row["b"]):
                value = layer[kind] if layer else None
                cells.append(sizes(value) if isinstance(value, list) else value)
        rows.append(cells)
    return Table(tuple(columns), rows, main=True)


def _renamed(record: dict[str, Any]) -> Iterator[str]:
    rows = [row for row in record["layers"] if row["status"] == "renamed"]
    for row in rows[:_EXAMPLES]:
        yield f"{row['was']} -> {row['name']}"
    if len(rows) > _EXAMPLES:
        yield f"and {len(rows) - _EXAMPLES:,} more"
