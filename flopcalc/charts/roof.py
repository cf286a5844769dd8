"""The roofline of a device, with the layers of a target as points."""

from typing import TYPE_CHECKING, Any

from flopcalc.charts import axes
from flopcalc.charts.given import checked
from flopcalc.charts.key import key_layers, note_layer
from flopcalc.charts.picture import chart_of
from flopcalc.charts.theme import INK, LINE, PAPER, named_scale, placed_layers, text_layer
from flopcalc.charts.wrapping import one_line
from flopcalc.errors import FlopcalcError

if TYPE_CHECKING:
    import altair

    from flopcalc.analysis.roofline import Roofline

# What limits a layer: colour and shape, dark and light in turn.
_LIMITS = {"compute": ("#d55e00", "square"), "memory": ("#56b4e9", "circle"), "launch": ("#000000", "triangle-up")}
# Layers that are labelled, the slowest ones, where there is room.
_NAMED = 8
# Areas of points in square pixels: all that are seen together, and of the largest and the smallest one.
_ALL, _LARGEST, _SMALLEST = 9000.0, 280.0, 10.0


def roofline(found: "Roofline", *, title: str | None = None) -> "altair.LayerChart":
    """A chart of the layers of a target under the roof of a device, on log axes.

    found: the result of `flopcalc.roofline`. A point is a layer: its FLOPs for each byte across, the FLOP/s of its
    estimated time upwards, its time as its area, and what limits it as colour and shape; the slowest ones are
    labelled. The roof is the bandwidth and the dense peak of the data sheet. Layers without FLOPs or traffic have no
    place on log axes; a note says how many there are and what time they take.

    Raises FlopcalcError: bad-usage, missing-package.
    """
    # Loaded only where there is such a result.
    from flopcalc.analysis.roofline import Roofline

    found = checked(found, Roofline, "found", "roofline")
    peak, bandwidth = found.device.peak(found.dtype), found.device.bandwidth
    rows = _layers(found)
    if not rows:
        raise FlopcalcError(
            "bad-usage", f"no {found.rows} of {found.target} has FLOPs and traffic", "draw another network or operator"
        )
    ridge = peak / bandwidth
    x_low, x_high = axes.log_domain([*(row["x"] for row in rows), ridge / 4, ridge * 4], 0.04)
    y_low, y_high = axes.log_domain([*(row["y"] for row in rows), peak * 1.6, peak / 30], 0.03)
    start = max(x_low, y_low / bandwidth)
    roof = [{"x": x, "y": min(peak, x * bandwidth), "series": "roof"} for x in (start, ridge, x_high)]
    x = axes.channel(
        "x", (x_low, x_high), log=True,
        axis=axes.axis("arithmetic intensity (FLOPs / byte)", values=axes.log_ticks(x_low, x_high), grid=False),
    )  # fmt: skip
    y = axes.channel(
        "y", (y_low, y_high), log=True, axis=axes.axis("FLOP/s, estimate", values=axes.log_ticks(y_low, y_high))
    )
    limits = [name for name in _LIMITS if any(row["series"] == name for row in rows)]
    color = named_scale(limits, [_LIMITS[name][0] for name in limits])
    shape = named_scale(limits, [_LIMITS[name][1] for name in limits])
    # Where the texts of the roof are: on the slope, in the middle of what is drawn of it, and on the flat part.
    middle = (start * ridge) ** 0.5
    slope = [
        {
            "x": middle, "y": middle * bandwidth, "x2": ridge, "y2": peak,
            "text": f"{axes.human(bandwidth, 'B')}/s",
        }
    ]  # fmt: skip
    top = f"{axes.human(peak, 'FLOP')}/s"
    flat = [{"x": x_high, "y": peak, "long": f"{found.dtype} peak {top}", "short": top}]
    layers: list[dict[str, Any]] = [
        {
            "data": {"name": "roof"},
            "mark": {"type": "line", "color": INK, "strokeWidth": LINE},
            "encoding": {"x": x, "y": y},
        },
        {
            **text_layer("slope", {"x": x, "y": y}, shown=False, dy=-7),
            "encoding": {
                "x": x, "y": y, "text": {"field": "text", "type": "nominal"},
                "angle": {"field": "angle", "type": "quantitative", "scale": None},
            },
        },
        text_layer("flat", {"x": x, "y": y}, shown=False, dy=-8, align="right"),
        {
            "data": {"name": "layers"},
            "mark": {"type": "point", "filled": True, "opacity": 0.8, "stroke": PAPER, "strokeWidth": 0.6},
            "encoding": {
                "x": x, "y": y, "color": color, "shape": shape,
                "size": {"field": "area", "type": "quantitative", "scale": None, "legend": None},
                "tooltip": [
                    {"field": "text", "type": "nominal", "title": found.rows},
                    {"field": "time", "type": "nominal", "title": "estimate"},
                    {"field": "share", "type": "nominal", "title": "of the time"},
                    {"field": "series", "type": "nominal", "title": "limited by"},
                ],
            },
        },
        *placed_layers("names", x, y),
        *key_layers(False, {"color": color, "shape": shape}),
        note_layer(),
    ]  # fmt: skip
    layout = {
        "beside": 62,
        "left": 50,
        "aspect": 0.6,
        "axes": {"x": [x_low, x_high], "y": [y_low, y_high], "log": [True, True]},
        "labels": {"data": "names", "around": ["layers"], "lines": ["roof"], "texts": ["flat"]},
        "along": {"data": "slope"},
        "short": {"data": "flat"},
        "key": [{"series": name, "name": f"limited by {name}"} for name in limits],
        "notes": _notes(found, rows),
    }
    datasets = {"roof": roof, "slope": slope, "flat": flat, "layers": rows, "names": _names(rows)}
    return chart_of(
        layers, datasets, layout, description=f"Roofline of {found.target} on {found.device.name}", title=title
    )


