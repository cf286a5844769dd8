"""The table of layers: every row of it, with what a browser needs to sort and to filter."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from flopcalc.cost.convention import Convention
from flopcalc.pages.page import Cell, Column, Layers, Row
from flopcalc.report.columns import headline, same_sizes, sizes, unit
from flopcalc.report.document import people, seconds
from flopcalc.targets.model_record import folded, number_of

# Rows on paper: a page or two.
PRINTED = 40


class _Field(NamedTuple):
    title: str
    numeric: bool
    cell: Callable[[Mapping[str, Any]], Cell]


def layers_table(
    record: Mapping[str, Any],
    chosen: Convention,
    times: Mapping[str, tuple[float, float]],
    replaced_by: Mapping[str, str],
) -> Layers:
    """The layers of a network. chosen: of the headline. times: bound and estimate of each layer."""
    layers = [
        {**layer, **dict(zip(("bound_s", "estimate_s"), times.get(layer["name"], (0.0, 0.0)), strict=True))}
        if times
        else layer
        for layer in record["layers"]
    ]
    fields = [
        _Field("Layer", False, lambda row: Cell(row["name"])),
        _Field("Type", False, lambda row: Cell(row["type"])),
        _Field("Output", False, lambda row: Cell(str(sizes("out")(row)))),
        _Field("Kernel", False, lambda row: Cell(_window(row))),
        _number("Parameters", "params"),
        _number(headline(chosen), "cost"),
        _share(record["cost"]),
        *([] if record["convention"] == "flops" else [_number("FLOPs", "flops")]),
        _number("Bytes moved", "traffic"),
        *([_Field("Time", True, lambda row: _time(row["estimate_s"]))] if times else []),
        _Field("Notes", False, lambda row: Cell(_note(row, replaced_by))),
    ]
    total = {**record, "estimate_s": sum(layer["estimate_s"] for layer in layers) if times else None}
    rows = folded(layers)
    # Equal calls of a module are one row, and a module that goes on after its children has several.
    counted = "layers" if number_of(layers) == len(rows) else "rows"
    return _table(fields, rows, total, "layers", chosen)._replace(counted=counted)


def parts_table(record: Mapping[str, Any], parts: Sequence[Mapping[str, Any]], chosen: Convention) -> Layers:
    """The parts of an operator, each with its cost."""
    fields = [
        _Field("Part", False, lambda row: Cell(row["name"])),
        _number("Parameters", "params"),
        _number(headline(chosen), "cost"),
        _share(record["cost"]),
        *([] if record["convention"] == "flops" else [_number("FLOPs", "flops")]),
        _number("Elementwise", "elementwise"),
        _number("Bytes moved", "traffic"),
    ]
    total = {**record, "elementwise": sum(part["elementwise"] for part in parts)}
    return _table(fields, parts, total, "parts", chosen)


def _table(
    fields: Sequence[_Field], rows: Sequence[Mapping[str, Any]], total: Mapping[str, Any], noun: str, chosen: Convention
) -> Layers:
    # A column of texts that no row has says nothing.
    fields = [field for field in fields if field.numeric or any(field.cell(row).text for row in rows)]
    all_cost = total["cost"] or 1
    order = sorted(range(len(rows)), key=lambda index: -rows[index]["cost"])
    top = set(order[:PRINTED])
    texts = {"name": f"total{', at least' if total.get('uncounted') else ''}", "type": "", "share": "100.0%"}
    sums = []
    for place, field in enumerate(fields):
        if place == 0:
            sums.append(texts["name"])
        elif field.title == "Time" and total["estimate_s"] is not None:
            # Host and device overlap: the time of the whole is not this sum.
            sums.append("")
        else:
            sums.append(field.cell(total).text if field.numeric else "")
    return Layers(
        columns=[Column(field.title, field.numeric) for field in fields],
        rows=[
            Row([field.cell(row) for field in fields], row["cost"] / all_cost, index in top)
            for index, row in enumerate(rows)
        ],
        totals=sums,
        printed=min(PRINTED, len(rows)),
        noun=noun,
        counted=noun,
        what=unit(chosen),
    )


def _number(title: str, key: str) -> _Field:
    return _Field(title, True, lambda row: Cell(people(row[key])))


def _share(total: int) -> _Field:
    return _Field("Share", True, lambda row: Cell(people(row["cost"] / (total or 1), "share")))


def _time(value: float) -> Cell:
    return Cell(seconds(value) if value else "", f"{value:.6g}")


def _window(row: Mapping[str, Any]) -> str:
    """`3x3, stride 2, 32 groups`; empty for a layer without a window."""
    if not row.get("kernel"):
        return ""
    pieces = [str(sizes("kernel")(row))]
    for name in ("stride", "dilation"):
        text = str(same_sizes(name)(row))
        pieces += [f"{name} {text}"] if text not in ("1", "") else []
    groups = row.get("groups")
    return ", ".join([*pieces, *([f"{groups:,} groups"] if groups and groups > 1 else [])])


def _note(row: Mapping[str, Any], replaced_by: Mapping[str, str]) -> str:
    pieces = [f"replaced by {replaced_by[row['name']]}"] if row["name"] in replaced_by else []
    pieces += [f"{row['count']:,} calls"] if row.get("count", 1) > 1 else []
    pieces += [f"weights of {row['weights_of']}"] if row.get("weights_of") else []
    return ", ".join(pieces)
