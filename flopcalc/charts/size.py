"""Cost against a size: one line for each operator and setting, with the sizes at which two of them cost the same."""

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

from flopcalc.charts import axes
from flopcalc.charts.crossings import crossings
from flopcalc.charts.picture import chart_of
from flopcalc.charts.series import Series, lines_of
from flopcalc.charts.theme import INK, LABEL, PAPER, looks
from flopcalc.errors import FlopcalcError

if TYPE_CHECKING:
    import altair

    from flopcalc.analysis.sweep import Sweep

# Markers on a line with more points are on some of them only.
_MARKERS = 12
_LARGEST = 1e300


def cost_by_size(
    sweep: "Sweep",
    over: str | None = None,
    kind: str = "macs",
    *,
    title: str | None = None,
    log: bool = True,
    cost: str | None = None,
) -> "altair.LayerChart":
    """A chart of the cost of the rows of a sweep against a size, with a line for each operator and setting.

    sweep: of operators or networks. over: the column of the horizontal axis, such as c_in, k, h or a numeric option
    (default: the one with the most values). kind: the column of the costs. log: both axes are logarithmic. cost: what
    the vertical axis says (default: the name of the kind). Sizes at which two lines cross are marked. On a log axis a
    cost of 0 is drawn at the lower end, which then says 0.

    Raises FlopcalcError: unknown-column, empty-sweep, too-many-lines, bad-usage, missing-package.
    """
    lines = lines_of(sweep, over, kind)
    points = [point for series in lines.series for point in series.points]
    if not points:
        raise FlopcalcError("empty-sweep", f"no row of the sweep has a number in {kind}", "draw another kind of cost")
    xs, ys = [float(point.x) for point in points], [_position(point.y, kind) for point in points]
    x_log, y_log = log and min(xs) > 0, log and axes.is_loggable(ys)
    x_low, x_high = axes.log_domain(xs, 0.03) if x_log else axes.linear_domain(xs)
    y_low, y_high = axes.log_domain(ys) if y_log else axes.linear_domain(ys, zero=True)
    zeros = [series.name for series in lines.series if y_log and any(point.y == 0 for point in series.points)]
    floor = 0.0
    if zeros:
        floor = y_low = axes.below(y_low, y_high)
    rows = [row for series in lines.series for row in _rows(series, kind, floor)]
    crossed = _crossings(lines.series, lines.over, kind) if len(points) > 1 else []
    x_title, y_title = axes.size_title(lines.over, square=lines.square), cost or axes.title_of(kind)
    names = [series.name for series in lines.series]
    look = looks(names)
    y_ticks = axes.log_ticks(y_low * (1.5 if zeros else 1), y_high) if y_log else None
    if zeros and y_ticks is not None:
        y_ticks = [floor, *y_ticks]
    scales = {
        "x": {"type": "log" if x_log else "linear", "domain": [x_low, x_high], "nice": False, "zero": False},
        "y": {"type": "log" if y_log else "linear", "domain": [y_low, y_high], "nice": False, "zero": False},
    }
    x = {
        "field": "x", "type": "quantitative", "scale": scales["x"],
        "axis": axes.axis(x_title, values=axes.size_ticks(xs, x_low, x_high, log=x_log), grid=False),
    }  # fmt: skip
    y = {
        "field": "y", "type": "quantitative", "scale": scales["y"],
        "axis": axes.axis(y_title, values=y_ticks, zero_at=floor),
    }  # fmt: skip
    colour = {
        "field": "series", "type": "nominal", "sort": None, "title": None,
        "scale": {"domain": names, "range": [look[name].colour for name in names]},
        "legend": {"orient": "bottom", "columns": 2, "symbolType": "stroke"} if len(names) > 0 else None,
    }  # fmt: skip
    dash = {
        "field": "series", "type": "nominal", "sort": None, "title": None,
        "scale": {"domain": names, "range": [list(look[name].dash) for name in names]},
    }  # fmt: skip
    shape = {
        "field": "series", "type": "nominal", "sort": None, "title": None,
        "scale": {"domain": names, "range": [look[name].shape for name in names]},
    }  # fmt: skip
    tip = [
        {"field": "series", "type": "nominal", "title": "line"},
        {"field": "size", "type": "nominal", "title": x_title},
        {"field": "cost", "type": "nominal", "title": y_title},
    ]
    layers = [
        {
            "data": {"name": "points"},
            "mark": {"type": "line", "strokeWidth": 1.5, "strokeCap": "butt"},
            "encoding": {"x": x, "y": y, "color": colour, "strokeDash": dash, "detail": {"field": "series"}},
        },
        {
            "data": {"name": "points"},
            "transform": [{"filter": "datum.marker"}],
            "mark": {"type": "point", "filled": True, "size": 34, "opacity": 1, "stroke": PAPER, "strokeWidth": 0.5},
            "encoding": {"x": x, "y": y, "color": colour, "shape": shape, "tooltip": tip},
        },
        {
            "data": {"name": "crossings"},
            "mark": {"type": "point", "filled": False, "size": 90, "stroke": INK, "strokeWidth": 1, "opacity": 1},
            "encoding": {"x": x, "y": y, "tooltip": [{"field": "what", "type": "nominal", "title": "equal cost"}]},
        },
        {
            "data": {"name": "crossings"},
            "transform": [{"filter": "datum.shown"}],
            "mark": {"type": "text", "fontSize": LABEL, "color": INK, "baseline": "middle"},
            "encoding": {
                "x": {**x, "field": "lx"}, "y": {**y, "field": "ly"}, "text": {"field": "text", "type": "nominal"},
            },
        },
    ]  # fmt: skip
    layout = {
        "beside": 62,
        "aspect": 0.62,
        "labels": {
            "data": "crossings", "around": ["points"], "lines": ["points"],
            "x": [x_low, x_high], "y": [y_low, y_high], "log": [x_log, y_log],
        },
    }  # fmt: skip
    return chart_of(layers, {"points": rows, "crossings": crossed}, layout, title=title)


def _position(value: Any, kind: str) -> float:
    """A cost as a float. Raises FlopcalcError (too-large) for numbers that no picture can show."""
    if value > _LARGEST:
        raise FlopcalcError("too-large", f"a number of {kind} is larger than 10^300", "draw smaller sizes")
    return float(value)


def _rows(series: Series, kind: str, floor: float) -> list[dict[str, Any]]:
    count = len(series.points)
    step = max(1, -(-count // _MARKERS))
    return [
        {
            "series": series.name,
            "x": float(point.x),
            "y": _position(point.y, kind) or floor,
            "size": axes.exact(point.x),
            "cost": axes.exact(point.y),
            "marker": place % step == 0 or place == count - 1,
        }
        for place, point in enumerate(series.points)
    ]


def _crossings(series: Sequence[Series], over: str, kind: str) -> list[dict[str, Any]]:
    """The crossings of all pairs of lines, without those of a cost of 0."""
    found = []
    for one, other in combinations(series, 2):
        pairs = [[(point.x, point.y) for point in line.points] for line in (one, other)]
        for cross in crossings(*pairs):
            at = f"{cross.x:.4g}" if cross.exact else f"{axes.exact(cross.low)} to {axes.exact(cross.high)}"
            found.append(
                {
                    "x": cross.x,
                    "y": cross.y,
                    "text": at,
                    "a": one.name,
                    "b": other.name,
                    "exact": cross.exact,
                    "what": f"{one.name} and {other.name}, {over} = {at}: {axes.human(cross.y)} {kind}",
                }
            )
    return sorted(found, key=lambda row: (row["x"], row["y"]))
