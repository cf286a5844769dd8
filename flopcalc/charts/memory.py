"""The bytes that are alive while each layer of a network runs."""

from typing import TYPE_CHECKING

from flopcalc.charts import axes
from flopcalc.charts.picture import chart_of
from flopcalc.charts.theme import INK, LABEL
from flopcalc.errors import FlopcalcError

if TYPE_CHECKING:
    import altair

    from flopcalc.analysis.memory.record import Memory


def memory_by_layer(found: "Memory", *, title: str | None = None) -> "altair.LayerChart":
    """A chart of the bytes alive during each layer, in the order of execution, with the peak marked.

    found: the result of `flopcalc.memory`. Raises FlopcalcError: bad-usage, missing-package.
    """
    if not found.layers:
        raise FlopcalcError("bad-usage", f"{found.target} has no layers", "draw another network")
    rows = [
        {"x": place, "end": place + 1, "y": moment.live, "text": moment.name}
        for place, moment in enumerate(found.layers)
    ]
    top = max(rows, key=lambda row: float(str(row["y"])))
    peak = {
        "x": float(str(top["x"])) + 0.5,
        "y": top["y"],
        "text": f"{axes.human(float(str(top['y'])), 'B')} at {top['text']}",
    }
    x = {
        "field": "x", "type": "quantitative", "scale": {"domain": [0, len(rows)], "nice": False},
        "axis": axes.axis("layers, in order", grid=False),
    }  # fmt: skip
    y = {
        "field": "y", "type": "quantitative",
        "axis": axes.axis("bytes alive", "B", tickCount=5),
    }  # fmt: skip
    layers = [
        {
            "data": {"name": "layers"},
            "mark": {"type": "rect", "color": "#56b4e9"},
            "encoding": {"x": x, "x2": {"field": "end"}, "y": y, "y2": {"datum": 0}},
        },
        {
            "data": {"name": "peak"},
            "mark": {"type": "point", "filled": True, "color": INK, "size": 40},
            "encoding": {"x": x, "y": y},
        },
        {
            "data": {"name": "peak"},
            "mark": {"type": "text", "fontSize": LABEL, "color": INK, "dy": -9},
            "encoding": {"x": x, "y": y, "text": {"field": "text", "type": "nominal"}},
        },
    ]  # fmt: skip
    return chart_of(layers, {"layers": rows, "peak": [peak]}, {"beside": 70, "aspect": 0.5}, title=title)
