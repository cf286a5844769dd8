"""Axes: domains, ticks, and numbers with units that a person reads."""

import json
from collections.abc import Iterable, Mapping, Sequence
from math import ceil, floor, log10
from typing import Any

from flopcalc.charts.theme import TITLE
from flopcalc.charts.wrapping import name_lines, wrapped
from flopcalc.cost.convention import get as get_convention
from flopcalc.cost.kinds import KIND
from flopcalc.errors import FlopcalcError

# What an axis says of a column of a sweep or a kind of cost.
_TITLES = {
    "params": "parameters",
    "macs": "MACs",
    "flops": "FLOPs",
    "activations": "activations (elements)",
    "traffic": "memory traffic (bytes)",
    "steps": "critical path (kernels)",
    "adds": "element-wise additions",
    "muls": "element-wise multiplications",
    "other": "other element-wise operations",
    "cost": "cost",
    "c_in": "input channels",
    "c_out": "output channels",
    "k": "kernel size",
    "h": "input height",
    "w": "input width",
    "h_out": "output height",
    "w_out": "output width",
    "batch": "batch size",
}


def title_of(name: str) -> str:
    """The title of an axis for a column or a kind of cost: `input channels`."""
    if name.startswith("ratio("):
        # A ratio has no unit.
        return f"{title_of(name[6:-1]).partition(' (')[0]}, ratio to the plain convolution"
    return _TITLES.get(name, name.replace("_", " "))


def in_lines(title: str, room: float = 140.0) -> str | list[str]:
    """The title of a vertical axis, in several lines where it is longer. room: the least height of the plot."""
    lines = wrapped(title, room, TITLE)
    return title if len(lines) == 1 else lines


def is_cost(name: str) -> bool:
    """Whether a column holds a kind of cost."""
    return name in KIND or name == "cost"


