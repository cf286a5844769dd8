"""`flopcalc list --matching`: which operators can replace a convolution, and why the others cannot."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from flopcalc.catalog import lookup
from flopcalc.cost.geometry import Geometry
from flopcalc.errors import FlopcalcError
from flopcalc.replacing.decide import applied_to_plain
from flopcalc.report.document import Cell, Column, Document, Facts, Lines, Table
from flopcalc.spec.layer_record import inputs
from flopcalc.spec.operator import Evaluation, Operator

Block: TypeAlias = Table | Facts | Lines


def matching_document(plain: Geometry) -> Document:
    """All operators, plug-ins included, with their default options on the shape of a plain convolution."""
    plug_ins, problems = lookup.usable_plug_ins()
    own, broken = lookup.usable()
    problems = [*broken, *problems]
    operators: list[Operator] = [*own, *plug_ins]
    operators.sort(key=lambda operator: (operator.family, operator.name))
    found: dict[str, Evaluation | str] = {}
    for operator in operators:
        try:
            found[operator.name] = applied_to_plain(operator, plain)
        except FlopcalcError as error:
            problems.append(error.message)
    refused = [(name, reason) for name, reason in found.items() if isinstance(reason, str)]
    apply = [evaluation for evaluation in found.values() if isinstance(evaluation, Evaluation)]
    # By all kinds of work: an adder layer has no MACs, and is not free.
    apply.sort(key=lambda e: (e.cost.flops, e.operator.name))
    blocks: list[Block] = [_table(apply)]
    if refused:
        blocks.append(Facts(refused, "Does not apply"))
    if problems:
        blocks.append(Lines("Notes", problems))
    data: dict[str, Any] = {
        "schema": "flopcalc/matching/1",
        "inputs": inputs(plain),
        "matching": [
            {"name": e.operator.name, **{kind: e.cost.total(kind) for kind in ("params", "macs", "flops", "steps")}}
            for e in apply
        ],
        "refused": [{"name": name, "reason": reason} for name, reason in refused],
        "notes": problems,
    }
    return Document(f"Operators that can replace a convolution {plain}, with default options", blocks, data)


def _table(evaluations: Sequence[Evaluation]) -> Table:
    columns = (
        Column("operator", "name"),
        Column("params"),
        Column("ratio", "ratio", key="params_ratio", drop=2),
        Column("MACs"),
        Column("ratio", "ratio", key="MACs_ratio", drop=1),
        Column("elementwise", "short", drop=3),
        Column("steps", drop=4),
    )
    rows: list[list[Cell]] = [
        [
            e.operator.name,
            e.cost.params,
            e.ratio("params"),
            e.cost.macs,
            e.ratio("macs"),
            e.cost.flops - 2 * e.cost.macs,
            e.cost.steps,
        ]
        for e in evaluations
    ]
    return Table(columns, rows)
