"""A document as plain text, for pipes and files. No Rich: a pipe needs no colour, and half the start-up."""

import re
from collections.abc import Iterator, Sequence
from textwrap import wrap

from flopcalc.report.document import LEFT, Column, Document, Facts, Table, people

_GAP = 2
_NARROWEST = 8


def render(document: Document, width: int) -> str:
    """The document at most `width` columns wide, where its numbers allow."""
    lines = wrap(document.title, width)
    for block in document.blocks:
        if (block.title or isinstance(block, Table)) and lines[-1]:
            lines.append("")
        lines += wrap(block.title, width)
        if isinstance(block, Table):
            lines += [*_table(block, width), ""]
        elif isinstance(block, Facts):
            label_width = max((len(label) for label, _ in block.items), default=0)
            for label, text in block.items:
                lines += hanging(f"  {label:{label_width}}  ", text, width)
        else:
            for text in block.lines:
                lines += hanging("  - ", text, width)
    return "\n".join(line.rstrip() for line in lines).rstrip("\n") + "\n"


def hanging(label: str, text: str, width: int) -> list[str]:
    """Text behind a label, wrapped under itself."""
    indent = " " * len(label)
    lines = wrap(text, max(width, 40), initial_indent=label, subsequent_indent=indent, break_on_hyphens=False)
    return lines or [label]


def _table(table: Table, width: int) -> Iterator[str]:
    columns = table.columns
    rows = [[people(cell, column.kind) for column, cell in zip(columns, row, strict=True)] for row in table.rows]
    totals = [[people(cell, column.kind) for column, cell in zip(columns, row, strict=True)] for row in table.totals]
    head = [column.title for column in columns]
    widths = column_widths(columns, [head, *rows, *totals], width)
    yield from _lines(columns, head, widths)
    yield "\u2500" * (sum(widths) + _GAP * (len(widths) - 1))
    for row in rows:
        yield from _lines(columns, row, widths)
    if totals:
        yield ""
    for row in totals:
        yield from _lines(columns, row, widths)


def column_widths(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Natural widths; where they do not fit, columns of text give way, the widest first."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    room = width - _GAP * (len(widths) - 1)
    bending = [index for index, column in enumerate(columns) if column.kind == "text"]
    while sum(widths) > room:
        widest = max(bending, key=widths.__getitem__, default=None)
        if widest is None or widths[widest] <= _NARROWEST:
            break
        widths[widest] -= 1
    return widths


# Where a long name may be broken: after a dot, an underscore and the like, and inside CamelCase.
_BREAKS = re.compile(r"(?<=[._:/,-])|(?<=[a-z])(?=[A-Z])")


def folded(cell: str, size: int) -> list[str]:
    """Text in lines of at most `size`; long names are broken where they have a joint."""
    lines = [""]
    for word in cell.split():
        gap = " " if lines[-1] else ""
        joints = [word] if len(word) <= size else _BREAKS.split(word)
        for piece in (part for joint in joints for part in wrap(joint, size)):
            if len(lines[-1]) + len(gap) + len(piece) <= size:
                lines[-1] += gap + piece
            else:
                lines.append(piece)
            gap = ""
    return lines if lines[0] else lines[1:] or [""]


def _lines(columns: Sequence[Column], cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """One row, several lines where a cell is wrapped."""
    wrapped = [
        folded(cell, size) if column.kind == "text" and len(cell) > size else [cell]
        for column, cell, size in zip(columns, cells, widths, strict=True)
    ]
    for index in range(max(map(len, wrapped))):
        line = []
        for column, pieces, size in zip(columns, wrapped, widths, strict=True):
            piece = pieces[index] if index < len(pieces) else ""
            line.append(piece.ljust(size) if column.kind in LEFT else piece.rjust(size))
        yield (" " * _GAP).join(line)
