"""Combinations that are not computed as arrays: their rows as the columns of a block."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flopcalc.analysis.sweeping.node import Book, Node
from flopcalc.analysis.sweeping.outcome import Array, Outcome
from flopcalc.analysis.sweeping.program import Program
from flopcalc.analysis.sweeping.recorded import kept


def table_of(
    rows: Sequence[Mapping[str, Any] | None],
    codes: Sequence[int],
    labels: Sequence[str],
    describe: Callable[[int], str],
    where: Sequence[str],
    fixed: Mapping[str, Any],
) -> Outcome:
    """The outcome of combinations that were computed one by one. A row is None where its code is not 0.

    where: conditions, which are applied here. fixed: columns that all rows share.
    """
    import numpy as np

    # The conditions are recorded on the columns, as if each were an axis.
    size = len(rows)
    names = next((list(row) for row in rows if row is not None), [])
    values: dict[str, Any] = dict(fixed)
    book, known = Book(), dict(fixed)
    arrays: list[Array] = []
    for name in names:
        column: list[Any] = [None if row is None else row[name] for row in rows]
        present = [one for one, code in zip(column, codes, strict=True) if code == 0]
        if all(type(one) is int for one in present):
            low, high = min(present), max(present)
            filled = [low if one is None else one for one in column]
            values[name] = np.array(filled, dtype=np.int64 if low > -(2**63) and high < 2**63 else object)
            known[name] = book.axis(len(arrays), low, high)
            arrays.append(values[name])
        else:
            first = present[0]
            if any(one != first for one in present):
                values[name] = np.array(column, dtype=object)
                known[name] = None
            else:
                values[name] = known[name] = first
    keep: Any = True
    if where and names:
        flag = kept(known, where, book)
        keep = Program({"keep": flag}).run(arrays, [None] * len(arrays))["keep"] if isinstance(flag, Node) else flag
    return Outcome((size,), values, np.array(codes, dtype=np.int64), keep, labels, describe)
