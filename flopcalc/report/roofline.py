"""`flopcalc roofline` as tables."""

from collections.abc import Iterator, Mapping
from typing import Any

from flopcalc.analysis.roofline import Roofline
from flopcalc.report.document import Cell, Column, Document, Facts, Lines, Table, seconds
from flopcalc.report.uncounted import at_least, uncounted_lines

_COLUMNS = (
    Column("MACs", key="macs", drop=3),
    Column("bytes", key="traffic_bytes", drop=2),
    Column("FLOPs/byte", key="intensity", drop=4),
    Column("kernels", key="kernels", drop=5),
    Column("bound", key="bound_s", drop=1),
    Column("estimate", key="estimate_s"),
    Column("share", "share", drop=6),
    Column("limited by", "name", key="limited_by"),
)


def roofline_document(found: Roofline, top: int, *, flat: bool = False) -> Document:
    """The time in sum, before and after replacement, and of the slowest rows. flat: all rows, in seconds."""
    record = found.to_dict()
    blocks: list[Table | Facts | Lines] = []
    if record["before"] is not None and not flat:
        blocks.append(_versions(record))
    blocks.append(_rows(record, found.rows, None if flat else top))
    blocks.append(Facts(list(_facts(found, record))))
    if record["uncounted"]:
        blocks.append(Lines("Not counted", list(uncounted_lines(record["uncounted"]))))
    if record["notes"]:
        blocks.append(Lines("Notes", record["notes"]))
    step = ", training step" if record["mode"] == "training" else ""
    title = (
        f"{record['target']}{step} on {record['device']}, {record['dtype']}, batch {record['batch']}, "
        f"{record['execution']}: {at_least(seconds(record['estimate_s']), record['uncounted'])} expected, "
        f"bound {seconds(record['bound_s'])}"
    )
    return Document(title, blocks, record)


def _versions(record: Mapping[str, Any]) -> Table:
    columns = (
        Column("", "text", key="which"),
        Column("MACs", "short"),
        Column("bytes", "short"),
        Column("kernels"),
        Column("bound"),
        Column("estimate"),
        *((Column("measured"),) if record["measured_s"] or record["before"]["measured_s"] else ()),
    )
    rows: list[list[Cell]] = []
    for name, one in (("before", record["before"]), ("after", record)):
        times = [seconds(one["bound_s"]), seconds(one["estimate_s"]), seconds(one["measured_s"])]
        rows.append([name, one["macs"], one["traffic_bytes"], one["kernels"], *times[: len(columns) - 4]])
    keys = ("macs", "traffic_bytes", "kernels", "bound_s", "estimate_s", "measured_s")
    ratios: list[Cell] = [_ratio(record[key], record["before"][key]) for key in keys]
    rows.append(["ratio", *ratios[: len(columns) - 1]])
    return Table(columns, rows, title="Before and after")


def _ratio(new: float | None, old: float | None) -> str:
    return f"{new / old:.3f}" if new and old else ""


def _rows(record: Mapping[str, Any], word: str, top: int | None) -> Table:
    """The times of layers, or of the parts of an operator; word: for one of them."""
    layers = record["layers"]
    total = record["estimate_s"] or 1.0
    shown = layers if top is None else sorted(layers, key=lambda layer: -layer["estimate_s"])[:top]
    rows: list[list[Cell]] = [
        [
            layer["name"],
            layer["macs"],
            layer["traffic_bytes"],
            layer["intensity"],
            layer["kernels"],
            layer["bound_s"] if top is None else seconds(layer["bound_s"]),
            layer["estimate_s"] if top is None else seconds(layer["estimate_s"]),
            layer["estimate_s"] / total,
            layer["limited_by"],
        ]
        for layer in shown
    ]
    few = top is not None and len(layers) > len(shown)
    title = f"The {len(shown)} slowest of {len(layers):,} {word}s" if few else ""
    return Table((Column(word, "name", key="name"), *_COLUMNS), rows, title=title, main=True)


def _facts(found: Roofline, record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    parts = [
        f"{name} {seconds(part)} ({part / (found.estimate_s or 1):.0%})" for name, part in found.limited_by.items()
    ]
    yield "limited by", ", ".join(parts)
    if record["measured_s"] is not None:
        yield "measured", seconds(record["measured_s"])
    device, peak = found.device, record["peak_flops"]
    yield "device", f"{device.title}: {peak / 1e12:.4g} TFLOPS in {found.dtype}, {device.bandwidth / 1e9:,.4g} GB/s"
    yield (
        "compute-bound from",
        f"{peak / device.bandwidth:.3g} FLOPs/byte; this target has {record['intensity'] or 0:.3g}",
    )
