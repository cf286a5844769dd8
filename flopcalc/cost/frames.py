"""Columns as data frames of pandas and polars, without changing a number.

Both libraries turn some integers into something else: pandas makes floats of a column of integers with a gap, and
polars makes a gap of an integer that is too large for it. So the type of such a column is given to them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

# What pandas and polars hold as integers and as exact floats.
_INT64 = range(-(2**63), 2**63)
_EXACT_FLOATS = range(-(2**53), 2**53 + 1)

Kind = Literal["plain", "ints with gaps", "floats", "objects", "texts"]


def columns_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The columns of rows, in the order in which the rows name them; None where a row has no such value."""
    rows = list(rows)
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def pandas_frame(columns: Mapping[str, Sequence[Any]]) -> Any:
    """The columns as a pandas.DataFrame. Raises FlopcalcError (missing-package) where pandas is not installed."""
    pandas = _imported("pandas", "pandas>=2")
    made = {}
    for name, values in columns.items():
        match _kind(values):
            case "plain":
                made[name] = pandas.Series(values)
            case "ints with gaps":
                made[name] = pandas.Series(values, dtype="Int64")
            case "floats":
                made[name] = pandas.Series(_floats(values))
            case _:
                made[name] = pandas.Series(list(values), dtype=object)
    return pandas.DataFrame(made)


def polars_frame(columns: Mapping[str, Sequence[Any]]) -> Any:
    """The columns as a polars.DataFrame. Raises FlopcalcError (missing-package) where polars is not installed."""
    polars = _imported("polars", "polars>=1")
    made = []
    for name, values in columns.items():
        match _kind(values):
            case "objects":
                made.append(polars.Series(name, list(values), dtype=polars.Object))
            case "floats":
                made.append(polars.Series(name, _floats(values)))
            case "texts":
                made.append(polars.Series(name, [None if one is None else str(one) for one in values]))
            case _:
                made.append(polars.Series(name, values if _is_numbers(values) else list(values)))
    return polars.DataFrame(made)


def _imported(package: str, requirement: str) -> Any:
    # This module is imported by every command.
    from flopcalc import optional

    return optional.load(package, package, requirement, f"to_{package}()")


def _floats(values: Sequence[Any]) -> list[float | None]:
    return [None if one is None else float(one) for one in values]


def _is_numbers(values: Sequence[Any]) -> bool:
    """Whether it is an array of numbers or of truth values."""
    return getattr(getattr(values, "dtype", None), "kind", "O") in "iufb"


def _kind(values: Sequence[Any]) -> Kind:
    """How a column must be given to the libraries, so that they keep its values. Arrays are as they should be."""
    if _is_numbers(values):
        return "plain"
    types = {type(one) for one in values if one is not None}
    gaps = any(one is None for one in values)
    if types == {int}:
        if any(one not in _INT64 for one in values if one is not None):
            return "objects"
        return "ints with gaps" if gaps else "plain"
    if types == {int, float}:
        exact = all(one in _EXACT_FLOATS for one in values if type(one) is int)
        return "floats" if exact else "objects"
    if len(types) > 1:
        return "texts"
    return "objects" if types == {dict} else "plain"
