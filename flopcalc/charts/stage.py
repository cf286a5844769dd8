"""Cost by stage: one stacked bar for each network."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

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
from flopcalc.charts.theme import FAMILIES, INK, LABEL, PAPER, is_dark, named_scale, shades, text_layer
from flopcalc.errors import FlopcalcError, as_name

if TYPE_CHECKING:
    import altair

    from flopcalc.networks.network import Network

_BAR = 36.0
# A bar of more stages has its smallest neighbours merged: more shades look too much alike.
_MOST_STAGES = 12
# A note has no more names of stages of one network than this.
_MOST_NAMED = 6


def cost_by_stage(
    networks: "Network | Mapping[str, Network] | Iterable[Network | tuple[str, Network]]",
    kind: str = "macs",
    *,
    title: str | None = None,
    convention: str | None = None,
) -> "altair.LayerChart":
    """A chart with one bar for each network, stacked from the costs of its stages in their order.

    networks: one network, or several by the names of their bars. kind: of the cost; the critical path (steps) does not
    add up, and has no such bar. convention: count by this convention instead. Of a network with more than 12 stages,
    neighbours are merged, the smallest first. Where a name does not fit into its piece, the key gives each stage a
    letter, which the piece has instead. Raises FlopcalcError: unknown-kind, unknown-convention, bad-usage,
    missing-package.
    """
    check_adds_up(kind)
    pairs = _pairs(networks)
    rows = [row for name, network in pairs for row in stage_rows(name, network, kind, convention)]
    names = [name for name, _ in pairs]
    stages = list(dict.fromkeys(row["series"] for row in rows))
    colours = _colours(names, rows)
    for row in rows:
        row["ink"] = PAPER if is_dark(colours[row["series"]]) else INK
    totals = [
        {
            "name": name,
            "end": max(row["end"] for row in rows if row["name"] == name),
            "text": axes.human(max(row["end"] for row in rows if row["name"] == name)),
        }
        for name in names
    ]
    top = max(row["end"] for row in totals) or 1.0
    what = cost_title(kind, convention, [network for _, network in pairs])
    x, y = bar_axes(names, top, what, "name", 0.4)
    color = named_scale(stages, [colours[stage] for stage in stages])
    layers: list[dict[str, Any]] = [
        {
            "data": {"name": "stages"},
            "mark": {"type": "bar", "stroke": PAPER},
            "encoding": {
                "x": {**x, "field": "start"}, "x2": {"field": "end"}, "y": y, "color": color,
                "strokeWidth": seams(x, 1),
                "tooltip": [
                    {"field": "name", "type": "nominal", "title": "network"},
                    {"field": "series", "type": "nominal", "title": "stage"},
                    {"field": "cost", "type": "nominal", "title": what},
                    {"field": "share", "type": "quantitative", "format": ".1%"},
                ],
            },
        },
        {
            "data": {"name": "stages"},
            "transform": [{"filter": "datum.shown"}],
            "mark": {"type": "text", "fontSize": LABEL, "baseline": "middle"},
            "encoding": {
                "x": {**x, "field": "middle"}, "y": y, "text": {"field": "label", "type": "nominal"},
                "color": {"field": "ink", "type": "nominal", "scale": None},
            },
        },
        text_layer("totals", {"x": {**x, "field": "end"}, "y": y}, shown=False, align="left", dx=4),
        *key_layers(False, {"color": color}),
        note_layer(),
    ]  # fmt: skip
    left = names_width(names)
    layout = {
        "beside": left + 8,
        "left": left,
        "height": bars_height(names, _BAR),
        "axes": {"x": [0, top * 1.16], "y": [0, 1], "log": [False, False]},
        "inside": {"data": "stages"},
        "key": [{"series": stage, "name": stage} for stage in stages],
        "notes": _notes(pairs, rows),
    }
    return chart_of(
        layers,
        {"stages": rows, "totals": totals},
        layout,
        description=f"{what} by stage: {'; '.join(names)}",
        title=title,
    )


def _pairs(networks: Any) -> "list[tuple[str, Network]]":
    from flopcalc.networks.network import Network

    if isinstance(networks, Network):
        networks = [(networks.name, networks)]
    if isinstance(networks, str) or not isinstance(networks, Iterable):
        # Raises.
        checked(networks, Network, "networks", "network")
    items = list(networks.items() if isinstance(networks, Mapping) else networks)
    named = [one if isinstance(one, tuple) and len(one) == 2 else (getattr(one, "name", ""), one) for one in items]
    pairs = [(as_name(name, "bar"), checked(one, Network, "networks", "network")) for name, one in named]
    if not pairs:
        raise FlopcalcError("bad-usage", "no network to draw", "give at least one")
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise FlopcalcError("bad-usage", "two bars have the same name", "give each network a name of its own")
    return pairs


def stage_rows(name: str, network: "Network", kind: str, convention: str | None = None) -> list[dict[str, Any]]:
    """The stages of a network in their order, with their costs and where they start and end in a bar."""
    sums: dict[str, int] = {}
    for layer, amount in amounts(network, kind, convention):
        stage = stage_name(layer)
        sums[stage] = sums.get(stage, 0) + amount
    total, start = sum(sums.values()), 0
    rows = []
    for stage, amount in merged(sums, _MOST_STAGES).items():
        rows.append(
            {
                "name": name,
                "series": stage,
                "start": float(start),
                "end": float(start + amount),
                "middle": start + amount / 2,
                "amount": float(amount),
                "cost": f"{amount:,}",
                "share": amount / total if total else 0.0,
            }
        )
        start += amount
    return rows


def merged(sums: Mapping[str, int], most: int) -> dict[str, int]:
    """The same in at most `most` pieces: the two neighbours with the smallest sum become `first to last`."""
    found: dict[str, int] = {}
    labels = merged_names(sums, most)
    for name, amount in sums.items():
        found[labels[name]] = found.get(labels[name], 0) + amount
    return found


def _colours(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """A colour for each stage: shades from dark to light of one hue for the stages that a network adds."""
    found: dict[str, str] = {}
    family = 0
    for name in names:
        new = [row["series"] for row in rows if row["name"] == name and row["series"] not in found]
        if new:
            found.update(zip(new, shades(*FAMILIES[family % len(FAMILIES)], len(new)), strict=True))
            family += 1
    return found


def _notes(pairs: "Sequence[tuple[str, Network]]", rows: Sequence[Mapping[str, Any]]) -> list[str]:
    nothing: dict[str, list[str]] = {}
    for row in rows:
        if not row["amount"]:
            nothing.setdefault(row["name"], []).append(row["series"])
    parts = [_some(names) if len(pairs) == 1 else f"{_some(names)} of {name}" for name, names in nothing.items()]
    found = [f"Stages without a cost: {'; '.join(parts)}."] if parts else []
    least = [name for name, network in pairs if network.uncounted]
    if least:
        found.append(f"At least: kernels without a counting rule are left out of {', '.join(least)}.")
    return found


def _some(names: Sequence[str]) -> str:
    """The first names, and the number of the others."""
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
