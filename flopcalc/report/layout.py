"""A document as lines of a given width. No digit is ever cut: what does not fit is wrapped, left out with a note,
or written as one block for each row.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from flopcalc.errors import printable
from flopcalc.report.document import LEFT, Column, Document, Facts, Lines, Table, main_table, people

Role = Literal["title", "heading", "header", "rule", "body", "note"]


class Line(NamedTuple):
    """One line of output. role: what it is, for writers that have styles."""

    text: str
    role: Role


_GAP = 2
# Columns of text are not made narrower than this.
_NARROWEST = 8
# A narrower terminal wraps the lines itself.
_NARROWEST_PAGE = 20


def layout(document: Document, width: int) -> list[Line]:
    """The lines of a document. A line is wider than `width` only where one word is that cannot be broken."""
    width = max(width, _NARROWEST_PAGE)
    lines = [Line(text, "title") for text in wrapped(_clean(document.title), width)]
    csv_table = main_table(document)
    for block in document.blocks:
        if (block.title or isinstance(block, Table)) and lines and lines[-1].text:
            lines.append(Line("", "body"))
        if block.title:
            lines += [Line(text, "heading") for text in wrapped(_clean(block.title), width)]
        if isinstance(block, Table):
            lines += [*_table(block, width, "csv" if block is csv_table else "markdown"), Line("", "body")]
        else:
            lines += [Line(text, "body") for text in _list(block, width)]
    while lines and not lines[-1].text:
        lines.pop()
    return [line._replace(text=line.text.rstrip()) for line in lines]


def _clean(text: str) -> str:
    return printable(text).replace("\n", " ").replace("\t", " ")


def _list(block: Facts | Lines, width: int) -> Iterator[str]:
    if isinstance(block, Lines):
        for text in block.lines:
            yield from _hanging("  - ", _clean(text), width)
        return
    items = [(_clean(label), _clean(text)) for label, text in block.items]
    room = max((columns_of(label) for label, _ in items), default=0)
    for label, text in items:
        yield from _hanging(f"  {_padded(label, room)}  ", text, width)


def _hanging(label: str, text: str, width: int) -> Iterator[str]:
    """Text behind a label, wrapped under itself; below the label where there is little room behind it."""
    indent = columns_of(label)
    room = width - indent
    if label.strip() and room < max(width // 3, _longest(text)) and indent > 2 * _GAP:
        start = indent - columns_of(label.lstrip())
        yield from (" " * start + line for line in wrapped(label.strip(), width - start))
        label, indent = " " * 2 * _GAP, 2 * _GAP
        room = width - indent
    for index, line in enumerate(wrapped(text, room) or [""]):
        yield (" " * indent if index else label) + line


def _table(table: Table, width: int, other_format: str) -> Iterator[Line]:
    cells = [[_clean(people(cell, c.kind)) for c, cell in zip(table.columns, row, strict=True)] for row in table.rows]
    ends = [[_clean(people(cell, c.kind)) for c, cell in zip(table.columns, row, strict=True)] for row in table.totals]
    for breaking in (("text",), ("text", "name")):
        sizes = [
            _sizes(column, [row[i] for row in (*cells, *ends)], column.kind in breaking)
            for i, column in enumerate(table.columns)
        ]
        kept = _kept(table.columns, sizes, width)
        if kept:
            break
    else:
        if table.short_records:
            yield from _short_records(table.columns, (*cells, *ends), width)
        else:
            yield from _records(table.columns, cells, ends, width)
        return
    columns = [table.columns[i] for i in kept]
    widths = _widths([sizes[i] for i in kept], width)

    def row(texts: Sequence[str], role: Role) -> Iterator[Line]:
        yield from (Line(text, role) for text in _row(columns, [texts[i] for i in kept], widths))

    yield from row([_clean(column.title) for column in table.columns], "header")
    yield Line("\u2500" * _total(widths), "rule")
    for texts in cells:
        yield from row(texts, "body")
    if ends:
        yield Line("", "body")
    for texts in ends:
        yield from row(texts, "body")
    dropped = [name for i, column in enumerate(table.columns) if i not in kept and (name := _name(column))]
    if dropped:
        note = f"not shown at {width} columns: {', '.join(dropped)}; use a wider terminal or --format {other_format}"
        yield from (Line(text, "note") for text in wrapped(note, width))


def _name(column: Column) -> str:
    """What a column is called outside its table; the title alone may appear twice."""
    return _clean(column.key or column.title)


class _Size(NamedTuple):
    """Widths of a column: of its content on one line, and the least that it can be wrapped to."""

    natural: int
    least: int


def _sizes(column: Column, cells: Sequence[str], may_break: bool) -> _Size:
    title = _clean(column.title)
    widest = max(map(columns_of, cells), default=0)
    natural = max(widest, columns_of(title))
    if may_break:
        least = max(map(_longest, (title, *cells)))
        return _Size(natural, max(least, min(natural, _NARROWEST)))
    return _Size(natural, max(widest, _longest(title)))


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _kept(columns: Sequence[Column], sizes: Sequence[_Size], width: int) -> list[int]:
    """The columns that fit, wrapped where that helps. Bars go first, then by rank; empty where none fit."""
    order = [i for i, column in enumerate(columns) if column.kind == "bar"]
    order += sorted((i for i, column in enumerate(columns) if column.drop), key=lambda i: -columns[i].drop)
    for count in range(len(order) + 1):
        kept = [i for i in range(len(columns)) if i not in order[:count]]
        if _total([sizes[i].least for i in kept]) <= width:
            return kept
    return []


def _widths(sizes: Sequence[_Size], width: int) -> list[int]:
    """Natural widths; where they do not fit, the widest column that can be wrapped gives way."""
    widths = [size.natural for size in sizes]
    while _total(widths) > width:
        bending = [i for i, size in enumerate(sizes) if widths[i] > size.least]
        widths[max(bending, key=widths.__getitem__)] -= 1
    return widths


def _row(columns: Sequence[Column], cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """One row, several lines where a cell is wrapped."""
    pieces = [wrapped(cell, size) or [""] for cell, size in zip(cells, widths, strict=True)]
    for index in range(max(map(len, pieces))):
        parts = [texts[index] if index < len(texts) else "" for texts in pieces]
        yield (" " * _GAP).join(
            _padded(part, size, left=column.kind in LEFT)
            for column, part, size in zip(columns, parts, widths, strict=True)
        )


def _records(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], ends: Sequence[Sequence[str]], width: int
) -> Iterator[Line]:
    """One block for each row: its first cell, and below it each other cell behind the title of its column."""
    labels = [_name(column) for column in columns]
    room = max((columns_of(labels[i]) for i, column in enumerate(columns) if i and column.kind != "bar"), default=0)
    for index, cells in enumerate((*rows, *ends)):
        if index == len(rows) and rows:
            yield Line("", "body")
        yield from (Line(text, "header") for text in wrapped(cells[0] or labels[0], width))
        for column, label, cell in list(zip(columns, labels, cells, strict=True))[1:]:
            if cell and column.kind != "bar":
                yield from (Line(text, "body") for text in _hanging(f"  {_padded(label, room)}  ", cell, width))


def _short_records(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> Iterator[Line]:
    """A paragraph for each row: each cell behind the title of its column, the first one without it."""
    for cells in rows:
        named = [f"{_name(column)} {cell}" for column, cell in zip(columns, cells, strict=True) if cell][1:]
        for index, text in enumerate(wrapped(", ".join([cells[0] or _name(columns[0]), *named]), width - 2)):
            yield Line(f"  {text}" if index else text, "body")


def columns_of(text: str) -> int:
    """Columns that a text takes in a terminal."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(letter) else 2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def _padded(text: str, size: int, left: bool = True) -> str:
    blank = " " * (size - columns_of(text))
    return text + blank if left else blank + text


