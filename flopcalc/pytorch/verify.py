"""The three witnesses side by side: as printed, as derived, as counted.

Rows are plain data (`flopcalc/verify/1`). A row of a part compares the formula with the count, kind
by kind; a row of an equation compares the formula with the print, by the equation's status.
"""

from collections.abc import Iterator
from typing import Any

from flopcalc.networks.network import Network
from flopcalc.pytorch.comparison import Confronted, confront_layer, confront_network
from flopcalc.spec.equations import GIVES_TEXT, readings
from flopcalc.spec.layer_record import plain
from flopcalc.spec.operator import Evaluation

Row = dict[str, Any]


def verify_layer(evaluation: Evaluation) -> Iterator[Row]:
    """Rows for one operator on one shape."""
    target, case = evaluation.label(), str(evaluation.geometry)
    for reading in readings(evaluation):
        if reading.reason:
            continue
        equation = reading.equation
        yield {
            "target": target,
            "case": case,
            "witness": "printed",
            "what": f"{equation.label} ({equation.status})",
            "quantity": GIVES_TEXT.get(equation.gives, equation.gives),
            "printed": plain(reading.printed),
            "right": plain(reading.right),
            "derived": plain(reading.value),
            "agrees": reading.consistent,
        }
    yield from (_counted(target, case, row) for row in confront_layer(evaluation))


def verify_network(network: Network, target: str) -> Iterator[Row]:
    """Rows for a network: one for each layer, and the whole."""
    case = f"{'x'.join(map(str, network.input_shape))} batch {network.batch}"
    yield from (_counted(target, case, row) for row in confront_network(network))


def _counted(target: str, case: str, row: Confronted) -> Row:
    return {
        "target": target,
        "case": case,
        "witness": "counted",
        "what": row.part,
        "derived": dict(row.derived),
        "counted": dict(row.counted),
        "agrees": row.agrees,
    }


def verify_record(rows: list[Row]) -> Row:
    """The JSON document of `flopcalc verify`."""
    failed = sum(not row["agrees"] for row in rows)
    return {"schema": "flopcalc/verify/1", "checked": len(rows), "failed": failed, "rows": rows}
