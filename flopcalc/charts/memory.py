"""The bytes that are alive while each layer of a network runs."""

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from flopcalc.charts import axes
from flopcalc.charts.given import checked
from flopcalc.charts.key import key_layers, note_layer, pixels
from flopcalc.charts.picture import chart_of
from flopcalc.charts.theme import INK, LABEL, MUTED, named_scale, text_layer
from flopcalc.charts.wrapping import one_line
from flopcalc.errors import FlopcalcError

if TYPE_CHECKING:
    import altair

    from flopcalc.analysis.memory.record import Memory

FORWARD, BACKWARD = "forward", "backward"
_COLOURS = {FORWARD: "#56b4e9", BACKWARD: "#b34f00"}
_SUFFIX = " (backward)"
# Fewer stretches of layers than this are divided into their parts, if that makes no more than the other number.
_FEW, _MANY = 4, 16


def memory_by_layer(found: "Memory", *, title: str | None = None) -> "altair.LayerChart":
    """A chart of the bytes alive during each layer, in the order of execution, with the peak marked.

    found: the result of `flopcalc.memory`. The bytes are those of activations, in training also of gradients, as in
    `found.layers`; weights and the state of an optimizer are not among them. A megabyte (MB) is 10^6 bytes. The
    horizontal axis names stretches of layers by the first part of their names.

    Raises FlopcalcError: bad-usage, missing-package.
    """
    # Loaded only where there is such a result.
    from flopcalc.analysis.memory.record import Memory

    found = checked(found, Memory, "found", "memory")
    if not found.layers:
        raise FlopcalcError("bad-usage", f"{found.target} has no layers", "draw another network")
    rows: list[dict[str, Any]] = [
        {
            "x": place,
            "end": place + 1,
            "y": float(moment.live),
            "series": BACKWARD if moment.name.endswith(_SUFFIX) else FORWARD,
            "text": one_line(moment.name),
            "bytes": f"{moment.live:,}",
        }
        for place, moment in enumerate(found.layers)
    ]
    top = max(rows, key=lambda row: row["y"])
    high = (top["y"] or 1.0) * 1.22
    peak = {
        "x": top["x"] + 0.5,
        "y": top["y"],
        "name": f"peak {axes.human(top['y'], 'B')} at {top['text']}",
    }
    parts = [part for part in _COLOURS if any(row["series"] == part for row in rows)]
    color = named_scale(parts, [_COLOURS[part] for part in parts])
    x = axes.channel(
        "x", (0, len(rows)), log=False, axis={"labels": False, "ticks": False, "title": None, "grid": False}
    )
    y = axes.channel("y", (0, high), log=False, axis=axes.axis("bytes alive", "B", tickCount=5))
    layers: list[dict[str, Any]] = [
        {
            "data": {"name": "layers"},
            # With a border, or there are light seams between neighbours.
            "mark": {"type": "rect", "strokeWidth": 0.4},
            "encoding": {
                "x": x, "x2": {"field": "end"}, "y": y, "y2": {"datum": 0}, "fill": color,
                "stroke": color,
                "tooltip": [
                    {"field": "text", "type": "nominal", "title": "layer"},
                    {"field": "bytes", "type": "nominal", "title": "bytes alive"},
                ],
            },
        },
        {
            "data": {"name": "peak"},
            "mark": {"type": "rule", "color": INK, "strokeWidth": 0.8, "strokeDash": [3, 2]},
            "encoding": {"y": y},
        },
        {
            "data": {"name": "peak"},
            "mark": {"type": "point", "filled": True, "color": INK, "size": 40, "opacity": 1},
            "encoding": {"x": x, "y": y},
        },
        text_layer("peak", {**pixels("tx", "x"), **pixels("ty", "y")}, shown=False, dy=-6, baseline="bottom"),
        {
            "data": {"name": "bounds"},
            "transform": [{"filter": "datum.shown"}],
            "mark": {"type": "tick", "color": MUTED, "thickness": 1, "size": 5, "orient": "vertical"},
            "encoding": {"x": x, **pixels("py", "y")},
        },
        {
            "data": {"name": "stretches"},
            "transform": [{"filter": "datum.shown"}],
            "mark": {
                "type": "text", "fontSize": LABEL, "color": INK,
            },
            "encoding": {
                **pixels("px", "x"), **pixels("py", "y"), "text": {"field": "text", "type": "nominal"},
                "angle": {"field": "angle", "type": "quantitative", "scale": None},
            },
        },
        *key_layers(False, {"color": color}),
        note_layer(),
    ]  # fmt: skip
    layout = {
        "beside": 70,
        "left": 50,
        "aspect": 0.42,
        "axes": {"x": [0, len(rows)], "y": [0, high], "log": [False, False]},
        "clamped": {"data": "peak"},
        "stretches": {"data": "stretches", "bounds": "bounds"},
        "key": [{"series": part, "name": part} for part in parts] if len(parts) > 1 else [],
        "notes": [_note(found)],
    }
    stretches = _stretches([row["text"] for row in rows])
    datasets = {
        "layers": rows,
        "peak": [peak],
        "stretches": stretches,
        "bounds": [{"x": place} for place in sorted({one["start"] for one in stretches} | {len(rows)})],
    }
    return chart_of(
        layers, datasets, layout, description=f"Bytes alive during each layer of {found.target}", title=title
    )


def _stretches(names: Sequence[str]) -> list[dict[str, Any]]:
    """Stretches of layers whose names begin alike: where each starts and ends, and its name.

    Names are cut after as few parts as make enough stretches, of which none has most of the layers. Few layers are each
    a stretch of their own.
    """
    pieces = [name.removesuffix(_SUFFIX).split(".") for name in names]
    deepest = max(map(len, pieces))
    if len(names) <= _MANY:
        return _runs([".".join(piece) for piece in pieces], names)
    most = _MANY * len({name.endswith(_SUFFIX) for name in names})
    found = _runs([piece[0] for piece in pieces], names)
    for depth in range(2, deepest + 1):
        longest = max(one["end"] - one["start"] for one in found)
        finer = _runs([".".join(piece[:depth]) for piece in pieces], names)
        if (len(found) >= _FEW and longest <= len(names) / 2) or len(finer) > most:
            break
        found = finer
    return found


def _runs(keys: Sequence[str], names: Sequence[str]) -> list[dict[str, Any]]:
    backward = [name.endswith(_SUFFIX) for name in names]
    found, start = [], 0
    for (key, _), members in groupby(zip(keys, backward, strict=True)):
        end = start + len(list(members))
        found.append({"start": start, "end": end, "name": key})
        start = end
    return found


def _note(found: "Memory") -> str:
    what = "training step" if found.mode == "training" else "inference"
    return (
        f"{found.target}, {what}, batch {found.batch}, {found.dtype}; layers in the order of execution. In all, with "
        f"weights: {axes.human(found.peak, 'B')}."
    )
