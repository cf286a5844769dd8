"""A network before and after a replacement, stage by stage or layer by layer."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from flopcalc.charts import axes
from flopcalc.charts.bars import (
    amounts,
    bar_axes,
    bars_height,
    check_adds_up,
    cost_title,
    merged_names,
    names_width,
    seams,
    stage_name,
)
from flopcalc.charts.given import checked
from flopcalc.charts.key import key_layers, note_layer
from flopcalc.charts.picture import chart_of
from flopcalc.charts.theme import PAPER, named_scale, text_layer
from flopcalc.charts.wrapping import one_line
from flopcalc.errors import FlopcalcError

if TYPE_CHECKING:
    import altair

    from flopcalc.networks.network import Layer, Network

KEPT, REPLACED, NEW = "kept", "replaced", "new"
# Light, middle and dark, so that they also differ in grey.
_COLOURS = {KEPT: "#dcdcdc", REPLACED: "#56b4e9", NEW: "#0b3c5d"}
_ROW = 32.0
# The most rows of a picture, which is then not higher than a page; by layer the rest is one more.
_MOST_ROWS = 24
# How many times as long as the longest bar of a layer that of the rest may be; longer, it would leave no room for them.
_LONGEST_REST = 2.0
_OTHERS = "other layers"


def replacement(
    before: "Network",
    after: "Network",
    kind: str = "macs",
    *,
    by: Literal["stage", "layer"] = "stage",
    title: str | None = None,
    convention: str | None = None,
) -> "altair.LayerChart":
    """A chart of the costs of a network before and after a replacement: two bars for each stage, or layer, and in sum.

    The part of each bar that was replaced has a colour of its own, and the ratio of both bars is next to the lower one.
    by: stage (of more than 24, the smallest neighbours are merged), or layer for the replaced layers one by one (the 24
    most expensive ones); all other layers are one row, or a note where they cost much more. kind: of the cost;
    convention: count by this convention instead. Raises FlopcalcError: unknown-kind, unknown-convention, bad-usage,
    missing-package.
    """
    # Loaded only where there are networks.
    from flopcalc.networks.network import Network

    check_adds_up(kind)
    before, after = (checked(one, Network, name, "network") for one, name in ((before, "before"), (after, "after")))
    if by not in ("stage", "layer"):
        raise FlopcalcError("bad-option", f"by is {by!r}", "one of: stage, layer")
    sides = [list(amounts(network, kind, convention)) for network in (before, after)]
    everything = compared(sides[0], sides[1], by)
    rows = _drawn(everything) if by == "layer" else everything
    changed = _changed(sides[0], sides[1])
    groups = list(dict.fromkeys(row["name"] for row in rows))
    top = max((row["end"] for row in rows), default=0.0) or 1.0
    what = cost_title(kind, convention, [before, after])
    parts = [part for part in _COLOURS if any(row["series"] == part for row in rows)]
    color = named_scale(parts, [_COLOURS[part] for part in parts])
    x, y = bar_axes(groups, top, what, "name", 0.24)
    offset = {"field": "side", "type": "nominal", "sort": ["before", "after"], "scale": {"paddingInner": 0}}
    layers: list[dict[str, Any]] = [
        {
            "data": {"name": "bars"},
            "mark": {"type": "bar", "stroke": PAPER},
            "encoding": {
                "x": {**x, "field": "start"}, "x2": {"field": "end"}, "y": y, "yOffset": offset, "color": color,
                "strokeWidth": seams(x, 0.6),
                "tooltip": [
                    {"field": "name", "type": "nominal", "title": by},
                    {"field": "side", "type": "nominal"},
                    {"field": "series", "type": "nominal", "title": "layers"},
                    {"field": "cost", "type": "nominal", "title": what},
                ],
            },
        },
        text_layer(
            "ratios", {"x": {**x, "field": "end"}, "y": y, "yOffset": offset}, shown=False, align="left", dx=3
        ),
        *key_layers(False, {"color": color}),
        note_layer(),
    ]  # fmt: skip
    left = names_width(groups)
    texts = {
        KEPT: "not replaced",
        REPLACED: f"before: {_kinds(before, changed)}",
        NEW: f"after: {_kinds(after, changed)}",
    }
    layout = {
        "beside": left + 8,
        "left": left,
        "height": bars_height(groups, _ROW),
        "key": [{"series": part, "name": texts[part]} for part in parts],
        "notes": _notes(before, after, changed, everything, len(rows) < len(everything)),
    }
    return chart_of(
        layers,
        {"bars": rows, "ratios": _ratios(rows, groups)},
        layout,
        description=f"{what} of {before.name} by {by}, before and after a replacement",
        title=title,
    )


def compared(
    before: "Sequence[tuple[Layer, int]]", after: "Sequence[tuple[Layer, int]]", by: str
) -> list[dict[str, Any]]:
    """The pieces of the bars: for each group the sum of the layers that stay and that of the replaced ones.

    Both come with the layers of each side and their costs.
    """
    changed = _changed(before, after)
    shown = _shown(before, changed) if by == "layer" else set()
    stages = _stages([*before, *after]) if by == "stage" else {}
    sums: dict[str, dict[tuple[str, str], int]] = {}
    for side, layers in (("before", before), ("after", after)):
        for layer, amount in layers:
            is_changed = layer.name in changed
            name = one_line(layer.name) if layer.name in shown else _OTHERS
            group = stages[stage_name(layer)] if by == "stage" else name
            part = KEPT if not is_changed else REPLACED if side == "before" else NEW
            found = sums.setdefault(group, {})
            found[side, part] = found.get((side, part), 0) + amount
    if by == "layer" and _OTHERS in sums:
        # After the replaced ones.
        sums[_OTHERS] = sums.pop(_OTHERS)
    rows = []
    for group, found in sums.items():
        for side in ("before", "after"):
            start = 0
            for part in _COLOURS:
                if (side, part) in found:
                    amount = found[side, part]
                    rows.append(
                        {
                            "name": group,
                            "side": side,
                            "series": part,
                            "start": float(start),
                            "end": float(start + amount),
                            "amount": float(amount),
                            "cost": f"{amount:,}",
                        }
                    )
                    start += amount
    return rows


def _drawn(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of the layers, and that of all other layers unless its bars are much longer."""
    layers = [row for row in rows if row["name"] != _OTHERS]
    rest = max((row["end"] for row in rows if row["name"] == _OTHERS), default=0.0)
    fits = not layers or rest <= _LONGEST_REST * max(row["end"] for row in layers)
    return list(rows) if fits else layers


