"""The points of a sweep in two columns, with the Pareto front."""

from typing import TYPE_CHECKING, Any

from flopcalc.charts import axes
from flopcalc.charts.picture import chart_of
from flopcalc.charts.series import TARGETS, check_kind_of, columns_of, free_columns, label, number_of
from flopcalc.charts.theme import INK, LABEL, MUTED
from flopcalc.errors import FlopcalcError

if TYPE_CHECKING:
    import altair

    from flopcalc.analysis.sweep import Sweep

MOST_POINTS = 20_000


def front(sweep: "Sweep", x: str, y: str, *, title: str | None = None, log: bool = True) -> "altair.LayerChart":
    """A chart of all rows of a sweep as points, with the Pareto front in two columns drawn and labelled.

    x, y: columns with numbers; smaller is better, with a minus in front larger: "-c_out". log: both axes are
    logarithmic where all numbers are positive. Raises FlopcalcError: unknown-column, empty-sweep, too-many,
    missing-package.
    """
    columns = columns_of(sweep)
    names = [one.strip().removeprefix("-").strip() for one in (x, y)]
    for name in names:
        check_kind_of(columns, name)
    if len(sweep) > MOST_POINTS:
        raise FlopcalcError(
            "too-many",
            f"{len(sweep):,} points are more than a picture shows ({MOST_POINTS:,})",
            "use where or fewer sizes",
        )
    rows = _points(columns, names, [one.strip().startswith("-") for one in (x, y)])
    xs, ys = [row["x"] for row in rows], [row["y"] for row in rows]
    logs = [log and min(values) > 0 for values in (xs, ys)]
    domains = [
        axes.log_domain(v) if is_log else axes.linear_domain(v) for v, is_log in zip((xs, ys), logs, strict=True)
    ]
    ends = [
        {
            "field": field, "type": "quantitative",
            "scale": {"type": "log" if is_log else "linear", "domain": list(domain), "nice": False, "zero": False},
            "axis": axes.axis(axes.title_of(name), values=axes.log_ticks(*domain) if is_log else None),
        }
        for field, name, is_log, domain in zip("xy", names, logs, domains, strict=True)
    ]  # fmt: skip
    best = sorted((row for row in rows if row["front"]), key=lambda row: (row["x"], row["y"]))
    layers = [
        {
            "data": {"name": "points"},
            "transform": [{"filter": "!datum.front"}],
            "mark": {"type": "point", "size": 18, "color": MUTED, "opacity": 0.6, "strokeWidth": 0.8},
            "encoding": {"x": ends[0], "y": ends[1], "tooltip": _tip(names)},
        },
        {
            "data": {"name": "front"},
            "mark": {"type": "line", "color": "#0072b2", "strokeWidth": 1.2, "interpolate": "step-after"},
            "encoding": {"x": ends[0], "y": ends[1], "order": {"field": "x"}},
        },
        {
            "data": {"name": "front"},
            "mark": {"type": "point", "filled": True, "size": 40, "color": "#0072b2", "opacity": 1},
            "encoding": {"x": ends[0], "y": ends[1], "tooltip": _tip(names)},
        },
        {
            "data": {"name": "front"},
            "transform": [{"filter": "datum.shown"}],
            "mark": {"type": "text", "fontSize": LABEL, "color": INK, "baseline": "middle"},
            "encoding": {
                "x": {**ends[0], "field": "lx"}, "y": {**ends[1], "field": "ly"},
                "text": {"field": "text", "type": "nominal"},
            },
        },
    ]  # fmt: skip
    layout = {
        "beside": 62, "aspect": 0.66,
        "labels": {
            "data": "front", "around": ["points", "front"], "x": list(domains[0]), "y": list(domains[1]), "log": logs,
        },
    }  # fmt: skip
    return chart_of(layers, {"points": rows, "front": best}, layout, title=title)


def _tip(names: list[str]) -> list[dict[str, Any]]:
    return [
        {"field": "text", "type": "nominal", "title": "row"},
        *(
            {"field": key, "type": "nominal", "title": axes.title_of(name)}
            for key, name in zip(("x_exact", "y_exact"), names, strict=True)
        ),
    ]


def _points(columns: dict[str, list[Any]], names: list[str], larger: list[bool]) -> list[dict[str, Any]]:
    free = free_columns(columns, None)
    rows = []
    exact = []
    for place, pair in enumerate(zip(*(columns[name] for name in names), strict=True)):
        numbers = [number_of(value) for value in pair]
        if None in numbers:
            continue
        values = {name: columns[name][place] for name in (*TARGETS, *free) if name in columns}
        exact.append(tuple(-n if turn else n for n, turn in zip(numbers, larger, strict=True)))  # type: ignore[operator]
        rows.append(
            {
                "x": float(numbers[0]),  # type: ignore[arg-type]
                "y": float(numbers[1]),  # type: ignore[arg-type]
                "x_exact": axes.exact(numbers[0]),
                "y_exact": axes.exact(numbers[1]),
                "text": label(values),
                "front": False,
            }
        )
    if not rows:
        raise FlopcalcError("empty-sweep", f"no row has numbers in {' and '.join(names)}", "name other columns")
    order = sorted(range(len(rows)), key=lambda index: exact[index])
    least: Any = None
    last: Any = None
    for index in order:
        if least is None or exact[index][1] < least or exact[index] == last:
            rows[index]["front"] = True
            least, last = exact[index][1], exact[index]
    return rows