def _layers(found: "Roofline") -> list[dict[str, Any]]:
    """The layers that have a place on log axes, the slowest first."""
    total = found.estimate_s or 1.0
    layers = sorted(
        (one for one in found.layers if one.flops and one.traffic_bytes and one.estimate_s),
        key=lambda one: -one.estimate_s,
    )
    # Layers at one place cover each other: only the largest one of them, which is the last here, takes room.
    places = {
        _place(one.flops / one.traffic_bytes, one.flops / one.estimate_s): one.estimate_s for one in reversed(layers)
    }
    seen = sum(places.values()) / total
    scale = min(_ALL / seen, _LARGEST * total / layers[0].estimate_s) if layers else 0.0
    rows = []
    for layer in layers:
        area = max(_SMALLEST, scale * layer.estimate_s / total)
        rows.append(
            {
                "x": layer.flops / layer.traffic_bytes,
                "y": layer.flops / layer.estimate_s,
                "series": layer.limited_by,
                "text": one_line(layer.name),
                "seconds": layer.estimate_s,
                "time": axes.human(layer.estimate_s, "s"),
                "share": f"{layer.estimate_s / total:.1%}",
                "area": area,
                "radius": area**0.5 / 2 + 1,
            }
        )
    return rows


def _names(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The texts of the points that take most time; layers at one point have one text."""
    places: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        places.setdefault(_place(row["x"], row["y"]), []).append(row)
    groups = sorted(places.values(), key=lambda group: -sum(row["seconds"] for row in group))[:_NAMED]
    return [
        {**group[0], "text": group[0]["text"] if len(group) == 1 else f"{group[0]['text']} and {len(group) - 1} more"}
        for group in groups
    ]


def _place(x: float, y: float) -> tuple[str, str]:
    """What is equal for points that cannot be seen apart."""
    return f"{x:.2e}", f"{y:.2e}"


def _notes(found: "Roofline", rows: list[dict[str, Any]]) -> list[str]:
    step = ", training step" if found.mode == "training" else ""
    least = "at least " if found.uncounted else ""
    notes = [
        f"{found.target} on {found.device.name}{step}, batch {found.batch}, {found.execution}: "
        f"{least}{axes.human(found.estimate_s, 's')}. Area: time of a layer."
    ]
    left = len(found.layers) - len(rows)
    if left:
        seconds = sum(one.estimate_s for one in found.layers) - sum(row["seconds"] for row in rows)
        share = max(0.0, seconds) / (found.estimate_s or 1.0)
        layers = "1 layer" if left == 1 else f"{left:,} layers"
        notes.append(f"Not drawn: {layers} without FLOPs, {share:.1%} of the time.")
    if any(row["y"] > found.device.peak(found.dtype) for row in rows):
        notes.append("Above the roof: convolutions by transforms, which need fewer multiplications than their formula.")
    return notes
