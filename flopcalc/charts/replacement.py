"""A network before and after a replacement, stage by stage or layer by layer."""

from typing import TYPE_CHECKING, Any, Literal

from flopcalc.charts import axes
from flopcalc.charts.picture import chart_of
from flopcalc.charts.theme import PAPER, text_width
from flopcalc.cost.kinds import check_kind
from flopcalc.errors import FlopcalcError

if TYPE_CHECKING:
    import altair

    from flopcalc.networks.network import Layer, Network

KEPT, REPLACED, NEW = "not replaced", "replaced, before", "replaced, after"
_COLOURS = {KEPT: "#d0d0d0", REPLACED: "#56b4e9", NEW: "#0b3c5d"}
_BAR = 11.0


def replacement(
    before: "Network",
    after: "Network",
    kind: str = "macs",
    *,
    by: Literal["stage", "layer"] = "stage",
    title: str | None = None,
    cost: str | None = None,
) -> "altair.LayerChart":
    """A chart of the costs of a network before and after a replacement, with two bars for each stage or layer.

    The part of each bar that was replaced has a colour of its own. by: stage, or layer for the replaced layers one by
    one. Raises FlopcalcError: unknown-kind, bad-usage, missing-package.
    """
    check_kind(kind)
    if kind == "steps":
        raise FlopcalcError("bad-usage", "the critical path does not add up", "draw another kind of cost")
    rows = compared(before, after, kind, by)
    groups = list(dict.fromkeys(row["group"] for row in rows))
    x = {
        "type": "quantitative", "scale": {"nice": False},
        "axis": axes.axis(cost or axes.title_of(kind), tickCount=5),
    }  # fmt: skip
    layers = [
        {
            "data": {"name": "bars"},
            "mark": {"type": "bar", "stroke": PAPER, "strokeWidth": 0.5},
            "encoding": {
                "x": {**x, "field": "start"},
                "x2": {"field": "end"},
                "y": {"field": "group", "type": "nominal", "sort": None, "scale": {"domain": groups}, "axis": {"title": None}},
                "yOffset": {"field": "side", "type": "nominal", "sort": ["before", "after"]},
                "color": {
                    "field": "part", "type": "nominal", "sort": None, "title": None,
                    "scale": {"domain": list(_COLOURS), "range": list(_COLOURS.values())},
                    "legend": {"orient": "bottom", "columns": 3},
                },
            },
        },
    ]  # fmt: skip
    layout = {"beside": max(text_width(name) for name in groups) + 30, "height": len(groups) * _BAR * 2.7}
    return chart_of(layers, {"bars": rows}, layout, title=title)


def compared(before: "Network", after: "Network", kind: str, by: str) -> list[dict[str, Any]]:
    """The bars: for each group the part that was kept and the one that was replaced, before and after."""
    old = {layer.name: layer for layer in before.layers}
    new = {layer.name: layer for layer in after.layers}
    changed = {name for name in {*old, *new} if _differs(old.get(name), new.get(name))}
    found: dict[str, dict[tuple[str, str], int]] = {}
    for side, layers in (("before", before.layers), ("after", after.layers)):
        for layer in layers:
            is_changed = layer.name in changed
            group = layer.stage or "(no stage)" if by == "stage" else layer.name if is_changed else "all other layers"
            part = KEPT if not is_changed else REPLACED if side == "before" else NEW
            sums = found.setdefault(group, {})
            sums[side, part] = sums.get((side, part), 0) + layer.cost.total(kind)
    rows = []
    for group, sums in found.items():
        for side in ("before", "after"):
            start = 0
            for part in (KEPT, REPLACED, NEW):
                amount = sums.get((side, part), 0)
                if (side, part) in sums:
                    rows.append(
                        {
                            "group": group, "side": side, "part": part,
                            "start": float(start), "end": float(start + amount), "amount": float(amount),
                            "cost": f"{amount:,}",
                        }
                    )  # fmt: skip
                start += amount
    return rows


def _differs(one: "Layer | None", other: "Layer | None") -> bool:
    return one is None or other is None or one.kind != other.kind or one.cost != other.cost
