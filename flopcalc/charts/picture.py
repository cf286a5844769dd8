"""From a specification of Vega-Lite to a chart of Altair, and to the width that is asked for."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from flopcalc import optional
from flopcalc.charts.key import place_key
from flopcalc.charts.labels import (
    place_angles,
    place_clamped,
    place_ends,
    place_inside,
    place_labels,
    place_short,
    place_stretches,
)
from flopcalc.charts.theme import DEFAULT_MM, PIXELS_PER_MM, TITLE, config
from flopcalc.charts.wrapping import wrapped

if TYPE_CHECKING:
    import altair

# The key of what flopcalc itself keeps in a specification: how to lay it out at another width.
OURS = "flopcalc"
# How much wider bold text is.
_BOLD = 1.12


def chart_of(
    layers: Sequence[Mapping[str, Any]],
    datasets: Mapping[str, Sequence[Mapping[str, Any]]],
    layout: Mapping[str, Any],
    *,
    description: str,
    title: str | None = None,
    params: Sequence[Mapping[str, Any]] = (),
) -> "altair.LayerChart":
    """A chart of layers, laid out for the usual width. layout: see `laid_out`. Raises FlopcalcError (missing-package).

    description: for readers who do not see the picture. title: above it. params: what a reader of a page can choose.
    """
    alt = load_altair()
    spec: dict[str, Any] = {
        "description": description,
        "layer": [_described(one) for one in layers],
        "datasets": {name: [dict(row) for row in rows] for name, rows in datasets.items()},
        "config": config(),
        "usermeta": {OURS: {**layout, **({"title": title} if title else {})}},
    }
    if params:
        spec["params"] = [dict(one) for one in params]
    if title:
        spec["title"] = {"text": title}
    spec = laid_out(spec, DEFAULT_MM * PIXELS_PER_MM)
    placed = spec.pop("datasets")
    chart: altair.LayerChart = alt.LayerChart.from_dict(spec)
    # Not checked against the schema, which has nothing on rows, and takes a second for a thousand of them.
    chart["datasets"] = placed
    return chart


def _place_title(spec: dict[str, Any], layout: dict[str, Any], width: float) -> None:
    """Set the title in lines that fit the width, unless it was changed after the chart was made."""
    title = layout.get("title")
    if title is None or not isinstance(spec.get("title"), dict):
        return
    if spec["title"].get("text") in (title, layout.get("title_lines")):
        lines = wrapped(title, width / _BOLD, TITLE)
        layout["title_lines"] = lines
        spec["title"]["text"] = title if len(lines) == 1 else lines


def _described(layer: Mapping[str, Any]) -> dict[str, Any]:
    """A layer whose marks a screen reader reads, if they have numbers of their own; others repeat or decorate."""
    if "tooltip" in layer["encoding"]:
        return dict(layer)
    return {**layer, "mark": {**layer["mark"], "aria": False}}


def load_altair() -> Any:
    """The module altair. Raises FlopcalcError (missing-package)."""
    return optional.load("altair", "Altair", "altair>=5.4", "a picture")


def load_vl_convert() -> Any:
    """The module vl_convert. Raises FlopcalcError (missing-package)."""
    return optional.load("vl_convert", "vl-convert", "vl-convert-python>=1.6", "a picture in a file")


def laid_out(spec: Mapping[str, Any], width: float, beside: float | None = None) -> dict[str, Any]:
    """The specification for a picture of that width, in pixels, with the axes and all text.

    beside: the pixels that are not the plot; None for an estimate. The layout, in `usermeta`, has: beside: that
    estimate. aspect: height of the plot / width of the picture; height: a fixed one. axes: the domains of both axes.
    title, short, labels, ends, along, clamped, inside, stretches, key, notes: texts to be placed, see `labels` and
    `key`.
    """
    found = deepcopy(dict(spec))
    layout = found.get("usermeta", {}).get(OURS)
    if layout is None:
        # A chart that flopcalc did not make.
        found["width"] = width if beside is None else max(40.0, width - beside)
        return found
    found["width"] = round(max(60.0, width - (layout["beside"] if beside is None else beside)), 2)
    if "aspect" in layout:
        found["height"] = round(min(max(width * layout["aspect"], 140.0), 340.0), 2)
    else:
        found["height"] = layout["height"]
    _place_title(found, layout, width)
    place_short(found, layout)
    place_labels(found, layout)
    place_angles(found, layout)
    place_clamped(found, layout)
    place_inside(found, layout)
    place_stretches(found, layout)
    place_key(found, layout, named=place_ends(found, layout, width))
    return found
