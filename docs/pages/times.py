"""Measured times of operators, as tables for their pages."""

import csv
from functools import lru_cache
from pathlib import Path
from typing import Any

from flopcalc.report.document import seconds
from flopcalc.spec.operator import Operator

_FILE = Path(__file__).resolve().parent.parent.parent / "configs" / "measured" / "operators.csv"
_EXECUTIONS = {"graph_s": "In a CUDA graph", "eager_s": "Eager"}

# channels and side of the map; batch and dtype; execution.
_Place = tuple[str, str]
_Case = tuple[str, str]


def of_operator(operator: Operator) -> dict[str, Any]:
    """What the page of an operator says of its times, by name: the cases, and for each execution rows of cells."""
    found = _of(operator.name)
    # A row of a sequence or of a volume is not the map of the plain convolution.
    on_maps = operator.axes == 2 and not operator.volume and operator.name != "conv"
    plain = _of("conv") if on_maps else {}
    places = list(dict.fromkeys(place for place, _, _ in found))
    cases = list(dict.fromkeys(case for _, case, _ in found))
    tables = []
    for execution, title in _EXECUTIONS.items():
        rows = []
        for channels, side in places:
            cells = [_cell(found, plain, ((channels, side), case, execution)) for case in cases]
            rows.append([channels, _map(operator, side), *cells])
        tables.append((title, rows))
    headings = [f"batch {batch}, {dtype}" for batch, dtype in cases]
    return {"times": tables if found else [], "cases": headings, "has_ratios": bool(plain)}


def _map(operator: Operator, side: str) -> str:
    return side if operator.axes == 1 else "x".join([side] * (3 if operator.volume else 2))


def _cell(
    found: dict[tuple[_Place, _Case, str], float],
    plain: dict[tuple[_Place, _Case, str], float],
    key: tuple[_Place, _Case, str],
) -> str:
    if key not in found:
        return ""
    ratio = f" ({found[key] / plain[key]:.2f})" if key in plain else ""
    return f"{seconds(found[key])}{ratio}"


@lru_cache(maxsize=1)
def _rows() -> tuple[dict[str, str], ...]:
    with _FILE.open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


def _of(name: str) -> dict[tuple[_Place, _Case, str], float]:
    return {
        ((row["channels"], row["hw"]), (row["batch"], row["dtype"]), execution): float(row[execution])
        for row in _rows()
        if row["operator"] == name
        for execution in _EXECUTIONS
    }
