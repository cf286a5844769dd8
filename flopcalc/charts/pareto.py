"""The points of a sweep in two columns, with the Pareto front."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flopcalc.charts import axes
from flopcalc.charts.key import key_layers, note_layer, pixels
from flopcalc.charts.picture import chart_of
from flopcalc.charts.series import TARGETS, check_kind_of, columns_of, free_columns, label, number_of
from flopcalc.charts.theme import INK, LINE, MOST_SERIES, PAPER, placed_layers, series_scales
from flopcalc.errors import FlopcalcError, as_name

if TYPE_CHECKING:
    import altair

    from flopcalc.analysis.sweep import Sweep

MOST_POINTS = 20_000
FRONT = "Pareto front"


def front(sweep: "Sweep", x: str, y: str, *, title: str | None = None, log: bool = True) -> "altair.LayerChart":
    """A chart of all rows of a sweep as points, with the Pareto front in two columns drawn and labelled.

    x, y: columns with numbers; smaller is better, with a minus in front larger: "-c_out". A row is on the front if no
    other row is at least as good in both and better in one. log: each axis is logarithmic where all its numbers are
    positive. Raises FlopcalcError: unknown-column, empty-sweep, too-many, too-large, missing-package.
    """
    columns = columns_of(sweep)
    x, y = as_name(x, "column"), as_name(y, "column")
    names = [one.strip().removeprefix("-").strip() for one in (x, y)]
    for name in names:
        check_kind_of(columns, name)
    if len(sweep) > MOST_POINTS:
        raise FlopcalcError(
            "too-many",
            f"{len(sweep):,} points are more than a picture shows, {MOST_POINTS:,}",
            "try fewer values, or keep fewer rows with where (--where on the command line)",
        )
    larger = [one.strip().startswith("-") for one in (x, y)]
    free = free_columns(columns, None)
    rows = _points(columns, names, larger, free)
    if not rows:
        raise FlopcalcError("empty-sweep", f"no row has numbers in {' and '.join(names)}", "name other columns")
    best = sorted((row for row in rows if row["front"]), key=lambda row: (row["x"], row["y"]))
    series = list(dict.fromkeys(row["series"] for row in rows))
    shared = _shorten(best, names, columns, free, named=len(series) > MOST_SERIES)
    if len(series) > MOST_SERIES:
        series = ["all rows"]
        for row in rows:
            row["series"] = series[0]
    values = [[row[key] for row in rows] for key in "xy"]
    logs = [log and min(one) > 0 for one in values]
    domains = [
        axes.log_domain(one, 0.11) if is_log else axes.linear_domain(one, 0.11)
        for one, is_log in zip(values, logs, strict=True)
    ]
    ends = [
        axes.channel(
            key, domain, log=is_log,
            axis=axes.axis(
                _title(name, is_larger) if key == "x" else axes.in_lines(_title(name, is_larger), 200.0),
                values=axes.log_ticks(*domain) if is_log else None, gridOpacity=0.7,
            ),
        )
        for key, name, is_log, domain, is_larger in zip("xy", names, logs, domains, larger, strict=True)
    ]  # fmt: skip
    scales = series_scales(series)
    steps = _steps(best, larger)
    at = {"x": ends[0], "y": ends[1]}
    tip = [
        {"field": "name", "type": "nominal", "title": "row"},
        {"field": "x_exact", "type": "nominal", "title": axes.title_of(names[0])},
        {"field": "y_exact", "type": "nominal", "title": axes.title_of(names[1])},
    ]
    layers: list[dict[str, Any]] = [
        {
            "data": {"name": "steps"},
            "mark": {"type": "line", "color": INK, "strokeWidth": LINE * 0.8},
            "encoding": {**at, "order": {"field": "order", "type": "quantitative"}},
        },
        {
            "data": {"name": "points"},
            "transform": [{"filter": "!datum.front"}],
            "mark": {"type": "point", "filled": False, "size": 16, "opacity": 0.75, "strokeWidth": 0.8},
            "encoding": {**at, "color": scales["color"], "shape": scales["shape"], "tooltip": tip},
        },
        {
            "data": {"name": "front"},
            "mark": {"type": "point", "filled": True, "size": 52, "opacity": 1, "stroke": PAPER, "strokeWidth": 0.7},
            "encoding": {**at, "color": scales["color"], "shape": scales["shape"], "tooltip": tip},
        },
        *placed_layers("front", ends[0], ends[1]),
        *key_layers(False, scales),
        {
            "data": {"name": "key"},
            "transform": [{"filter": "datum.bare"}],
            "mark": {"type": "rule", "color": INK, "strokeWidth": LINE * 0.8},
            "encoding": {
                **pixels("left", "x"), "x2": {"field": "right"}, **pixels("py", "y"),
            },
        },
        note_layer(),
    ]  # fmt: skip
    layout = {
        "beside": 62,
        "left": 50,
        "aspect": 0.6,
        "axes": {"x": list(domains[0]), "y": list(domains[1]), "log": logs},
        "labels": {"data": "front", "around": ["front"], "rather": ["points"], "lines": ["steps"]},
        "key": [
            *({"series": name, "name": name} for name in series),
            *([{"series": FRONT, "name": FRONT, "bare": True}] if len(steps) > 1 else []),
        ],
        "notes": [f"All rows of the front have {shared}."] if shared else [],
    }
    return chart_of(
        layers,
        {"points": rows, "front": best, "steps": steps},
        layout,
        description=f"{axes.title_of(names[1])} against {axes.title_of(names[0])}, with the front: {'; '.join(series)}",
        title=title,
    )


def _title(name: str, is_larger: bool) -> str:
    return f"{axes.title_of(name)} (more is better)" if is_larger else axes.title_of(name)


def _points(
    columns: Mapping[str, Sequence[Any]], names: Sequence[str], larger: Sequence[bool], free: Sequence[str]
) -> list[dict[str, Any]]:
    """All rows with two numbers, and whether no other row beats them."""
    rows: list[dict[str, Any]] = []
    exact = []
    for place, pair in enumerate(zip(*(columns[name] for name in names), strict=True)):
        x, y = (number_of(value) for value in pair)
        if x is None or y is None:
            continue
        target = {name: columns[name][place] for name in TARGETS if name in columns}
        values = {name: columns[name][place] for name in free}
        exact.append(tuple(-one if turn else one for one, turn in zip((x, y), larger, strict=True)))
        rows.append(
            {
                "series": label(target) or "rows",
                "name": label({**target, **values}),
                "x": axes.position(x, names[0]),
                "y": axes.position(y, names[1]),
                "x_exact": axes.exact(x),
                "y_exact": axes.exact(y),
                "front": False,
                "values": {name: str(value) for name, value in values.items() if value is not None},
            }
        )
    least: Any = None
    last: Any = None
    for index in sorted(range(len(rows)), key=lambda index: exact[index]):
        if least is None or exact[index][1] < least or exact[index] == last:
            rows[index]["front"] = True
            least, last = exact[index][1], exact[index]
    return rows


def _shorten(
    best: Sequence[dict[str, Any]],
    names: Sequence[str],
    columns: Mapping[str, Sequence[Any]],
    free: Sequence[str],
    *,
    named: bool,
) -> str:
    """Give the rows of the front short texts: only what differs among them. Returns what all of them share, in words.

    A column that an axis shows, or that equals one, is only named where nothing else differs. named: with the name of
    the target.
    """
    on_axis = {name for name in free if any(columns[name] == columns[axis] for axis in names)}
    differ = [name for name in free if name not in on_axis and len({row["values"].get(name) for row in best}) > 1]
    # Where nothing else differs, the values of the axes do.
    shown = differ or sorted(on_axis, key=free.index)
    for row in best:
        settings = ", ".join(f"{name}={row['values'][name]}" for name in shown if name in row["values"])
        row["text"] = f"{row['series']}, {settings}".strip(", ") if named or not settings else settings
    same = [name for name in free if name not in on_axis and name not in differ and name in best[0]["values"]]
    return ", ".join(f"{name}={best[0]['values'][name]}" for name in same)


def _steps(best: Sequence[Mapping[str, Any]], larger: Sequence[bool]) -> list[dict[str, Any]]:
    """The front as a line in steps: the border of what its rows beat."""
    found: list[dict[str, Any]] = []
    points = sorted({(row["x"], row["y"]) for row in best})
    for x, y in points:
        if found and found[-1]["y"] != y and found[-1]["x"] != x:
            before = found[-1]
            # A point is beaten from the side on which x is worse.
            corner = (before["x"], y) if larger[0] else (x, before["y"])
            found.append({"series": FRONT, "x": corner[0], "y": corner[1], "order": len(found)})
        found.append({"series": FRONT, "x": x, "y": y, "order": len(found)})
    return found
