"""The record of a network -> a document: rows by layer, stage, type or module, and what was replaced."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from flopcalc.cost.convention import Convention
from flopcalc.cost.kinds import ELEMENTWISE
from flopcalc.networks.options import option_text
from flopcalc.report.bits import bops_facts, bops_field, with_bops
from flopcalc.report.columns import Field, Row, cell_of, choose, headline, same_sizes, sizes, table_of, unit
from flopcalc.report.document import Cell, Column, Document, Facts, Lines, Table, people
from flopcalc.report.time_and_peak import COLUMNS, kinds_of, time_facts, time_fields, with_default
from flopcalc.report.totals import critical_path, traffic_text
from flopcalc.report.training import pass_fields, training_facts, with_passes
from flopcalc.report.uncounted import RULE_HINT, at_least, how_many, uncounted_lines
from flopcalc.targets.model_record import OWN, PASSES, folded, grouped, number_of


class View(NamedTuple):
    """What the rows of the table are. by: layer, stage, type or tree. columns: as `--columns` gives them.

    full_names: names of the tree are dotted names, not indented ones. fold: equal calls of one module are one row.
    """

    by: str
    columns: str | None = None
    full_names: bool = False
    fold: bool = True


def model_document(record: dict[str, Any], view: View, chosen: Convention) -> Document:
    """What `flopcalc model` shows."""
    title = f"{record['title']} | input {', '.join(record['inputs'])}"
    if record["batch"] != 1:
        title += f", batch {record['batch']}"
    if record["uncounted"]:
        title += f" | at least {people(record['cost'])} {unit(chosen)}: {how_many(record['uncounted'])}"
    blocks: list[Table | Facts | Lines] = [_rows(record, view, chosen), Facts(list(_facts(record, chosen)))]
    if record["uncounted"]:
        blocks.append(
            Lines(
                "Not counted: kernels without a rule, which add nothing to the numbers above",
                [*uncounted_lines(record["uncounted"]), f"to count them: {RULE_HINT}"],
            )
        )
    if record["replace"]:
        blocks.insert(0, _before_after(record, chosen))
        where = f", where {record['where']}" if record["where"] else ""
        blocks.append(Lines(f"Replaced by {record['replace']}{where}", list(_replaced(record))))
    if record["notes"]:
        blocks.append(Lines("Notes", record["notes"]))
    return Document(title, blocks, record)


def _facts(record: dict[str, Any], chosen: Convention) -> Iterable[tuple[str, str]]:
    if record["options"]:
        yield "options", ", ".join(f"{name} {option_text(one)}" for name, one in record["options"].items())
    unknown = record["uncounted"]
    yield from training_facts(record)
    yield "flops", at_least(f"{people(record['flops'])} = 2 x MACs + elementwise", unknown)
    for name, text in bops_facts(record):
        yield name, at_least(text, unknown)
    yield (
        "activations",
        at_least(f"{people(record['activations'])} elements written by convolutions and linear layers", unknown),
    )
    yield "traffic", at_least(traffic_text(record), unknown)
    yield from time_facts(record)
    yield (
        "steps",
        at_least(f"{critical_path(record['steps'])}, the longest chain of dependent kernels", unknown),
    )
    yield "convention", f"{chosen.name}: {chosen.text}"


def _before_after(record: dict[str, Any], chosen: Convention) -> Table:
    base = record["baseline"]
    kinds = (*with_bops(record, ("params", "cost")), *kinds_of(record))
    rows: list[list[Cell]] = [
        [_total_name("before", record), *(base[kind] for kind in kinds)],
        [_total_name(f"after, {record['replace']}", record), *(record[kind] for kind in kinds)],
        ["ratio", *(f"{record[kind] / base[kind]:.4f}" if base[kind] else None for kind in kinds)],
    ]
    titles = {"params": "params", "cost": headline(chosen), "bops": "BOPs"}
    columns = (COLUMNS.get(kind) or Column(titles[kind]) for kind in kinds)
    return Table((Column("total", "text"), *columns), rows)


def _replaced(record: dict[str, Any]) -> Iterable[str]:
    labels = record["replaced_by"]
    several = len(set(labels.values())) > 1
    for label in dict.fromkeys(labels.values()) or [""]:
        names = [name for name in labels if labels[name] == label]
        by = f" by {label}" if several else ""
        many = "1 layer" if len(names) == 1 else f"{len(names)} layers"
        yield f"{many} replaced{by}{': ' if names else ''}{', '.join(names)}"
    reasons = Counter(skip["reason"] for skip in record["skipped"])
    for reason, count in reasons.items():
        examples = [skip["name"] for skip in record["skipped"] if skip["reason"] == reason]
        shown = ", ".join(examples[:3]) + (", ..." if count > 3 else "")
        yield f"{count} kept ({shown}): {reason}"


# Longer names of layers may be wrapped.
_LONG = 30
_DEFAULT = {
    "layer": ("layer", "type", "out", "params", "cost", "share"),
    "stage": ("stage", "layers", "out", "params", "cost", "share", "bar"),
    "type": ("type", "layers", "params", "cost", "share", "bar"),
    "tree": ("module", "type", "out", "params", "cost", "share", "notes"),
}
_DEFAULT_TOP = {
    "layer": ("layer", "type", "out", "params", "cost", "share", "sum", "bar"),
    "stage": ("stage", "layers", "out", "params", "cost", "share", "sum", "bar"),
    "type": ("type", "layers", "params", "cost", "share", "sum", "bar"),
}


def fields_of(view: View, record: dict[str, Any], rows: Sequence[Row], chosen: Convention) -> list[Field]:
    """The columns that the rows can have, in the order of `--columns all`."""
    total = record["cost"] or 1
    largest = max((row["cost"] for row in rows), default=0) or 1
    return [
        *_first_fields(view, rows),
        Field("params", Column("params"), cell_of("params")),
        *pass_fields(record),
        Field("cost", Column(headline(chosen)), cell_of("cost")),
        *bops_field(record),
        *time_fields(record),
        Field("share", Column("share", "share", drop=3), lambda row: row.get("share", row["cost"] / total)),
        *(
            [Field("sum", Column("sum", "share", "cumulated share", drop=4), cell_of("cumulated"))]
            if "top" in record
            else []
        ),
        Field("bar", Column("", "bar"), lambda row: None if "total" in row else row["cost"] / largest, chosen=False),
        *(_shape_fields() if view.by == "layer" else [_IN] if view.by == "tree" else []),
        Field("macs", Column("MACs"), cell_of("macs")),
        Field("flops", Column("FLOPs"), cell_of("flops")),
        Field("traffic", Column("traffic (bytes)", key="traffic_bytes"), cell_of("traffic")),
        Field("intensity", Column("FLOPs/byte", key="intensity"), cell_of("intensity")),
        Field("activations", Column("activations"), cell_of("activations")),
        Field("elementwise", Column("elementwise"), cell_of("elementwise")),
        *([Field("steps", Column("steps"), cell_of("steps"))] if view.by == "layer" else []),
        *(_call_fields(view, rows) if record["modules"] else []),
    ]


def _call_fields(view: View, rows: Sequence[Row]) -> list[Field]:
    """Columns of a counted network. In the tree: what is remarkable about a module, in words and in numbers."""
    if view.by == "layer":
        calls = [Field("calls", Column("calls"), lambda row: row.get("count", 1))]
        return [Field("module", Column("module", "name"), cell_of("module")), *(calls if view.fold else [])]
    if view.by != "tree":
        return []
    notes = _tree_notes(rows)
    remark = Field("notes", Column("notes", "text"), lambda row: notes.get(row["name"]), chosen=False)
    return [
        *([remark] if notes else []),
        Field("calls", Column("calls"), cell_of("calls")),
        Field("unused", Column("unused params", key="unused_params"), cell_of("unused")),
    ]


def _tree_notes(rows: Sequence[Row]) -> dict[str, str]:
    """Name of a row -> its note. Unused parameters are noted where the row is not split up further."""
    found: dict[str, str] = {}
    levels = [*(row["level"] for row in rows), 0][1:]
    for row, following in zip(rows, levels, strict=True):
        texts = []
        if row["calls"] > 1 and row["short"] != OWN:
            texts.append(f"{row['calls']:,} calls")
        if row["also"]:
            texts.append(f"also {', '.join(row['also'][:2])}{', ...' if len(row['also']) > 2 else ''}")
        if row["unused"] and following <= row["level"]:
            some = "" if row["unused"] == row["params"] else f"{people(row['unused'])} "
            texts.append(f"{some}params unused")
        if texts:
            found[row["name"]] = ", ".join(texts)
    return found


def _first_fields(view: View, rows: Sequence[Row]) -> list[Field]:
    out = Field("out", Column("out", "name", drop=2), sizes("out"))
    if view.by == "layer":
        long = any(len(row["name"]) > _LONG for row in rows)
        return [
            Field("layer", Column("layer", "text" if long else "name"), _with_calls),
            Field("type", Column("type", "text", drop=1), cell_of("type")),
            out,
        ]
    if view.by == "tree":
        names = cell_of("name") if view.full_names else _indented
        level = Field("level", Column("level"), cell_of("level"))
        return [
            Field("module", Column("module", "name"), names),
            *([level] if view.full_names else []),
            # A row for the module's own work has its class above it.
            Field("type", Column("type", "text", drop=1), cell_of("type") if view.full_names else _type_in_tree),
            out,
        ]
    groups = [
        Field(view.by, Column(view.by, "name"), cell_of(view.by)),
        Field("layers", Column("layers", drop=1), cell_of("count")),
    ]
    # Layers of one type have many output shapes.
    return [*groups, out] if view.by == "stage" else groups


def _with_calls(row: Row) -> Cell:
    """`relu`, and `relu, 3 calls` for a row of several."""
    count = row.get("count") or 1
    return row["name"] if count == 1 else f"{row['name']}, {count:,} calls"


def _type_in_tree(row: Row) -> Cell:
    return None if row.get("short") == OWN else row.get("type")


def _indented(row: Row) -> Cell:
    return f"{'  ' * (row['level'] - 1)}{row['short']}" if "short" in row else row["name"]


_IN = Field("in", Column("in", "name"), sizes("in"))


def _shape_fields() -> list[Field]:
    return [
        _IN,
        Field("kernel", Column("kernel", "name"), sizes("kernel")),
        *(Field(name, Column(name, "name"), same_sizes(name)) for name in ("stride", "padding", "dilation")),
        Field("groups", Column("groups"), cell_of("groups")),
    ]


def _rows(record: dict[str, Any], view: View, chosen: Convention) -> Table:
    by = view.by
    total = _total(record, by)
    if "top" in record:
        rows, default = record["top"]["rows"], _DEFAULT_TOP[by]
        totals = [*_others(record, rows, by), total]
    elif by == "tree":
        rows, default, totals = record["tree"]["rows"], _DEFAULT[by], [total]
    else:
        layers = record["layers"]
        rows = grouped(layers, by) if by != "layer" else folded(layers) if view.fold else layers
        default, totals = _DEFAULT[by], [total]
    fields = fields_of(view, record, rows, chosen)
    columns, default = with_default(view.columns, with_passes(record, with_bops(record, default)))
    return table_of(choose(fields, columns, default), rows, totals, main=True)


def _total(record: dict[str, Any], by: str) -> dict[str, Any]:
    """The last row. Steps do not add up: the total is the critical path."""
    elementwise = sum(record[kind] for kind in ELEMENTWISE)
    name = _total_name("total", record)
    # Calls of a module are in one row or in several.
    count = None if by == "layer" else number_of(record["layers"])
    names = {"name": name, by: name}
    return {
        **record,
        **names,
        "elementwise": elementwise,
        "count": count,
        "share": 1 if record["cost"] else 0,
        "total": True,
    }


def _total_name(name: str, record: dict[str, Any]) -> str:
    """The name of a row of sums, which are lower bounds where a kernel was not counted."""
    return f"{name}, at least" if record["uncounted"] else name


def _others(record: dict[str, Any], rows: Sequence[Row], by: str) -> Iterable[dict[str, Any]]:
    """The rows that `--top` leaves out, as one row."""
    if by == "layer":
        more = len(folded(record["layers"])) - len(rows)
        name, count = f"{more} others", None
    else:
        more = number_of(record["layers"]) - sum(row["count"] for row in rows)
        name, count = "others", more
    if not more:
        return
    rest: dict[str, Any] = {"name": name, by: name, "count": count, "cumulated": 1, "total": True}
    bops = ["bops"] if "bops" in record else []
    for kind in ("params", "cost", "macs", "flops", "traffic", "activations", *bops):
        rest[kind] = record[kind] - sum(row[kind] for row in rows)
    for kind in PASSES if "backward" in record else ():
        rest[kind] = sum(layer[kind] for layer in record["layers"]) - sum(row[kind] for row in rows)
    for kind in ("bound_s", "estimate_s") if "estimate_s" in record else ():
        rest[kind] = sum(layer[kind] for layer in record["layers"]) - sum(row[kind] for row in rows)
    elementwise = sum(record[kind] for kind in ELEMENTWISE)
    rest["elementwise"] = elementwise - sum(row["elementwise"] for row in rows)
    rest["intensity"] = rest["flops"] / rest["traffic"] if rest["traffic"] else None
    yield rest
