"""Plots of the cost of operators against their channels, next to the plain convolution."""

from typing import Any

from flopcalc import charts
from flopcalc.analysis.sweep import Sweep, sweep
from flopcalc.errors import FlopcalcError
from flopcalc.spec.operator import Operator

_CHANNELS = "16:512:16"
_WIDTH_MM = 165
# What the curves show: the first kind of cost that the operator has.
_KINDS = {"macs": "MACs", "flops": "FLOPs", "traffic": "Traffic"}


def of_operator(operator: Operator) -> dict[str, Any] | None:
    """What the page of an operator says of its plot, by name; None if its channels cannot vary at default options."""
    other = _plain(operator)
    found = _swept(operator.name)
    if found is None:
        return None
    kind = next(kind for kind in _KINDS if any(found.column(kind)) or kind == "traffic")
    names = [other, operator.name] if other else [operator.name]
    chart = charts.cost_by_size(sweep(*names, c_in=_CHANNELS) if other else found, over="c_in", kind=kind)
    return {
        "plot": charts.svg(chart, width_mm=_WIDTH_MM),
        "plot_kind": _KINDS[kind],
        "plot_other": other,
        "plot_command": f"flopcalc plot {' '.join(names)} --cin {_CHANNELS} -o {operator.name}.svg",
    }


def _plain(operator: Operator) -> str:
    """The plain convolution on the same grid; nothing for that one itself."""
    if operator.axes == 1 and operator.baseline_text != "plain conv1d":
        return ""
    plain = "conv1d" if operator.axes == 1 else "conv3d" if operator.volume else "conv"
    return "" if operator.name == plain else plain


def _swept(name: str) -> Sweep | None:
    """The costs over the channels that the operator applies to, if there are two or more of them."""
    try:
        found = sweep(name, c_in=_CHANNELS)
    except FlopcalcError:
        return None
    return found if len(found.column("c_in")) > 1 else None
