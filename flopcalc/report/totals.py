"""The lines below a table that name its totals."""

from typing import Any

from flopcalc.report.document import people


def traffic_text(record: dict[str, Any]) -> str:
    """Bytes of traffic and arithmetic intensity of a layer or a network."""
    found = f"{people(record['traffic'])} bytes in {record['dtype']}, each kernel by itself"
    return found if record["intensity"] is None else f"{found}; {people(record['intensity'])} FLOPs per byte"
