"""What pictures with bars of networks have in common."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flopcalc.charts import axes
from flopcalc.charts.theme import LINE_HEIGHT, text_width
from flopcalc.charts.wrapping import name_lines, one_line
from flopcalc.cost.cost import in_bytes
from flopcalc.cost.kinds import check_kind
from flopcalc.errors import FlopcalcError

if TYPE_CHECKING:
    from flopcalc.networks.network import Layer, Network

# Pixels of a piece of a bar that is too thin for a line around it.
_THIN = 3


def check_adds_up(kind: str) -> None:
    """Raise FlopcalcError (unknown-kind, bad-usage) unless a network has that kind of cost as a sum over its layers."""
    check_kind(kind)
    if kind == "steps":
        raise FlopcalcError(
            "bad-usage",
            "the critical path does not add up over layers",
            "draw another kind of cost: params, macs, flops, activations or traffic",
        )


def amounts(network: "Network", kind: str, convention: str | None) -> "Iterator[tuple[Layer, int]]":
    """Each layer with its cost. Raises FlopcalcError: unknown-convention, bad-usage for a network without layers."""
    if not network.layers:
        raise FlopcalcError("bad-usage", f"{network.name} has no layers", "draw another network")
    if convention is None:
        yield from ((layer, in_bytes({kind: layer.cost.total(kind)})[kind]) for layer in network.layers)
        return
    from flopcalc.cost.convention import get
    from flopcalc.networks.counted import counted

    yield from zip(network.layers, counted(network, get(convention)).by_layer, strict=True)


def stage_name(layer: "Layer") -> str:
    """The name of the stage that a layer is in."""
    return one_line(layer.stage) or "(no stage)"


def cost_title(kind: str, convention: str | None, networks: "Sequence[Network]") -> str:
    """The title of the axis of costs; `at least` where kernels were not counted."""
    what = axes.title_of(kind) if convention is None else axes.convention_title(convention)
    return f"{what}, at least" if any(network.uncounted for network in networks) else what


def bar_axes(
    names: Sequence[str], top: float, what: str, field: str, padding: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The encodings of bars from left to right: costs from 0 to a bit more than `top`, and names."""
    x = axes.channel("start", (0, top * 1.16), log=False, axis=axes.axis(what, tickCount=5, tickMinStep=1))
    y = {
        "field": field,
        "type": "nominal",
        "sort": None,
        "scale": {"domain": list(names), "paddingInner": padding, "paddingOuter": padding / 2},
        "axis": {
            "title": None,
            "ticks": False,
            "domain": False,
            "labelPadding": 5,
            "labelExpr": axes.wrapped_names(names),
            "labelOffset": _centred(names),
        },
    }
    return x, y


def seams(x: Mapping[str, Any], width: float) -> dict[str, Any]:
    """The encoding of light lines between the pieces of bars. Pieces of a few pixels have none: they would be hidden.

    x: the encoding of costs, as `bar_axes` gives it.
    """
    low, high = x["scale"]["domain"]
    pixels = f"(datum.end - datum.start) / {high - low} * width"
    return {"condition": {"test": f"{pixels} > {_THIN}", "value": width}, "value": 0}


def merged_names(sums: Mapping[str, int], most: int) -> dict[str, str]:
    """The name of each piece where there are at most `most`: the two neighbours with the smallest sum become one.

    Several pieces that are one are called `first to last`.
    """
    found = [([name], amount) for name, amount in sums.items()]
    while len(found) > most:
        place = min(range(len(found) - 1), key=lambda index: found[index][1] + found[index + 1][1])
        (first, one), (second, other) = found[place : place + 2]
        found[place : place + 2] = [([*first, *second], one + other)]
    labels = [(names, names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}") for names, _ in found]
    return {name: label for names, label in labels for name in names}


def _centred(names: Sequence[str]) -> dict[str, Any]:
    """How far names of several lines go up, so that not their first line but all of them are at the middle of a bar."""
    lines = {name: len(name_lines(name)) for name in names}
    conditions = [
        {
            "test": f"indexof({json.dumps([name for name in names if lines[name] == count])}, datum.label) >= 0",
            "value": (1 - count) * LINE_HEIGHT / 2,
        }
        for count in sorted(set(lines.values()) - {1})
    ]
    return {"condition": conditions, "value": 0}


def names_width(names: Sequence[str]) -> float:
    """The pixels that the names on the axis take, with their distance from it."""
    return max(text_width(line) for name in names for line in name_lines(name)) + 8


def bars_height(names: Sequence[str], least: float) -> float:
    """The height of bars in pixels: `least` for each, or more where the lines of a name need it."""
    lines = max(len(name_lines(name)) for name in names)
    return max(least, lines * LINE_HEIGHT + 6) * len(names)
