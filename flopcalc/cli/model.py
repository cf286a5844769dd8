"""`flopcalc model`."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import click

from flopcalc.cli.options import Whole, output_options
from flopcalc.cli.output import emit, format_of
from flopcalc.cli.target import check_counted, strict_option, target_options, uncounted_lines
from flopcalc.cost import convention
from flopcalc.cost.convention import Convention
from flopcalc.errors import FlopcalcError, clip
from flopcalc.networks.options import option_text
from flopcalc.report.document import Cell, Column, Document, Facts, Lines, Table, people
from flopcalc.targets.model_record import dearest, grouped, model_record
from flopcalc.targets.read import read_target
from flopcalc.targets.spec import from_texts


@click.command("model", epilog="Example: flopcalc model resnet50 --replace spconv:alpha=1/4")
@click.argument("name", metavar="NETWORK")
@target_options
@click.option(
    "--by",
    type=click.Choice(("layer", "stage", "type")),
    default=None,
    help="What a row stands for (default: stage; layer for CSV and --top).",
)
@click.option("--top", type=Whole(), default=None, help="Only the N dearest rows, the dearest first.")
@strict_option
@output_options
def command(
    name: str,
    by: str | None,
    top: int | None,
    strict: bool,
    fmt: str | None,
    output: str | None,
    convention_name: str,
    dtype: str,
    **options: Any,
) -> None:
    """Cost of a network, whole or with layers replaced.

    NETWORK is a name that `flopcalc list` shows, the path of a YAML description, or a PyTorch model:
    package.module:factory, file.py:factory, torchvision:NAME or timm:NAME, with --input.
    """
    fmt = format_of(fmt, output)
    chosen = convention.get(convention_name)
    if top is not None and top < 1:
        raise FlopcalcError("bad-option", f"--top is {clip(top)}; it must be 1 or more", "write --top 10")
    target = read_target(from_texts(name, **options))
    record = model_record(target.plain, target.replacement, chosen, dtype)
    by = by or ("layer" if fmt == "csv" or top else "stage")
    if top:
        rows = record["layers"] if by == "layer" else grouped(record["layers"], by)
        record["top"] = {"by": by, "rows": dearest(rows, top)}
    emit(_document(record, by, chosen), fmt, output)
    if strict:
        check_counted(record["uncounted"])


_LONG = 30


def _headline(chosen: Convention) -> str:
    return {"macs": "MACs", "flops": "FLOPs"}.get(chosen.name, chosen.name)


def _document(record: dict[str, Any], by: str, chosen: Convention) -> Document:
    title = f"{record['title']} | input {', '.join(record['inputs'])}"
    if record["batch"] != 1:
        title += f", batch {record['batch']}"
    facts = [
        ("flops", f"{people(record['flops'])} = 2 x MACs + elementwise"),
        ("activations", f"{people(record['activations'])} elements written by convolutions and linear layers"),
        ("traffic", f"{people(record['traffic'])} bytes in {record['dtype']}, each kernel by itself"),
        ("steps", f"{record['steps']} kernels in the longest dependent chain"),
        ("convention", f"{chosen.name}: {chosen.text}"),
    ]
    if record["options"]:
        facts.insert(0, ("options", ", ".join(f"{k} {option_text(v)}" for k, v in record["options"].items())))
    blocks: list[Table | Facts | Lines] = [
        _top(record, chosen) if "top" in record else _rows(record, by, chosen),
        Facts(facts),
    ]
    if record["uncounted"]:
        blocks.append(
            Lines(
                "Not counted: kernels without a rule, which add nothing to the numbers above",
                list(uncounted_lines(record["uncounted"])),
            )
        )
    if record["replace"]:
        blocks.insert(0, _before_after(record, chosen))
        where = f", where {record['where']}" if record["where"] else ""
        blocks.append(Lines(f"Replaced by {record['replace']}{where}", list(_replaced(record))))
    if record["notes"]:
        blocks.append(Lines("Notes", record["notes"]))
    return Document(title, blocks, record)


def _before_after(record: dict[str, Any], chosen: Convention) -> Table:
    base = record["baseline"]
    rows: list[list[Cell]] = [
        ["before", base["params"], base["cost"]],
        [f"after, {record['replace']}", record["params"], record["cost"]],
        ["ratio", *(f"{record[kind] / base[kind]:.4f}" if base[kind] else None for kind in ("params", "cost"))],
    ]
    return Table((Column("total", "text"), Column("params"), Column(_headline(chosen))), rows)


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


def _rows(record: dict[str, Any], by: str, chosen: Convention) -> Table:
    layers, total = record["layers"], record["cost"] or 1
    headline = _headline(chosen)
    columns: tuple[Column, ...]
    if by == "layer":
        # Names of real modules may be longer than a line.
        long = any(len(layer["name"]) > _LONG for layer in layers)
        columns = (
            Column("layer", "text" if long else "name"),
            Column("type", "text", drop=1),
            Column("out", "name", drop=2),
            Column("params"),
            Column(headline),
            Column("share", "share", drop=3),
        )
        rows: list[list[Cell]] = [
            [
                layer["name"],
                layer["type"],
                "x".join(map(str, layer["out"])),
                layer["params"],
                layer["cost"],
                layer["cost"] / total,
            ]
            for layer in layers
        ]
        return Table(columns, rows, [["total", "", "", record["params"], record["cost"], 1]], main=True)
    groups = grouped(layers, by)
    largest = max((group["cost"] for group in groups), default=0) or 1
    # The output's shape belongs to a stage; layers of a type have many.
    shown = by == "stage"
    columns = (
        Column(by, "name"),
        Column("layers", drop=1),
        *([Column("out", "text", drop=2)] if shown else []),
        Column("params"),
        Column(headline),
        Column("share", "share", drop=3),
        Column("", "bar"),
    )
    rows = [
        [
            group[by],
            group["count"],
            *(["x".join(map(str, group["out"]))] if shown else []),
            group["params"],
            group["cost"],
            group["cost"] / total,
            group["cost"] / largest,
        ]
        for group in groups
    ]
    end: list[list[Cell]] = [
        ["total", len(layers), *([""] if shown else []), record["params"], record["cost"], 1, None]
    ]
    return Table(columns, rows, end, main=True)


def _top(record: dict[str, Any], chosen: Convention) -> Table:
    """The dearest rows with their shares, and what the others cost together."""
    by, rows = record["top"]["by"], record["top"]["rows"]
    total = record["cost"]
    largest = max((row["cost"] for row in rows), default=0) or 1
    each = by == "layer"
    columns = (
        Column(by, "text"),
        Column("type", "text", drop=1) if each else Column("layers", drop=1),
        Column(_headline(chosen)),
        Column("share", "share"),
        Column("sum", "share", key="cumulated share", drop=2),
        Column("", "bar"),
    )
    cells: list[list[Cell]] = [
        [
            row["name"] if each else row[by],
            row["type"] if each else row["count"],
            row["cost"],
            row["share"],
            row["cumulated"],
            row["cost"] / largest,
        ]
        for row in rows
    ]
    layers = len(record["layers"])
    left = layers - (len(rows) if each else sum(row["count"] for row in rows))
    end: list[list[Cell]] = [["total", "" if each else layers, total, 1, None, None]]
    if left:
        rest = total - sum(row["cost"] for row in rows)
        end.insert(
            0, ["others" if not each else f"{left} others", "" if each else left, rest, rest / (total or 1), 1, None]
        )
    return Table(columns, cells, end, main=True)
