"""Plots of the cost of operators against their channels."""

from typing import Any

from flopcalc.spec.operator import Operator


def of_operator(operator: Operator) -> dict[str, Any] | None:
    """What the page of an operator says of its plot, by name."""
    return None
