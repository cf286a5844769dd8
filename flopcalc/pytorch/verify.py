"""Each cost three ways: as the paper prints it, as the formula gives it, as the module is counted.

Rows are plain data (`flopcalc/verify/1`). A row for a part compares the formula with the count, kind
by kind. A row for an equation compares the formula with the printed equation, as the equation's status says.
"""

from collections.abc import Iterator
from typing import Any

from flopcalc.networks.network import Network
from flopcalc.pytorch.comparison import Comparison, compare_layer, compare_network
from flopcalc.spec.equations import readings
from flopcalc.spec.layer_record import plain
from flopcalc.spec.operator import Evaluation
from flopcalc.spec.source import GIVES_TEXT

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
    yield from (_counted(target, case, row) for row in compare_layer(evaluation))


def verify_network(network: Network, target: str) -> Iterator[Row]:
    """Rows for a network: one for each layer, and the total."""
    case = f"{'x'.join(map(str, network.input_shape))} batch {network.batch}"
    yield from (_counted(target, case, row) for row in compare_network(network))


def _counted(target: str, case: str, row: Comparison) -> Row:
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
