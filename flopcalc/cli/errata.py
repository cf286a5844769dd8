"""`flopcalc errata`."""

from typing import Any

import click

from flopcalc.catalog import lookup
from flopcalc.cli.completion import complete_papers
from flopcalc.cli.options import output_only_options
from flopcalc.cli.output import emit, format_of
from flopcalc.cost.convention import CONVENTIONS
from flopcalc.errors import unknown_name
from flopcalc.published import tables
from flopcalc.published.errata import errata, wrong_figures
from flopcalc.published.tables import Published
from flopcalc.published.tool_errata import tool_errors
from flopcalc.report.document import Column, Document, Facts, Lines, Table, people
from flopcalc.report.tool_errors import tool_errors_document
from flopcalc.spec.operator import Operator


@click.command("errata", epilog="Example: flopcalc errata compconv spconv")
@click.argument("types", nargs=-1, metavar="[OPERATOR|PAPER]...", shell_complete=complete_papers)
@click.option("--tools", is_flag=True, help="Errors of other counters instead. A name is then that of a tool.")
@output_only_options
def command(types: tuple[str, ...], tools: bool, fmt: str | None, output: str | None) -> None:
    """Errors in the sources, with the evidence.

    Shows the printed form, the right form, and numbers that are computed on each run: first for equations
    and statements on operators, then for figures in papers' tables. A name is that of an operator, or of a
    paper as in `flopcalc reproduce`. Without names: all.
    """
    fmt = format_of(fmt, output)
    if tools:
        emit(tool_errors_document(tool_errors(types), as_table=fmt in ("csv", "latex")), fmt, output)
        return
    operators, papers, problems = _chosen(types)
    rows = [*errata(operators), *wrong_figures(papers)]
    data = {"schema": "flopcalc/errata/1", "rows": rows, "notes": problems}
    if fmt in ("csv", "latex"):
        columns = ("operator", "source", "paper", "where", "kind", "printed", "right")
        table = Table(
            tuple(Column(name, "text") for name in columns), [[row[name] for name in columns] for row in rows]
        )
        emit(Document("Errata", (table,), data), fmt, output)
        return
    blocks: list[Facts | Lines] = [
        Facts(_facts(row), f"{row['operator'] or row['source']}: {row['paper']}, {row['where']}") for row in rows
    ]
    if problems:
        blocks.append(Lines("Notes", problems))
    emit(
        Document(
            f"{len(rows)} {'entry' if len(rows) == 1 else 'entries'}: errors in the sources, and open questions",
            blocks,
            data,
        ),
        fmt,
        output,
    )


def _chosen(names: tuple[str, ...]) -> tuple[list[Operator], list[Published], list[str]]:
    """The operators and the published tables of these names; a name may be that of both.

    Without names: all, those of plug-ins included, and one sentence about each that cannot be used.
    """
    if not names:
        own, broken = lookup.usable()
        plug_ins, problems = lookup.usable_plug_ins()
        return [*own, *plug_ins], [tables.load(name) for name in tables.names()], [*broken, *problems]
    operators: list[Operator] = []
    papers: list[Published] = []
    for name in dict.fromkeys(names):
        operator = lookup.find(name) if not name.endswith((".yaml", ".yml")) else None
        found = tables.find(name)
        if operator is None and not found:
            known = [*lookup.names(), *tables.names()]
            hint = "`flopcalc list` and `flopcalc reproduce` show both"
            if name in CONVENTIONS and CONVENTIONS[name].counter:
                hint = f"flopcalc errata --tools {name} shows the errors of the counter"
            raise unknown_name("operator or paper", name, known, hint)
        operators += [operator] if operator else []
        papers += found
    return operators, list(dict.fromkeys(papers)), []


def _facts(row: dict[str, Any]) -> list[tuple[str, str]]:
    label = {"open": "other reading", "asymptotic": "exact"}.get(row["kind"], "right")
    facts = [("printed", row["printed"]), (label, row["right"])]
    if row["why"]:
        facts.append(("why", row["why"]))
    for index, evidence in enumerate(row["evidence"]):
        source = f" ({evidence['source']})" if evidence.get("source") else ""
        facts.append(("" if index else "evidence", f"{people(evidence['value'])}   {evidence['what']}{source}"))
    return facts
