"""A document for a terminal, by Rich. Pipes and files get `flopcalc.report.plain`."""

from collections.abc import Sequence
from io import StringIO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from flopcalc.report.document import LEFT, Cell, Document, Facts, Lines, Table, people
from flopcalc.report.plain import column_widths, folded, hanging


def render(document: Document, width: int) -> str:
    """The document as text with colours, unless NO_COLOR is set; Rich knows what the terminal can do."""
    out = StringIO()
    console = Console(file=out, width=width, force_terminal=True, highlight=False, emoji=False, markup=False)
    console.print(Text(document.title, style="bold"))
    for block in document.blocks:
        if isinstance(block, Table):
            _table(console, block)
        elif isinstance(block, Facts):
            _facts(console, block)
        else:
            _lines(console, block)
    lines = (line.rstrip() for line in out.getvalue().splitlines())
    return "\n".join(lines).rstrip("\n") + "\n"


def _table(console: Console, table: Table) -> None:
    _title(console, table.title)
    grid = RichTable(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 0, 0, 1), header_style="bold")
    for column in table.columns:
        left = column.kind in LEFT
        # Numbers are never cut or wrapped; text gives way first.
        grid.add_column(
            column.title,
            justify="left" if left else "right",
            no_wrap=column.kind != "text",
            overflow="fold",
            min_width=8 if column.kind == "text" else None,
        )
    rows, totals = ([_cells(table, row) for row in some] for some in (table.rows, table.totals))
    # Text is broken here, at the joints of long names; Rich would break it anywhere.
    head = [column.title for column in table.columns]
    widths = column_widths(table.columns, [head, *rows, *totals], console.width)
    for row in rows:
        grid.add_row(*_folded(table, row, widths))
    if totals:
        grid.add_section()
    for row in totals:
        grid.add_row(*_folded(table, row, widths))
    console.print(grid)


def _cells(table: Table, row: Sequence[Cell]) -> list[str]:
    return [people(cell, column.kind) for column, cell in zip(table.columns, row, strict=True)]


def _folded(table: Table, row: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [
        "\n".join(folded(cell, size)) if column.kind == "text" and len(cell) > size else cell
        for column, cell, size in zip(table.columns, row, widths, strict=True)
    ]


def _facts(console: Console, facts: Facts) -> None:
    if facts.title:
        _title(console, facts.title)
    width = max((len(label) for label, _ in facts.items), default=0)
    for label, text in facts.items:
        _hanging(console, f"  {label:{width}}  ", text)


def _lines(console: Console, block: Lines) -> None:
    _title(console, block.title)
    for line in block.lines:
        _hanging(console, "  - ", line)


def _title(console: Console, title: str) -> None:
    console.print()
    if title:
        console.print(Text(title, style="bold"))


def _hanging(console: Console, label: str, text: str) -> None:
    console.out("\n".join(hanging(label, text, console.width)), highlight=False)
