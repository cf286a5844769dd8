"""`flopcalc model`."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import click

from flopcalc import convention, networks, registry
from flopcalc.analysis.model import grouped, model_record
from flopcalc.cli.common import Whole, emit, output_options, whole
from flopcalc.convention import Convention
from flopcalc.errors import FlopcalcError, clip
from flopcalc.networks.options import option_text
from flopcalc.networks.replace import replace_convolutions
from flopcalc.report.document import Cell, Column, Document, Facts, Lines, Table, people


@click.command("model", epilog="Example: flopcalc model resnet50 --replace spconv:alpha=1/4")
@click.argument("name", metavar="NETWORK")
@click.option(
    "--replace",
    "replace_text",
    metavar="OPERATOR[:NAME=VALUE,...]",
    help="Put this operator in the place of the convolutions that it may stand for.",
)
@click.option("--set", "settings", metavar="NAME=VALUE", multiple=True, help="An option of the network; repeatable.")
@click.option("--input", "input_text", metavar="CxHxW", help="Input shape (default: the network's own).")
@click.option("--batch", type=Whole(), default=1, show_default=True, help="Batch size.")
@click.option(
    "--by",
    type=click.Choice(("layer", "stage", "type")),
    default=None,
    help="What a row stands for (default: stage; layer for CSV).",
)
@output_options
def command(
    name: str, replace_text: str | None, settings: tuple[str, ...], input_text: str | None, batch: int,
    by: str | None, fmt: str | None, output: str | None, convention_name: str, dtype: str,
) -> None:  # fmt: skip
    """Cost of a network, whole or with layers replaced.

    NETWORK is a name that `flopcalc list` shows, or the path of a YAML description.
    """
    chosen = convention.get(convention_name)
    plain = networks.load(name, _settings(settings), _input_shape(input_text), batch)
    replacement = None
    if replace_text is not None:
        operator, options = registry.parse(replace_text)
        replacement = replace_convolutions(plain, operator, options)
    record = model_record(plain, replacement, chosen, dtype)
    to_csv = fmt == "csv" or (fmt is None and (output or "").endswith(".csv"))
    emit(_document(record, by or ("layer" if to_csv else "stage"), chosen), fmt, output)


def _settings(settings: tuple[str, ...]) -> dict[str, str]:
    given: dict[str, str] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name.strip() or name.strip() in given:
            why = "is given twice" if equals and name.strip() else "is not of the form name=value"
            raise FlopcalcError("bad-option", f"--set {clip(setting)} {why}", "write for example --set classes=10")
        given[name.strip()] = value.strip()
    return given


def _input_shape(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(whole(piece) for piece in text.lower().split("x"))
    except ValueError:
        raise FlopcalcError(
            "bad-dimension",
            f"--input is {clip(text)}, not channels x height x width, each from 1 to 10^9",
            "write --input 3x224x224",
        ) from None


def _headline(chosen: Convention) -> str:
    return {"macs": "MACs", "flops": "FLOPs"}.get(chosen.name, chosen.name)


def _document(record: dict[str, Any], by: str, chosen: Convention) -> Document:
    title = f"{record['title']} | input {'x'.join(map(str, record['input']))}"
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
    blocks: list[Table | Facts | Lines] = [_rows(record, by, chosen), Facts(facts)]
    if record["replace"]:
        blocks.insert(0, _before_after(record, chosen))
        blocks.append(Lines(f"Replaced by {record['replace']}", list(_replaced(record))))
    if record["notes"]:
        blocks.append(Lines("Notes", record["notes"]))
    return Document(title, blocks, record)


def _before_after(record: dict[str, Any], chosen: Convention) -> Table:
    base = record["baseline"]
    rows: list[list[Cell]] = [
        ["before", base["params"], base["cost"]],
        [f"after, {record['replace']}", record["params"], record["cost"]],
        ["ratio", f"{record['params'] / base['params']:.4f}", f"{record['cost'] / base['cost']:.4f}"],
    ]
    return Table((Column("total", "text"), Column("params"), Column(_headline(chosen))), rows)


def _replaced(record: dict[str, Any]) -> Iterable[str]:
    names = record["replaced_layers"]
    yield f"{len(names)} layers replaced{': ' if names else ''}{', '.join(names)}"
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
        columns = (Column("layer", "name"), Column("type", "text"), Column("out", "name"), Column("params"),
                   Column(headline), Column("share", "share"))  # fmt: skip
        rows: list[list[Cell]] = [
            [layer["name"], layer["type"], "x".join(map(str, layer["out"])), layer["params"], layer["cost"],
             layer["cost"] / total]
            for layer in layers
        ]  # fmt: skip
        return Table(columns, rows, [["total", "", "", record["params"], record["cost"], 1]], main=True)
    groups = grouped(layers, by)
    largest = max(group["cost"] for group in groups) or 1
    # The output's shape belongs to a stage; layers of a type have many.
    shown = by == "stage"
    columns = (
        Column(by, "name"),
        Column("layers"),
        *([Column("out", "text")] if shown else []),
        Column("params"),
        Column(headline),
        Column("share", "share"),
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
