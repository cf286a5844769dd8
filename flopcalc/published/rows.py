"""Rows of a source that prints parameters and FLOPs side by side: a name and two figures.

They are text files in configs/published/pairs/, one row a line as `name | FLOPs | parameters`. A line
`@ file | heading | heading` begins the rows of a file of the source, with the headings of its columns. A CSV file with
the columns name, flops and params is read too; flops_header, params_header and first_file are optional.
"""

import csv
import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from flopcalc.errors import FlopcalcError, at_line, clip
from flopcalc.text.figure import Printed, read_printed
from flopcalc.text.input_file import decode, read_bytes

_HINT = "docs/adding-a-table.md describes files of rows, with an example"
_COLUMNS = {
    "flops": ("flops", "gflops"),
    "params": ("params", "mparams"),
    "file": ("first_file", "file"),
}
# The unit in the heading of a column: FLOPs(G), Params (M), GFlops, mParams.
_UNIT = re.compile(r"\(([KMGBT])\)|\b([gmGM])(?=flops|params|Flops|Params|FLOPs|MACs)")
# A figure, and behind it a remark in brackets: a change in per cent, an input size.
_CELL = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([KMGBT]?)(?: ?\([^()]*\))?")


class Row(NamedTuple):
    """One row as printed. file: of the source. headings: of the columns of FLOPs and parameters. line: in our file."""

    name: str
    flops: str
    params: str
    file: str
    headings: tuple[str, str]
    line: int


def read_rows(path: str) -> list[Row]:
    """The rows of a text or CSV file, at least one. Raises FlopcalcError (bad-table)."""
    try:
        text = decode(read_bytes(path, "file of rows"))
        found = list(_of_csv(path, text) if path.endswith(".csv") else _of_text(path, text))
    except (ValueError, csv.Error) as error:
        raise FlopcalcError("bad-table", f"{path}: {error}", _HINT) from None
    if not found:
        raise FlopcalcError("bad-table", f"{path} has no rows", _HINT)
    return found


def _of_text(path: str, text: str) -> Iterator[Row]:
    file, headings = "", ("", "")
    for line, content in enumerate(text.splitlines(), start=1):
        if not content.strip() or content.startswith("#"):
            continue
        cells = tuple(cell.strip() for cell in content.removeprefix("@ ").split(" | "))
        if len(cells) != 3:
            why = f"{clip(content)} is not of the form name | FLOPs | parameters"
            raise FlopcalcError("bad-table", f"{at_line(path, line)}: {why}", _HINT)
        if content.startswith("@ "):
            file, headings = cells[0], cells[1:]
        else:
            yield Row(*cells, file, headings, line)


def _of_csv(path: str, text: str) -> Iterator[Row]:
    reader = csv.DictReader(io.StringIO(text))
    columns = tuple(reader.fieldnames or ())
    found = {key: next((name for name in names if name in columns), "") for key, names in _COLUMNS.items()}
    if "name" not in columns or not found["flops"] or not found["params"]:
        why = f"its columns are {clip(', '.join(columns))}; name, flops and params are needed"
        raise FlopcalcError("bad-table", f"{at_line(path, 1)}: {why}", _HINT)
    for cells in reader:
        values = {key: _cell(cells, name) for key, name in found.items()}
        headings = (_cell(cells, "flops_header") or found["flops"], _cell(cells, "params_header") or found["params"])
        yield Row(_cell(cells, "name"), values["flops"], values["params"], values["file"], headings, reader.line_num)


def _cell(cells: Mapping[str, str | None], name: str) -> str:
    return (cells.get(name) or "").strip().rstrip("\\").strip()


def rows_text(rows: Iterable[Row]) -> str:
    """The rows as the text of a file, those of each file of the source together."""
    lines: list[str] = []
    at: tuple[str, tuple[str, str]] | None = None
    for row in rows:
        if (row.file, row.headings) != at:
            at = (row.file, row.headings)
            lines.append(" | ".join(("@ " + row.file, *row.headings)))
        lines.append(" | ".join((row.name, row.flops or "-", row.params or "-")))
    return "\n".join(lines) + "\n"


def read_cell(text: str, heading: str, rounded: int = 0, unit: str = "") -> Printed | None:
    """The figure of a cell; None if the cell cannot be read as one figure.

    rounded: for sources that print rounded figures as whole numbers (4120000000): the largest number of zeros at the
    end that are not digits; 0 if every digit counts. unit: of a figure without one.
    """
    found = _CELL.fullmatch(text)
    if found is None:
        return None
    unit = found[2] or next((part for match in _UNIT.finditer(heading) for part in match.groups() if part), unit)
    printed = read_printed(found[1], unit.upper())._replace(
        text=f"{text} {unit.upper()}".strip() if unit != found[2] else text
    )
    zeros = len(text) - len(text.rstrip("0"))
    if rounded and zeros and not printed.decimals and not unit:
        step = 10 ** min(zeros, max(rounded, len(text) - 3))
        return printed._replace(step=printed.step * step)
    return printed


def without_filling(printed: Printed, decimals: int) -> Printed:
    """A figure without the zeros behind its digits: 8.190 with 2 decimals is 8.19, and 0.714 stays."""
    step, left = printed.step, printed.decimals
    while left > decimals and printed.value % (step * 10) == 0:
        step, left = step * 10, left - 1
    return printed._replace(step=step, decimals=left)


def stem(path: str) -> str:
    """The name of a file without its folder and suffix."""
    return os.path.splitext(os.path.basename(path))[0]