_LARGE = ((1.0, ""), (1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T"), (1e15, "P"))
_SECONDS = ((1e-9, "n"), (1e-6, "u"), (1e-3, "m"), (1.0, ""))


def human(value: float, unit: str = "") -> str:
    """A number with three digits, a suffix and a unit: 1.21G, 96.3 MB, 12 us. unit: s has smaller parts, no larger."""
    if value == 0:
        return f"0 {unit}".strip()
    suffixes = _SECONDS if unit == "s" else _LARGE
    if not suffixes[0][0] / 1000 <= abs(value) < 1e18:
        return f"{value:.2e} {unit}".strip()
    # 999.7M is 1G.
    fitting = (one for one in suffixes if abs(float(f"{value / one[0]:.3g}")) < 1000)
    factor, suffix = next(fitting, suffixes[-1])
    scaled = value / factor
    text = f"{scaled:.3g}" if abs(scaled) < 999.5 else f"{scaled:,.0f}"
    suffix = "K" if suffix == "k" and unit == "B" else suffix
    return f"{text} {suffix}{unit}" if unit else f"{text}{suffix}"


def label_expression(unit: str = "") -> str:
    """An expression of Vega for the labels of an axis: 10M, 20 KB, 5 us."""
    number = "format(datum.value, abs(datum.value) >= 1e18 ? '.2~e' : '~s')"
    if not unit:
        # Fractions without a suffix: 0.25.
        return f"abs(datum.value) < 1 ? format(datum.value, '~g') : {number}"
    spaced = f"replace({number}, /([a-zA-Zµ]?)$/, ' $1')"
    changed = f"replace({spaced}, 'k', 'K')" if unit == "B" else f"replace({spaced}, 'µ', 'u')"
    return f"{changed} + '{unit}'"


def is_loggable(values: Iterable[float]) -> bool:
    """Whether a log axis has something to show: some value above 0, and none below."""
    values = list(values)
    return any(value > 0 for value in values) and all(value >= 0 for value in values)


def log_domain(values: Iterable[float], room: float = 0.06) -> tuple[float, float]:
    """The ends of a log axis for positive values. room: free share at each end."""
    values = [value for value in values if value > 0]
    low, high = min(values), max(values)
    factor = max((high / low) ** room, 1.12)
    return low / factor, high * factor


def linear_domain(values: Iterable[float], share: float = 0.06, *, zero: bool = False) -> tuple[float, float]:
    """The ends of a linear axis. share: free share at each end. zero: it starts at 0."""
    values = list(values)
    low, high = min(values), max(values)
    if zero:
        low, high = min(low, 0.0), high or 1.0
    room = (high - low or abs(high) or 1.0) * share
    return (low if zero and low == 0 else low - room), high + room


def log_ticks(low: float, high: float) -> list[float]:
    """Round values on a log axis: powers of ten, with 2 and 5 between them where there are few."""
    first, last = floor(log10(low)), ceil(log10(high))
    powers = [10.0**power for power in range(first, last + 1)]
    inside = [value for value in powers if low <= value <= high]
    if len(inside) >= 3:
        step = ceil(len(inside) / 8)
        return inside[::step]
    for between in ((1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8)):
        found = [factor * power for power in powers for factor in between if low <= factor * power <= high]
        if len(found) >= 3:
            return found
    return found if len(found) >= 2 else _near_ticks(low, high)


def _near_ticks(low: float, high: float) -> list[float]:
    """Two to eight round values between numbers that are near each other."""
    power = 10.0 ** floor(log10(high - low))
    for step in (power, power / 2, power / 5):
        # Of whole numbers, so that 0.3 is not 0.30000000000000004.
        found = [float(f"{place * step:.12g}") for place in range(ceil(low / step), floor(high / step) + 1)]
        if len(found) >= 2:
            return found
    return []


def size_ticks(values: Sequence[float], low: float, high: float, *, log: bool) -> list[float] | None:
    """The ticks of an axis of sizes: the sizes themselves where they are few; None for the usual ticks."""
    distinct = sorted(set(values))
    if len(distinct) <= 12:
        return distinct
    if not log:
        return None
    powers = [2.0**power for power in range(64) if low <= 2.0**power <= high]
    return powers if len(powers) >= 3 else log_ticks(low, high)


def axis(
    title: str | list[str], unit: str = "", values: Sequence[float] | None = None, zero_at: float = 0.0, **more: Any
) -> dict[str, Any]:
    """An axis of Vega-Lite with labels in readable units. zero_at: the place that a log axis has for 0."""
    label = label_expression(unit)
    if zero_at:
        label = f"datum.value <= {zero_at * 1.0001!r} ? '0' : {label}"
    found: dict[str, Any] = {"title": title, "labelExpr": label, "labelOverlap": "parity"}
    if values is not None:
        found["values"] = list(values)
    return {**found, **more}


# Larger numbers are too close to the largest float for an axis around them.
_LARGEST = 10**280


def position(value: Any, name: str) -> float:
    """A number as a float. Raises FlopcalcError (too-large) for numbers that no picture can show."""
    if abs(value) > _LARGEST:
        raise FlopcalcError("too-large", f"{name} is larger than 10^280 here, too large to draw", "draw smaller sizes")
    return float(value)


def channel(field: str, domain: tuple[float, float], *, log: bool, axis: Mapping[str, Any]) -> dict[str, Any]:
    """The encoding of an axis with exactly that domain."""
    scale: dict[str, Any] = {"type": "log" if log else "linear", "domain": list(domain), "nice": False}
    if not log:
        scale["zero"] = False
        return {"field": field, "type": "quantitative", "scale": scale, "axis": dict(axis)}
    # Labels of a log axis are at uneven distances: only those without room are left out, not every other one.
    kept = {"labelOverlap": "greedy", "labelSeparation": 4} if "labelOverlap" in axis else {}
    return {"field": field, "type": "quantitative", "scale": scale, "axis": {**axis, **kept}}


def rounded(value: float) -> str:
    """A size with four digits, and no fewer than it has before the point: 37.42, 1,234."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def below(low: float, high: float) -> float:
    """Where a log axis from low to high shows 0: one step of ten, or an eighth of the axis, below its lower end."""
    return low / max(10.0, float((high / low) ** 0.125))


def exact(value: Any) -> str:
    """A number with all its digits: 12,345 or 0.25."""
    if isinstance(value, int) or value == int(value):
        return f"{int(value):,}"
    return f"{float(value):.6g}"


def size_title(name: str, *, square: bool) -> str:
    """The title of an axis of sizes; square: height and width are equal."""
    return "input height and width" if square and name in ("h", "w") else title_of(name)


def convention_title(name: str) -> str:
    """The title of an axis for the number of a convention. Raises FlopcalcError (unknown-convention)."""
    chosen = get_convention(name)
    usual = {"macs": "MACs", "flops": "FLOPs"}.get(chosen.name)
    return usual or f"cost, convention {chosen.name}"


def wrapped_names(names: Sequence[str]) -> str:
    """An expression of Vega for names on an axis, in lines that fit their room."""
    return f"({json.dumps({name: name_lines(name) for name in names})})[datum.label]"


def ratio(new: float, old: float) -> str:
    """A ratio as a factor: x0.62."""
    if not old:
        return "x1" if not new else "from 0"
    return f"x{new / old:.2f}" if 0.1 <= new / old < 100 else f"x{new / old:.2g}"
