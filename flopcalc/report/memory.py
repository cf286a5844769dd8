"""`flopcalc memory` as tables."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flopcalc.analysis.memory.record import Memory, at, readable
from flopcalc.report.document import Column, Document, Facts, Lines, Table, people

# More rows than this are shown by stage.
MOST_ROWS = 40
# And fewer stages are divided into their parts.
_FEWEST_ROWS = 7


def memory_document(found: Memory, by: str | None, *, flat: bool = False) -> Document:
    """The parts of the peak, and the bytes alive during each layer. flat: rows of layers, for CSV."""
    record = found.to_dict()
    blocks: list[Table | Facts | Lines] = [_chart(record, "layer" if flat and by is None else by)]
    blocks.append(Facts(list(_facts(record))))
    if record["notes"]:
        blocks.append(Lines("Notes", record["notes"]))
    what = "training" if record["mode"] == "training" else "inference"
    title = f"{record['title']} | {what}, batch {record['batch']}, {record['dtype']}: {readable(record['peak_bytes'])}"
    return Document(title, blocks, record)


def _chart(record: Mapping[str, Any], by: str | None) -> Table:
    rows: Sequence[Mapping[str, Any]] = record["layers"]
    if by is None:
        by = "stage" if len(rows) > MOST_ROWS else "layer"
    if by == "stage":
        rows = _by_stage(rows)
    top = max((row["live_bytes"] for row in rows), default=0) or 1
    columns = (
        Column(by, "name"),
        Column("live bytes", key="live_bytes"),
        Column("of the peak", "share", key="share", drop=1),
        Column("", "bar", key="chart"),
    )
    cells = [[row["name"], row["live_bytes"], row["live_bytes"] / top, row["live_bytes"] / top] for row in rows]
    return Table(columns, cells, main=True)


def _by_stage(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The highest number of each run of layers of one stage: the first part of the names in which they differ."""
    pieces = [row["name"].removesuffix(_BACKWARD).split(".") for row in rows]
    depth, deepest = 1, max(map(len, pieces))
    while depth < deepest and len({tuple(one[:depth]) for one in pieces}) < _FEWEST_ROWS:
        if len({tuple(one[: depth + 1]) for one in pieces}) > MOST_ROWS:
            break
        depth += 1
    found: list[dict[str, Any]] = []
    for row, piece in zip(rows, pieces, strict=True):
        name = ".".join(piece[:depth]) + (_BACKWARD if row["name"].endswith(_BACKWARD) else "")
        if found and found[-1]["name"] == name:
            found[-1]["live_bytes"] = max(found[-1]["live_bytes"], row["live_bytes"])
        else:
            found.append({"name": name, "live_bytes": row["live_bytes"]})
    return found


_BACKWARD = " (backward)"


def _facts(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    training = record["mode"] == "training"
    yield "weights", _bytes(record["weights_bytes"])
    if record["buffers_bytes"]:
        yield "buffers", _bytes(record["buffers_bytes"])
    yield "input", _bytes(record["input_bytes"])
    if training:
        yield "saved", f"{_bytes(record['saved_bytes'])} that autograd keeps for the backward"
        yield "gradients", _bytes(record["gradients_bytes"])
        state = record["optimizer_dtype"]
        yield (
            "optimizer",
            f"{_bytes(record['optimizer_bytes'])} of state, {record['optimizer']}" + (f" in {state}" if state else ""),
        )
        yield "forward peak", f"{_bytes(record['activations_peak_bytes'])} of tensors alive at once"
    else:
        size = _elements(record, "activations_peak")
        yield "eager peak", f"{size}{at(record['activations_peak_at'])}: tensors alive at once in eager PyTorch"
        if record["layer_peak_bytes"] is not None:
            size = _elements(record, "layer_peak")
            yield (
                "layer peak",
                f"{size}{at(record['layer_peak_at'])}: input and output of one layer and what later layers need, with "
                "batch norm and activations folded in",
            )
        if best := record["best_order"]:
            proved = "no order of the layers needs less" if best["proved"] else "not proved: too many orders"
            yield "best order", f"{_bytes(best['peak_bytes'])}{at(best['peak_at'])}: {proved}"
    yield "peak", f"{_bytes(record['peak_bytes'])}{at(record['peak_at'])}, in blocks of 512 bytes"
    if record["workspace_bytes"]:
        yield "workspace", f"about {_bytes(record['workspace_bytes'])} more, an estimate"
    if record["allocator_bytes"]:
        yield "allocator", f"about {_bytes(record['allocator_bytes'])} more, an estimate"
    for key in ("autocast", "checkpoint"):
        if record[key]:
            yield key, ", ".join(record[key]) if isinstance(record[key], list) else record[key]
    if record["accumulate"] > 1:
        yield "accumulate", f"{record['accumulate']} batches: gradients are there from the second one on"
    if training or record["on"] != "description":
        yield "rules", f"{record['rules']}, followed on {record['on']}"


def _elements(record: Mapping[str, Any], key: str) -> str:
    number = record[f"{key}_elements"]
    size = _bytes(record[f"{key}_bytes"])
    return size if number is None else f"{people(number)} elements, {size}"


def _bytes(size: int) -> str:
    return f"{people(size)} bytes" + (f" ({readable(size)})" if size >= 1024 else "")
