"""Cost against a size: one line for each operator and setting, with the sizes at which two of them cost the same."""

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

from flopcalc.charts import axes
from flopcalc.charts.crossings import crossings
from flopcalc.charts.key import key_layers, note_layer, pixels
from flopcalc.charts.picture import chart_of
from flopcalc.charts.series import Lines, Series, lines_of
from flopcalc.charts.theme import INK, LINE, PAPER, placed_layers, series_scales, text_layer
from flopcalc.errors import FlopcalcError

if TYPE_CHECKING:
    import altair

    from flopcalc.analysis.sweep import Sweep

# A line with more points has markers on some of them only.
_MARKERS = 9


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
    (default: the one with the most values). kind: the column of the costs. log: both axes are logarithmic. cost: the
    title of the vertical axis (default: that of the kind). Sizes at which two lines cross are marked and labelled: the
    exact position where both costs are polynomials in the size, else the two sizes of the sweep around it. On a log
    axis a cost of 0 is drawn at the lower end, which is labelled 0, and a note names the lines.

    Raises FlopcalcError: unknown-column, empty-sweep, too-many-lines, too-large, bad-usage, missing-package.
    """
    lines = lines_of(sweep, over, kind)
    points = [point for series in lines.series for point in series.points]
    if not points:
        raise FlopcalcError("empty-sweep", f"no row of the sweep has a number in {kind}", "draw another kind of cost")
    xs, ys = (
        [axes.position(point.x, lines.over) for point in points],
        [axes.position(point.y, kind) for point in points],
    )
    x_log, y_log = log and min(xs) > 0, log and axes.is_loggable(ys)
    x_low, x_high = axes.log_domain(xs, 0.03) if x_log else axes.linear_domain(xs, 0.03)
    y_low, y_high = axes.log_domain(ys) if y_log else axes.linear_domain(ys, zero=True)
    zeros = [series.name for series in lines.series if y_log and any(point.y == 0 for point in series.points)]
    y_ticks = axes.log_ticks(y_low, y_high) if y_log else None
    floor = 0.0
    if zeros:
        floor = axes.below(y_low, y_high)
        y_low, y_ticks = floor, [floor, *(y_ticks or [])]
    x_title, y_title = axes.size_title(lines.over, square=lines.square), cost or axes.title_of(kind)
    names = [series.name for series in lines.series]
    scales = series_scales(names)
    x = axes.channel(
        "x", (x_low, x_high), log=x_log,
        axis=axes.axis(x_title, values=axes.size_ticks(xs, x_low, x_high, log=x_log), grid=False),
    )  # fmt: skip
    upright = axes.in_lines(y_title)
    y = axes.channel("y", (y_low, y_high), log=y_log, axis=axes.axis(upright, values=y_ticks, zero_at=floor))
    tip = [
        {"field": "series", "type": "nominal", "title": "line"},
        {"field": "size", "type": "nominal", "title": x_title},
        {"field": "cost", "type": "nominal", "title": y_title},
    ]
    select = {"type": "point", "fields": ["series"], "on": "pointerover"}
    near = {"name": "near", "select": select, "views": ["markers"]}
    layers: list[dict[str, Any]] = [
        {
            "data": {"name": "curves"},
            "mark": {"type": "line", "strokeWidth": LINE, "strokeCap": "butt"},
            "encoding": {
                "x": x, "y": y, "color": scales["color"], "strokeDash": scales["strokeDash"],
                # In a page, the line whose points the pointer is on.
                "opacity": {"condition": {"param": "near", "value": 1}, "value": 0.2},
            },
        },
        {
            "data": {"name": "points"},
            "name": "markers",
            "transform": [{"filter": "datum.marker"}],
            "mark": {"type": "point", "filled": True, "size": 36, "opacity": 1, "stroke": PAPER, "strokeWidth": 0.5},
            "encoding": {"x": x, "y": y, "color": scales["color"], "shape": scales["shape"], "tooltip": tip},
        },
        {
            "data": {"name": "crossings"},
            "mark": {"type": "point", "shape": "circle", "filled": False, "size": 80, "stroke": INK, "strokeWidth": 1},
            "encoding": {"x": x, "y": y, "tooltip": {"field": "what", "type": "nominal", "title": "equal cost"}},
        },
        *placed_layers("crossings", x, y),
        *_end_layers(scales),
        *key_layers(True, scales),
        note_layer(),
    ]  # fmt: skip
    crossed = _crossings(lines.series, lines.over, kind)
    layout = {
        "beside": 62,
        "left": 50,
        "aspect": 0.56,
        "axes": {"x": [x_low, x_high], "y": [y_low, y_high], "log": [x_log, y_log]},
        "labels": {"data": "crossings", "around": ["points", "crossings"], "lines": ["curves"]},
        "ends": {"data": "ends", "ragged": len({series.points[-1].x for series in lines.series}) > 1},
        "key": [{"series": name, "name": name, "line": True} for name in names],
        "notes": _notes(lines, kind, crossed, zeros, x_title),
    }
    datasets = {
        "points": [row for series in lines.series for row in _rows(series, kind, floor)],
        "curves": _curves(lines.series, kind, floor, crossed),
        "crossings": crossed,
        "ends": [
            {"series": series.name, "name": series.name, "y": axes.position(series.points[-1].y, kind) or floor}
            for series in lines.series
        ],
    }
    description = f"{y_title} against {x_title}: {'; '.join(names)}"
    return chart_of(layers, datasets, layout, description=description, title=title, params=[near])


def _end_layers(scales: dict[str, Any]) -> list[dict[str, Any]]:
    """The names of the lines at their right ends, with short lines to them."""
    return [
        {
            "data": {"name": "ends"},
            "transform": [{"filter": "datum.shown"}],
            "mark": {"type": "rule", "strokeWidth": 0.7},
            "encoding": {
                **pixels("px", "x"), "x2": {"field": "at"}, **pixels("from", "y"), "y2": {"field": "to"},
                "color": scales["color"],
            },
        },
        text_layer("ends", {**pixels("tx", "x"), **pixels("py", "y")}, align="left"),
    ]  # fmt: skip


def _notes(lines: Lines, kind: str, crossed: Sequence[dict[str, Any]], zeros: Sequence[str], x_title: str) -> list[str]:
    found = []
    if crossed:
        found.append(f"Circles: equal cost, with the {x_title}.")
        if not all(row["exact"] for row in crossed):
            found[-1] = f"Circles: equal cost, with the {x_title}, or the two sizes of the sweep around it."
    if zeros:
        has = "has" if len(zeros) == 1 else "have"
        found.append(f"{', '.join(zeros)} {has} a cost of 0, which a log axis cannot show: drawn at its lower end.")
    if lines.missing:
        rows = "1 row has" if lines.missing == 1 else f"{lines.missing:,} rows have"
        found.append(f"{rows} no {kind}.")
    return found


def _rows(series: Series, kind: str, floor: float) -> list[dict[str, Any]]:
    count = len(series.points)
    step = max(1, -(-count // _MARKERS))
    return [
        {
            "series": series.name,
            "x": float(point.x),
            "y": axes.position(point.y, kind) or floor,
            "size": axes.exact(point.x),
            "cost": axes.exact(point.y),
            "marker": place % step == 0 or place == count - 1,
        }
        for place, point in enumerate(series.points)
    ]


def _curves(
    series: Sequence[Series], kind: str, floor: float, crossed: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The points of the lines: the rows, and exact crossings between them, where drawn lines must cross as well."""
    found = []
    for one in series:
        points = {float(point.x): axes.position(point.y, kind) or floor for point in one.points}
        points |= {row["x"]: row["y"] for row in crossed if row["exact"] and one.name in (row["a"], row["b"])}
        found += [{"series": one.name, "x": x, "y": points[x]} for x in sorted(points)]
    return found


def _crossings(series: Sequence[Series], over: str, kind: str) -> list[dict[str, Any]]:
    """The crossings of all pairs of lines, in the order of the size."""
    found = []
    for one, other in combinations(series, 2):
        pairs = [[(point.x, point.y) for point in line.points] for line in (one, other)]
        for cross in crossings(*pairs):
            at = axes.rounded(cross.x) if cross.exact else f"{axes.exact(cross.low)} to {axes.exact(cross.high)}"
            found.append(
                {
                    "x": cross.x,
                    "y": cross.y,
                    "text": at,
                    "a": one.name,
                    "b": other.name,
                    "exact": cross.exact,
                    "radius": 6.0,
                    "what": f"{one.name} and {other.name}, {over} = {at}: {axes.human(cross.y)} {kind}",
                }
            )
    return sorted(found, key=lambda row: (row["x"], row["y"], row["a"], row["b"]))
