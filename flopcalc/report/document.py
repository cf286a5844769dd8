"""The output of a command before it becomes text.

A Document is a title, blocks in order, and the same content as data for JSON. Cells keep exact
values; `people` is the one place that rounds, and only for the eye.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Literal, NamedTuple

Cell = int | Fraction | float | str | None


class Column(NamedTuple):
    """A column of a table.

    kind: text (left), name (text that is broken last), number, short (1.21M), difference (+12), ratio (4 digits),
    share, seconds (1.2 ms) or bar.
    key: its name in CSV, where two columns have the same title.
    drop: rank for leaving it out where the table is too wide, the highest first; 0: never. Bars go before all.
    """

    title: str
    kind: Literal["text", "name", "number", "short", "difference", "ratio", "share", "seconds", "bar"] = "number"
    key: str = ""
    drop: int = 0


# Kinds that are aligned to the left.
LEFT = ("text", "name", "bar")


class Table(NamedTuple):
    """Rows of cells. `totals` are rows set apart at the end. CSV holds the rows of the `main` table, or of the
    first table if none is marked. short_records: where the table is too wide, a row becomes a paragraph, and not one
    line for each cell.
    """

    columns: tuple[Column, ...]
    rows: Sequence[Sequence[Cell]]
    totals: Sequence[Sequence[Cell]] = ()
    title: str = ""
    main: bool = False
    short_records: bool = False


class Facts(NamedTuple):
    """Labelled lines."""

    items: Sequence[tuple[str, str]]
    title: str = ""


class Lines(NamedTuple):
    """A titled list of sentences."""

    title: str
    lines: Sequence[str]


class Document(NamedTuple):
    """Title, blocks, and the data behind them."""

    title: str
    blocks: Sequence[Table | Facts | Lines]
    data: Any


def main_table(document: Document) -> Table | None:
    """The table that CSV holds: the one that is marked as main, else the first."""
    tables = [block for block in document.blocks if isinstance(block, Table)]
    return next((table for table in tables if table.main), tables[0] if tables else None)


# Above this, more digits help no reader: shown as 1.85e+61.
_EXACT_UP_TO = 10**15


def people(cell: Cell, kind: str = "number") -> str:
    """A cell as a person reads it."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell
    if kind == "share":
        return f"{float(cell):.1%}"
    if kind == "bar":
        if not cell:
            return ""
        return "\u2588" * round(float(cell) * 10) or "\u258f"
    if kind == "ratio":
        return _ratio(cell)
    if kind == "seconds":
        return seconds(float(cell))
    if kind == "difference":
        return f"{'+' if cell > 0 else ''}{people(cell)}"
    if kind == "short":
        return _short(cell)
    if isinstance(cell, Fraction) and cell.denominator == 1:
        cell = int(cell)
    if isinstance(cell, int):
        return f"{cell:,}" if abs(cell) < _EXACT_UP_TO else _scientific(cell)
    return f"{float(cell):.4g}"


def seconds(value: float | None) -> str:
    """A time as a person reads it: 12.3 us, 4.56 ms, 1.2 s."""
    if value is None:
        return ""
    for factor, unit in ((1e6, "us"), (1e3, "ms"), (1.0, "s")):
        text = f"{value * factor:.3g}"
        # 999.7 us is 1 ms.
        if float(text) < 1000:
            return f"{text} {unit}"
    return f"{value:,.0f} s"


def _short(cell: int | Fraction | float) -> str:
    for power, suffix in ((3, "k"), (6, "M"), (9, "G"), (12, "T")):
        if 1000 <= cell < 10**15:
            text = f"{float(cell) / 10**power:.2f}"
            # 999,999 is 1.00M.
            if float(text) < 1000:
                return f"{text}{suffix}"
    return people(cell)


def _ratio(cell: int | Fraction | float) -> str:
    value = float(cell)
    return f"{value:.4f}" if value >= 0.001 or value == 0 else f"{value:.2e}"


def _scientific(value: int) -> str:
    """Three digits, rounded, and an exponent, without a float (which ends at 1e308)."""
    exponent = len(str(abs(value))) - 1
    unit = 10 ** (exponent - 2)
    digits = (2 * abs(value) + unit) // (2 * unit)
    if digits == 1000:
        digits, exponent = 100, exponent + 1
    return f"{'-' if value < 0 else ''}{digits // 100}.{digits % 100:02}e+{exponent}"
