"""`flopcalc list`."""

import click

from flopcalc import networks, registry
from flopcalc.cli.common import FORMATS, emit
from flopcalc.operator import Operator
from flopcalc.report.document import Column, Document, Table


@click.command("list", epilog="Example: flopcalc list --format json")
@click.option("--format", "fmt", type=click.Choice(FORMATS), default=None, help="How to write the result.")
@click.option("-o", "--output", metavar="FILE", help="Write to FILE instead of the terminal.")
def command(fmt: str | None, output: str | None) -> None:
    """The operators and networks that flopcalc knows."""
    operators = sorted(registry.every(), key=lambda operator: (operator.family, operator.name))
    shipped = [networks.load(name) for name in networks.names()]
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
            }
            for operator in operators
        ],
        "networks": [{"name": n.name, "title": n.title, "params": n.params, "macs": n.macs} for n in shipped],
    }
    blocks = [_family(family, operators) for family in dict.fromkeys(one.family for one in operators)]
    blocks.append(
        Table(
            (Column("network", "text"), Column("what", "text"), Column("params"), Column("MACs")),
            [[n.name, n.title, n.params, n.macs] for n in shipped],
            title="Networks",
        )
    )
    emit(Document("What flopcalc knows", blocks, data), fmt, output)


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
