"""`flopcalc reproduce`."""

from collections.abc import Collection, Iterable
from itertools import groupby
from typing import Any, Literal

import click

from flopcalc.cli.completion import complete_papers
from flopcalc.cli.options import output_only_options
from flopcalc.cli.output import emit, format_of
from flopcalc.errors import ExitCode
from flopcalc.published import tables
from flopcalc.published.compare import FAILED, GOOD, VERDICTS, compare, reproduce_record
from flopcalc.published.tables import Published
from flopcalc.report.document import Cell, Column, Document, Facts, Lines, Table, people

Rows = list[dict[str, Any]]
Block = Table | Facts | Lines

_COLUMNS = ("table", "row", "quantity", "printed", "ours", "verdict")


@click.command("reproduce", epilog="Example: flopcalc reproduce spconv --only misprint")
@click.argument("papers", nargs=-1, metavar="[PAPER]...", shell_complete=complete_papers)
@click.option(
    "--only",
    "verdicts",
    type=click.Choice(tuple(VERDICTS)),
    multiple=True,
    help="Show only figures with this verdict; repeatable.",
)
@output_only_options
def command(papers: tuple[str, ...], verdicts: tuple[str, ...], fmt: str | None, output: str | None) -> int:
    """Printed tables compared with our figures, digit by digit.

    Our figures are computed on each run. A printed figure agrees if ours, rounded or cut to its digits, is
    equal. PAPER is the name of a paper or an operator, or the path of a file of tables. Without it: all.
    Exit code 1 if a figure does not agree and no reason is given.
    """
    fmt = format_of(fmt, output)
    sources = list(dict.fromkeys(one for name in papers or tables.names() for one in tables.get(name)))
    record = reproduce_record(compare(figure) for one in sources for figure in one.figures)
    flat = fmt in ("csv", "latex")
    emit(document(record, sources, verdicts or tuple(VERDICTS), flat), fmt, output)
    return ExitCode.CHECK_FAILED if record["failed"] else ExitCode.OK


def document(
    record: dict[str, Any],
    sources: Iterable[Published],
    verdicts: Collection[str] = tuple(VERDICTS),
    flat: bool = False,
) -> Document:
    """The rows with those verdicts, by source; or as one table."""
    rows = [row for row in record["rows"] if row["verdict"] in verdicts]
    blocks = [_flat(rows)] if flat else [*_papers(rows, {one.key: one for one in sources}), _legend(record)]
    title = f"{record['checked']} printed figures: {_counts(record['rows'])}"
    return Document(title, blocks, {**record, "rows": rows})


def _counts(rows: Rows) -> str:
    """The number of figures of each verdict, and how many of the good ones agree only if counted in another way."""
    words = []
    for verdict in VERDICTS:
        found = [row for row in rows if row["verdict"] == verdict]
        own = sum(row["counted"] != "" and not row["plain_agrees"] for row in found) if verdict in GOOD else 0
        many = {"agrees": "agree", "differs": "differ"}.get(verdict, verdict)
        words += (
            [f"{len(found)} {many}" + (f" ({own} of them only if counted in another way)" if own else "")]
            if found
            else []
        )
    return ", ".join(words)


def _flat(rows: Rows) -> Table:
    names = ("paper", *_COLUMNS, "why", "counted", "means", "how", "source")
    lines = [[_ours(row) if name == "ours" else row[name] for name in names] for row in rows]
    return Table(tuple(Column(name, "number" if name == "ours" else "text") for name in names), lines)


_KINDS: dict[str, Literal["number", "name", "text"]] = {"printed": "number", "ours": "number", "verdict": "name"}


def _papers(rows: Rows, sources: dict[str, Published]) -> Iterable[Block]:
    for key, found in groupby(rows, lambda row: row["paper"]):
        group = list(found)
        notes = _notes(group)
        marks = {text: f"*{number}" for number, text in enumerate(notes, start=1)}
        # A figure that is a sentence may be wrapped.
        kinds = _KINDS if max(len(row["printed"]) for row in group) < 20 else {**_KINDS, "printed": "text"}
        yield Table(
            tuple(Column(name, kinds.get(name, "text")) for name in _COLUMNS),
            [[*_cells(row)[:-1], f"{row['verdict']} {marks.get(_what(row), '')}".rstrip()] for row in group],
            title=f"{key}: {sources[key].paper.short}; {_counts(group)}",
        )
        if notes:
            facts = [
                (marks[text], "; ".join([text, *formulas]) if formulas else text) for text, formulas in notes.items()
            ]
            yield Facts(facts, f"{key}: other ways of counting")
        reasons: dict[str, list[str]] = {}
        for row in group:
            if row["verdict"] not in GOOD and row["why"]:
                reasons.setdefault(f"{row['verdict']}: {row['why']}", []).append(f"{row['row']}, {row['quantity']}")
        if reasons:
            yield Lines(
                "Reasons" if notes else "", [f"{'; '.join(places)}: {reason}" for reason, places in reasons.items()]
            )


def _cells(row: dict[str, Any]) -> list[Cell]:
    return [_shown(row) if name == "ours" else row[name] for name in _COLUMNS]


def _what(row: dict[str, Any]) -> str:
    """What was counted, in the words of the table if it has them; empty for a plain count."""
    too = "the plain count agrees too: " if row["counted"] and row["plain_agrees"] else ""
    return f"{too}{row['means'] or row['counted']}"


def _notes(rows: Rows) -> dict[str, list[str]]:
    """Each other way of counting, with its formulas if it is described in words."""
    notes: dict[str, list[str]] = {}
    for row in rows:
        if row["counted"]:
            formulas = notes.setdefault(_what(row), [])
            if row["means"] and row["counted"] not in formulas:
                formulas.append(row["counted"])
    return notes


def _ours(row: dict[str, Any]) -> Cell:
    value: Cell = row["ours"]
    return value


def _shown(row: dict[str, Any]) -> str:
    """Our figure as it is compared: a share in per cent where the paper prints one, and all digits before the point."""
    value = row["ours"]
    if value is None:
        return ""
    if row["printed"].endswith("%"):
        return f"{100 * value:.3f}%"
    return f"{value:,.1f}" if isinstance(value, float) and value > 1000 else people(value)


def _legend(record: dict[str, Any]) -> Facts:
    shown = [verdict for verdict, count in record["verdicts"].items() if count or verdict not in FAILED]
    facts = [(verdict, VERDICTS[verdict]) for verdict in shown]
    if any(row["counted"] for row in record["rows"]):
        facts.append(
            ("*1", "ours is not the plain count of this quantity; the note with this number says what is counted")
        )
    return Facts(facts, "Verdicts")
