"""The roofline of a device, with the layers of a target as points."""

from typing import TYPE_CHECKING

from flopcalc.charts import axes
from flopcalc.charts.picture import chart_of
from flopcalc.charts.theme import INK, LABEL, PAPER
from flopcalc.errors import FlopcalcError

if TYPE_CHECKING:
    import altair

    from flopcalc.analysis.roofline import Roofline

# What limits a layer: colour and shape.
_LIMITS = {"compute": ("#d55e00", "square"), "memory": ("#56b4e9", "circle"), "launch": ("#000000", "triangle-up")}
_NAMED = 6


def roofline(found: "Roofline", *, title: str | None = None) -> "altair.LayerChart":
    """A chart of the layers of a target under the roof of a device, on log axes.

    found: the result of `flopcalc.roofline`. A point is a layer: its FLOPs for each byte across, the FLOPs per second
    of its estimated time upwards, its time as its area, and what limits it as colour and shape. Layers without FLOPs or
    without traffic have no place on log axes; the subtitle says how many there are and what they take.

    Raises FlopcalcError: bad-usage, missing-package.
    """
    peak, bandwidth = found.device.peak(found.dtype), found.device.bandwidth
    rows = [
        {
            "x": layer.flops / layer.traffic_bytes,
            "y": layer.flops / layer.estimate_s,
            "seconds": layer.estimate_s,
            "time": axes.human(layer.estimate_s, "s"),
            "limit": layer.limited_by,
            "text": layer.name,
        }
        for layer in found.layers
        if layer.flops and layer.traffic_bytes and layer.estimate_s
    ]
    if not rows:
        raise FlopcalcError("bad-usage", "no layer has FLOPs and traffic", "draw another target")
    rows.sort(key=lambda row: -row["seconds"])
    ridge = peak / bandwidth
    x_low, x_high = axes.log_domain([*(row["x"] for row in rows), ridge / 3, ridge * 3], 0.04)
    y_low, y_high = axes.log_domain([*(row["y"] for row in rows), peak * 1.3], 0.04)
    roof = [
        {"x": x_low, "y": x_low * bandwidth},
        {"x": ridge, "y": peak},
        {"x": x_high, "y": peak},
    ]
    if roof[0]["y"] < y_low:
        roof[0] = {"x": y_low / bandwidth, "y": y_low}
    x = {
        "field": "x", "type": "quantitative",
        "scale": {"type": "log", "domain": [x_low, x_high], "nice": False},
        "axis": axes.axis("intensity (FLOPs / byte)", values=axes.log_ticks(x_low, x_high), grid=False),
    }  # fmt: skip
    y = {
        "field": "y", "type": "quantitative",
        "scale": {"type": "log", "domain": [y_low, y_high], "nice": False},
        "axis": axes.axis("FLOP/s", values=axes.log_ticks(y_low, y_high)),
    }  # fmt: skip
    limits = [name for name in _LIMITS if any(row["limit"] == name for row in rows)]
    layers = [
        {
            "data": {"name": "roof"},
            "mark": {"type": "line", "color": INK, "strokeWidth": 1.5},
            "encoding": {"x": x, "y": y},
        },
        {
            "data": {"name": "layers"},
            "mark": {"type": "point", "filled": True, "opacity": 0.75, "stroke": PAPER, "strokeWidth": 0.5},
            "encoding": {
                "x": x, "y": y,
                "size": {
                    "field": "seconds", "type": "quantitative", "legend": None,
                    "scale": {"type": "linear", "domain": [0, rows[0]["seconds"]], "range": [4, 400]},
                },
                "color": {
                    "field": "limit", "type": "nominal", "title": "limited by",
                    "scale": {"domain": limits, "range": [_LIMITS[one][0] for one in limits]},
                    "legend": {"orient": "bottom", "columns": 3},
                },
                "shape": {
                    "field": "limit", "type": "nominal", "title": "limited by",
                    "scale": {"domain": limits, "range": [_LIMITS[one][1] for one in limits]},
                },
                "tooltip": [
                    {"field": "text", "type": "nominal", "title": "layer"},
                    {"field": "time", "type": "nominal", "title": "estimate"},
                    {"field": "limit", "type": "nominal", "title": "limited by"},
                ],
            },
        },
        {
            "data": {"name": "names"},
            "transform": [{"filter": "datum.shown"}],
            "mark": {"type": "text", "fontSize": LABEL, "color": INK, "baseline": "middle"},
            "encoding": {
                "x": {**x, "field": "lx"}, "y": {**y, "field": "ly"}, "text": {"field": "text", "type": "nominal"},
            },
        },
    ]  # fmt: skip
    layout = {
        "beside": 62, "aspect": 0.7,
        "labels": {
            "data": "names", "around": ["layers"], "lines": ["roof"], "x": [x_low, x_high], "y": [y_low, y_high],
            "log": [True, True],
        },
    }  # fmt: skip
    return chart_of(layers, {"roof": roof, "layers": rows, "names": rows[:_NAMED]}, layout, title=title)
