"""The values of rows as JSON, tables and data frames hold them."""

from fractions import Fraction
from typing import Any

from flopcalc.analysis.sweeping.outcome import Array, Rows, is_array
from flopcalc.analysis.sweeping.values import decimal_text
from flopcalc.spec.param import show

SCHEMA = "flopcalc/sweep/1"
_DIGITS = 15


def plain(value: Any) -> Any:
    """A value as JSON holds it: a decimal as a number where that is exact, another fraction as text, a list as text."""
    if isinstance(value, Fraction):
        text = decimal_text(value)
        if "/" in text or len(text) > _DIGITS:
            return text
        return int(value) if value.denominator == 1 else float(value)
    if isinstance(value, tuple):
        return show(value)
    if isinstance(value, float):
        return None if value != value else value  # noqa: PLR0124 - a ratio to nothing
    return value


def plain_column(rows: Rows, name: str) -> list[Any]:
    """The values of a column as JSON holds them."""
    found: Any = rows.columns[name] if rows.count else None
    if not is_array(found):
        return [plain(found)] * rows.count
    if found.dtype.kind in "iub":
        return found.tolist()  # type: ignore[no-any-return]
    return [plain(one) for one in found.tolist()]


def frame_column(rows: Rows, name: str) -> Array:
    """A column for a data frame: 64-bit integers, floats or truth values where all values are such, else objects."""
    import numpy as np

    found: Any = rows.columns[name] if rows.count else None
    if is_array(found) and found.dtype.kind in "iufb":
        return found
    values = plain_column(rows, name)
    kinds = {type(one) for one in values}
    if kinds == {int} and all(-(2**63) <= one < 2**63 for one in values):
        return np.array(values, dtype=np.int64)
    if kinds in ({float}, {float, int}) and float in kinds:
        return np.array(values, dtype=np.float64)
    if kinds == {bool}:
        return np.array(values, dtype=bool)
    column: Any = np.empty(len(values), dtype=object)
    column[:] = values
    return column