# Where a long word may be broken: behind a dot, a comma and the like, and inside CamelCase; never inside a number.
_JOINT = re.compile(
    r"(?<=[._:;/=,-])(?=[^\d._:;/=,-])"
    r"|(?<=[^\d._:;/=,-][._:;/=,])(?=\d)"
    # The commas of 2,6,13,1 and not those of 1,234,567.
    r"|(?<=\d,)(?=\d)(?!\d{3}(?!\d))"
    r"|(?<=[a-z])(?=[A-Z])"
)


def _longest(text: str) -> int:
    """Width of the longest piece that is never broken."""
    return max((columns_of(piece) for word in text.split() for piece in _JOINT.split(word)), default=0)


def wrapped(text: str, size: int) -> list[str]:
    """Text in lines of at most `size` columns; long words are broken at joints only, and may stay longer."""
    if columns_of(text) <= size:
        return [text] if text.strip() else []
    # The indentation of code is kept.
    lines = [text[: len(text) - len(text.lstrip(" "))]]
    for gap, word in re.findall(r"( *)([^ ]+)", text.lstrip(" ")):
        between = gap if lines[-1].strip() else ""
        for piece in [word] if columns_of(word) <= size else _JOINT.split(word):
            if not lines[-1].strip() or columns_of(lines[-1] + between + piece) <= size:
                lines[-1] += between + piece
            else:
                lines.append(piece)
            between = ""
    return lines
