"""Cost by stage: one stacked bar for each network."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from flopcalc.charts import axes
from flopcalc.charts.picture import chart_of
from flopcalc.charts.theme import INK, PAPER, text_width
from flopcalc.cost.kinds import check_kind
from flopcalc.errors import FlopcalcError

if TYPE_CHECKING:
    import altair

    from flopcalc.networks.network import Network

_BAR = 26.0
# From dark to light, evenly, so that the order of the stages can also be read in grey.
_DARK, _LIGHT = (0x08, 0x2A, 0x54), (0xDC, 0xE9, 0xF5)


def cost_by_stage(
    networks: "Network | Mapping[str, Network] | Iterable[tuple[str, Network]]",
    kind: str = "macs",
    *,
    title: str | None = None,
    cost: str | None = None,
) -> "altair.LayerChart":
    """A chart with one bar for each network, stacked from the costs of its stages in their order.

    networks: one network, or several by the names that the bars get. kind: of the cost; the critical path (steps) does
    not add up, and has no such bar. Raises FlopcalcError: unknown-kind, bad-usage, missing-package.
    """
    check_kind(kind)
    pairs = _pairs(networks)
    rows = [row for name, network in pairs for row in stage_rows(name, network, kind)]
    names = list(dict.fromkeys(name for name, _ in pairs))
    stages = list(dict.fromkeys(row["stage"] for row in rows))
    colours = shades(len(stages))
    light = {stage for stage, colour in zip(stages, colours, strict=True) if is_dark(colour)}
    top = max((row["end"] for row in rows), default=0) or 1
    for row in rows:
        row["ink"] = PAPER if row["stage"] in light else INK
    x = {
        "type": "quantitative", "scale": {"domain": [0, top * 1.02], "nice": False},
        "axis": axes.axis(cost or axes.title_of(kind), tickCount=5),
    }  # fmt: skip
    y = {
        "field": "name", "type": "nominal", "sort": None, "scale": {"domain": names, "paddingInner": 0.35},
        "axis": {"title": None, "ticks": False, "domain": False},
    }  # fmt: skip
    layers = [
        {
            "data": {"name": "stages"},
            "mark": {"type": "bar", "stroke": PAPER, "strokeWidth": 0.8},
            "encoding": {
                "x": {**x, "field": "start"},
                "x2": {"field": "end"},
                "y": y,
                "color": {
                    "field": "stage", "type": "nominal", "sort": None, "title": None,
                    "scale": {"domain": stages, "range": colours},
                    "legend": {"orient": "bottom", "columns": 4},
                },
                "tooltip": [
                    {"field": "name", "type": "nominal", "title": "network"},
                    {"field": "stage", "type": "nominal"},
                    {"field": "cost", "type": "nominal", "title": cost or axes.title_of(kind)},
                    {"field": "share", "type": "quantitative", "format": ".1%"},
                ],
            },
        },
    ]  # fmt: skip
    beside = max(text_width(name) for name in names) + 24
    layout = {"beside": beside, "height": _BAR * len(names) * 1.35}
    return chart_of(layers, {"stages": rows}, layout, title=title)


def _pairs(networks: Any) -> "list[tuple[str, Network]]":
    from flopcalc.networks.network import Network

    if isinstance(networks, Network):
        networks = [(networks.name, networks)]
    pairs = list(networks.items() if isinstance(networks, Mapping) else networks)
    if not pairs:
        raise FlopcalcError("bad-usage", "no network to draw", "give at least one")
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise FlopcalcError("bad-usage", "two bars have the same name", "give each network a name of its own")
    return pairs


def stage_rows(name: str, network: "Network", kind: str) -> list[dict[str, Any]]:
    """The stages of a network in their order, with their costs and where they start and end in a bar."""
    if kind == "steps":
        raise FlopcalcError(
            "bad-usage",
            "the critical path does not add up over stages",
            "draw another kind of cost: params, macs, flops, activations or traffic",
        )
    sums: dict[str, int] = {}
    for layer in network.layers:
        sums[layer.stage] = sums.get(layer.stage, 0) + layer.cost.total(kind)
    total, start = sum(sums.values()) or 1, 0
    rows = []
    for stage, amount in sums.items():
        rows.append(
            {
                "name": name,
                "stage": stage or "(no stage)",
                "start": float(start),
                "end": float(start + amount),
                "amount": float(amount),
                "cost": f"{amount:,}",
                "share": amount / total,
            }
        )
        start += amount
    return rows


def shades(count: int) -> list[str]:
    """So many colours from dark to light."""
    steps = max(1, count - 1)
    return [
        "#" + "".join(f"{round(a + (b - a) * index / steps):02x}" for a, b in zip(_DARK, _LIGHT, strict=True))
        for index in range(count)
    ]


def is_dark(colour: str) -> bool:
    """Whether white text is readable on a colour, better than black."""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return 0.299 * red + 0.587 * green + 0.114 * blue < 140