def _stages(layers: "Iterable[tuple[Layer, int]]") -> dict[str, str]:
    """The row of each stage: of more stages than there is room for, the smallest neighbours share one."""
    sums: dict[str, int] = {}
    for layer, amount in layers:
        sums[stage_name(layer)] = sums.get(stage_name(layer), 0) + amount
    return merged_names(sums, _MOST_ROWS)


def _changed(before: "Sequence[tuple[Layer, int]]", after: "Sequence[tuple[Layer, int]]") -> set[str]:
    """The names of the layers that are not the same on both sides."""
    old, new = ({layer.name: layer for layer, _ in side} for side in (before, after))
    return {
        name
        for name in {*old, *new}
        if name not in old or name not in new or old[name].kind != new[name].kind or old[name].cost != new[name].cost
    }


def _shown(before: "Sequence[tuple[Layer, int]]", changed: set[str]) -> set[str]:
    found = sorted(
        (-amount, place, layer.name) for place, (layer, amount) in enumerate(before) if layer.name in changed
    )
    return {name for _, _, name in found[:_MOST_ROWS]}


def _kinds(network: "Network", names: set[str]) -> str:
    """The operators of the layers of these names, the most frequent first."""
    counts: dict[str, int] = {}
    for layer in network.layers:
        if layer.name in names:
            counts[layer.kind] = counts.get(layer.kind, 0) + 1
    kinds = sorted(counts, key=lambda kind: -counts[kind])
    return ", ".join(kinds[:3]) + (", ..." if len(kinds) > 3 else "")


def _ratios(rows: Sequence[dict[str, Any]], groups: Sequence[str]) -> list[dict[str, Any]]:
    """The number next to each bar: the cost before, and after it the ratio."""
    found = []
    for group in groups:
        old, new = (
            max((row["end"] for row in rows if row["name"] == group and row["side"] == side), default=0.0)
            for side in ("before", "after")
        )
        ratio = f"{axes.human(new)} ({axes.ratio(new, old)})" if old and new != old else axes.human(new)
        found += [
            {"name": group, "side": "before", "end": old, "text": axes.human(old)},
            {"name": group, "side": "after", "end": new, "text": ratio},
        ]
    return found


def _notes(
    before: "Network", after: "Network", changed: set[str], rows: Sequence[dict[str, Any]], without_rest: bool
) -> list[str]:
    """rows: of all layers. without_rest: the row of the other layers is not drawn."""
    layers = f"{len(changed):,} of {len(before.layers):,} layers replaced" if changed else "No layer was replaced"
    found = [f"{layers}; in sum {_both(rows)}."]
    if without_rest:
        found.append(f"Not drawn: {_OTHERS}, {_both([row for row in rows if row['name'] == _OTHERS])}.")
    if before.uncounted or after.uncounted:
        found.append("At least: kernels without a counting rule are left out.")
    return found


def _both(rows: Sequence[dict[str, Any]]) -> str:
    """The cost of rows before and after, and the ratio."""
    old, new = (sum(row["amount"] for row in rows if row["side"] == side) for side in ("before", "after"))
    return f"{axes.human(old)} before, {axes.human(new)} after ({axes.ratio(new, old)})"
