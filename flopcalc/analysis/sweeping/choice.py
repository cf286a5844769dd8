"""Choosing rows: in an order, the first of them, and those that no other row beats."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from flopcalc.analysis.sweeping.outcome import Array, Rows, is_array
from flopcalc.analysis.sweeping.request import MAX_FRONT, Key
from flopcalc.errors import FlopcalcError


def together(parts: Sequence[Rows], names: Sequence[str]) -> Rows:
    """Several rows as one, in order."""
    import numpy as np

    parts = [part for part in parts if part.count]
    if len(parts) == 1:
        return parts[0]
    columns: dict[str, Any] = {}
    for name in names:
        values = [part.columns[name] for part in parts]
        first = values[0] if values else None
        if not any(is_array(one) for one in values) and all(
            type(one) is type(first) and one == first for one in values
        ):
            columns[name] = first
        else:
            arrays = [
                one if is_array(one) else filled(one, part.count) for one, part in zip(values, parts, strict=True)
            ]
            kinds = {array.dtype.kind for array in arrays}
            # Ints and floats, or numbers and texts, each keep their kind.
            columns[name] = np.concatenate(arrays if len(kinds) == 1 else [array.astype(object) for array in arrays])
    return Rows(sum(part.count for part in parts), columns)


def filled(value: Any, count: int) -> Array:
    """One value for all rows as an array."""
    import numpy as np

    if type(value) is int and abs(value) < 2**63:
        return np.full(count, value, dtype=np.int64)
    if isinstance(value, float):
        return np.full(count, value)
    array: Array = np.empty(count, dtype=object)
    array.fill(value)
    return array


def key_values(rows: Rows, key: Key) -> Array:
    """The numbers of a key, such that smaller is better. Rows without such a number come last."""
    import numpy as np

    value = rows.columns[key.name]
    array: Array = value if is_array(value) else filled(value, rows.count)
    if array.dtype.kind == "b":
        array = array.astype(np.int64)
    if array.dtype.kind in "iuf":
        # NaN stays NaN, which is last either way.
        return -array if key.largest else array
    sign = -1 if key.largest else 1
    numbers = []
    for one in array.tolist():
        if one is not None and not hasattr(one, "real"):
            raise FlopcalcError(
                "bad-usage",
                f"{key.name} is not a number, and has no order",
                "use kinds of cost, sizes and numeric options",
            )
        numbers.append(float("inf") if one is None or one != one else sign * one)  # noqa: PLR0124 - NaN
    found: Array = np.empty(len(numbers), dtype=object)
    found[:] = numbers
    return found


def best_first(rows: Rows, keys: Sequence[Key], limit: int | None) -> Rows:
    """The rows sorted by the keys, equal rows as they come; only the first ones if there is a limit."""
    import numpy as np

    if rows.count:
        arrays = [key_values(rows, key) for key in keys]
        if any(array.dtype.kind == "O" for array in arrays):
            order: Any = sorted(range(rows.count), key=lambda place: tuple(array[place] for array in arrays))
        else:
            order = np.lexsort(arrays[::-1])
        rows = rows.taken(np.asarray(order)[: rows.count if limit is None else limit])
    return rows


def front(rows: Rows, keys: Sequence[Key]) -> Rows:
    """The rows that no other row beats: none is at least as good in all keys and better in one. In their order.

    Equal rows are all on the front. Raises FlopcalcError (too-many) for a front of more than MAX_FRONT rows.
    """
    import numpy as np

    if not rows.count:
        return rows
    arrays = [key_values(rows, key) for key in keys]
    if any(array.dtype.kind == "O" for array in arrays):
        # Places in the order of the values compare like the values.
        arrays = [_ranks(array) for array in arrays]
    there: Array = ~np.any([np.isnan(array) for array in arrays], axis=0)
    places = np.flatnonzero(there)
    points = np.stack([array[places].astype(np.float64 if array.dtype.kind == "f" else np.int64) for array in arrays])
    kept = np.sort(places[_unbeaten(points)])
    if len(kept) > MAX_FRONT:
        raise FlopcalcError(
            "too-many",
            f"more than {MAX_FRONT:,} combinations are equally good in {', '.join(key.name for key in keys)}",
            "add a column to --pareto in which they differ, or try fewer values",
        )
    return rows.taken(kept)


def _ranks(array: Array) -> Array:
    import numpy as np

    values = sorted(set(array.tolist()))
    rank = {value: place for place, value in enumerate(values)}
    return np.array([rank[value] for value in array.tolist()], dtype=np.int64)


def _unbeaten(points: Array) -> Array:
    """The columns of points that no other column beats, in some order. points: one row for each key."""
    import numpy as np

    order = np.lexsort(points[::-1])
    points = points[:, order]
    if len(points) == 1:
        return order[points[0] == points[0, 0]]
    # Equal columns are one, so that they do not count as beaten by each other.
    new: Array = np.ones(points.shape[1], dtype=bool)
    new[1:] = np.any(points[:, 1:] != points[:, :-1], axis=0)
    first = np.flatnonzero(new)
    distinct = points[:, first]
    alive: Array = np.ones(len(first), dtype=bool)
    if len(points) == 2:
        # In the order of the first key, a column is unbeaten if its second is less than all before.
        alive[1:] = distinct[1, 1:] < np.minimum.accumulate(distinct[1])[:-1]
    elif len(points) == 3:
        alive[:] = _unbeaten_of_three(distinct[1].tolist(), distinct[2].tolist())
    else:
        for place in range(len(first)):
            if alive[place]:
                # A later column cannot beat an earlier one.
                alive[place + 1 :] &= ~np.all(distinct[:, place + 1 :] >= distinct[:, place : place + 1], axis=0)
    return order[np.repeat(alive, np.diff(np.append(first, points.shape[1])))]


def _unbeaten_of_three(second: list[Any], third: list[Any]) -> list[bool]:
    """Which columns no earlier one beats, by their second and third keys; the first key is in order.

    The unbeaten ones make a staircase: as the second key grows, the third gets less.
    """
    steps: list[Any] = []
    least: list[Any] = []
    alive = []
    for b, c in zip(second, third, strict=True):
        place = bisect_right(steps, b)
        alive.append(not place or least[place - 1] > c)
        if alive[-1]:
            if place and steps[place - 1] == b:
                place -= 1
            behind = place
            while behind < len(steps) and least[behind] >= c:
                behind += 1
            steps[place:behind], least[place:behind] = [b], [c]
    return alive
