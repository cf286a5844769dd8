"""The lines below a table that name its totals."""

from typing import Any

from flopcalc.report.document import people


def critical_path(steps: int) -> str:
    """`1,200 kernels on the critical path`."""
    return f"{steps:,} {'kernel' if steps == 1 else 'kernels'} on the critical path"


def traffic_text(record: dict[str, Any]) -> str:
    """Bytes of traffic and arithmetic intensity of a layer or a network."""
    found = f"{people(record['traffic'])} bytes in {record['dtype']}, each kernel by itself"
    return found if record["intensity"] is None else f"{found}; {people(record['intensity'])} FLOPs per byte"
