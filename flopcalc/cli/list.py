"""`flopcalc list`."""

from typing import Any, TypeAlias

import click

from flopcalc.catalog import lookup
from flopcalc.cli.options import SHAPE_NAMES, optional_shape_options, output_only_options, read_shape
from flopcalc.cli.output import emit
from flopcalc.errors import FlopcalcError
from flopcalc.networks import library
from flopcalc.networks.options import plain_option
from flopcalc.replacing.decide import applied_to_plain
from flopcalc.report.document import Cell, Column, Document, Facts, Lines, Table
from flopcalc.spec.layer_record import inputs
from flopcalc.spec.operator import Evaluation, Operator

Block: TypeAlias = Table | Facts | Lines

_EXAMPLE = "write for example flopcalc list --matching --cin 64"


@click.command("list", epilog="Example: flopcalc list --matching --cin 64 --cout 128 --stride 2")
@click.argument("what", required=False, type=click.Choice(("operators", "networks")))
@click.option("--matching", is_flag=True, help="Only what may stand for the convolution given by the shape options.")
@optional_shape_options
@output_only_options
def command(what: str | None, matching: bool, fmt: str | None, output: str | None, **shape: Any) -> None:
    """The operators and networks that flopcalc knows.

    With `operators` or `networks`: only those. With --matching and a shape: which operators, with
    their default options, may stand for that convolution, the least work first, and why the others may
    not.
    """
    plug_ins, problems = lookup.usable_plug_ins()
    operators = [*lookup.every(), *plug_ins]
    operators.sort(key=lambda operator: (operator.family, operator.name))
    if matching:
        if what == "networks":
            raise FlopcalcError("bad-usage", "--matching is about operators, and networks are asked for", _EXAMPLE)
        emit(_matching(operators, shape, problems), fmt, output)
        return
    if any(value is not None for value in shape.values()):
        raise FlopcalcError(
            "bad-usage", "a shape is given without --matching", "write flopcalc list --matching --cin 64"
        )
    operators = operators if what != "networks" else []
    shipped = [library.load(name) for name in library.names()] if what != "operators" else []
    data = {
        "schema": "flopcalc/list/1",
        "operators": [
            {
                "name": operator.name,
                "family": operator.family,
                "title": operator.title,
                "options": {p.name: {"default": p.default_text, "help": p.help} for p in operator.params},
                "needs": [rule.text for rule in operator.rules],
                "replaces": operator.policy.text,
                "paper": operator.paper.short,
                "year": operator.paper.year,
                "plug_in": operator.origin or None,
            }
            for operator in operators
        ],
        "networks": [
            {
                "name": n.name,
                "title": n.title,
                "input": list(n.input_shape),
                "options": {name: plain_option(value) for name, value in n.options.items()},
                "params": n.params,
                "macs": n.macs,
            }
            for n in shipped
        ],
        "notes": problems,
    }
    blocks: list[Block] = [_family(family, operators) for family in dict.fromkeys(one.family for one in operators)]
    if shipped:
        columns = (
            Column("network", "name"),
            Column("what", "text"),
            Column("params", "short"),
            Column("MACs", "short"),
        )
        rows: list[list[Cell]] = [[n.name, n.title, n.params, n.macs] for n in shipped]
        blocks.append(Table(columns, rows, title="Networks"))
    blocks += _plug_ins(operators, problems)
    emit(Document("What flopcalc knows", blocks, data), fmt, output)


def _plug_ins(operators: list[Operator], problems: list[str]) -> list[Block]:
    """The packages that operators come from, and the plug-ins that cannot be used."""
    origins = [(operator.name, operator.origin) for operator in operators if operator.origin]
    blocks: list[Block] = [Facts(origins, "Plug-ins")] if origins else []
    return [*blocks, *_notes(problems)]


def _notes(problems: list[str]) -> list[Block]:
    return [Lines("Notes", problems)] if problems else []


def _family(family: str, operators: list[Operator]) -> Table:
    columns = ("operator", "what", "options", "source")
    rows = [
        [
            operator.name,
            operator.title,
            ", ".join(f"{param.name} ({param.default_text})" for param in operator.params),
            operator.paper.who,
        ]
        for operator in operators
        if operator.family == family
    ]
    return Table(tuple(Column(name, "text") for name in columns), rows, title=family.capitalize())


def _matching(operators: list[Operator], shape: dict[str, Any], problems: list[str]) -> Document:
    if shape["cin"] is None:
        raise FlopcalcError("bad-usage", "--matching needs a shape", _EXAMPLE)
    plain, _ = read_shape(lookup.get("conv"), {name: shape[name] for name in SHAPE_NAMES}, {})
    found = {operator.name: applied_to_plain(operator, plain) for operator in operators}
    refused = [(name, reason) for name, reason in found.items() if isinstance(reason, str)]
    apply = [evaluation for evaluation in found.values() if isinstance(evaluation, Evaluation)]
    # By all kinds of work: an adder layer has no MACs, and is not free.
    apply.sort(key=lambda e: (e.cost.flops, e.operator.name))
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
        for e in apply
    ]
    columns = (
        Column("operator", "name"),
        Column("params"),
        Column("ratio", "ratio", key="params_ratio", drop=2),
        Column("MACs"),
        Column("ratio", "ratio", key="MACs_ratio", drop=1),
        Column("elementwise", "short", drop=3),
        Column("steps", drop=4),
    )
    data = {
        "schema": "flopcalc/matching/1",
        "inputs": inputs(plain),
        "matching": [
            {"name": e.operator.name, **{kind: e.cost.total(kind) for kind in ("params", "macs", "flops", "steps")}}
            for e in apply
        ],
        "refused": [{"name": name, "reason": reason} for name, reason in refused],
        "notes": problems,
    }
    blocks: list[Block] = [Table(columns, rows)]
    if refused:
        blocks.append(Facts(refused, "Does not apply"))
    blocks += _notes(problems)
    return Document(f"Operators that can replace a convolution {plain}, with default options", blocks, data)
