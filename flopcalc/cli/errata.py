"""`flopcalc errata`."""

from typing import Any

import click

from flopcalc import registry
from flopcalc.analysis.errata import errata
from flopcalc.cli.common import FORMATS, emit
from flopcalc.report.document import Column, Document, Facts, Table, people


@click.command("errata", epilog="Example: flopcalc errata compconv spconv")
@click.argument("types", nargs=-1, metavar="[OPERATOR]...")
@click.option("--format", "fmt", type=click.Choice(FORMATS), default=None, help="How to write the result.")
@click.option("-o", "--output", metavar="FILE", help="Write to FILE instead of the terminal.")
def command(types: tuple[str, ...], fmt: str | None, output: str | None) -> None:
    """What the sources get wrong, with the evidence.

    The printed form, the right one, and numbers that are computed as you ask. Without a name: all operators.
    """
    rows = list(errata(registry.get(name) for name in types or registry.names()))
    data = {"schema": "flopcalc/errata/1", "rows": rows}
    if fmt in ("csv", "latex"):
        columns = ("operator", "paper", "where", "kind", "printed", "right")
        table = Table(
            tuple(Column(name, "text") for name in columns), [[row[name] for name in columns] for row in rows]
        )
        emit(Document("Errata", (table,), data), fmt, output)
        return
    blocks = [Facts(_facts(row), f"{row['operator']}: {row['paper']}, {row['where']}") for row in rows]
    emit(Document(f"{len(rows)} entries: what the sources get wrong, or leave open", blocks, data), fmt, output)


def _facts(row: dict[str, Any]) -> list[tuple[str, str]]:
    label = {"open": "other reading", "asymptotic": "exact"}.get(row["kind"], "right")
    facts = [("printed", row["printed"]), (label, row["right"])]
    if row["why"]:
        facts.append(("why", row["why"]))
    for index, evidence in enumerate(row["evidence"]):
        facts.append(("" if index else "evidence", f"{people(evidence['value'])}   {evidence['what']}"))
    return facts
