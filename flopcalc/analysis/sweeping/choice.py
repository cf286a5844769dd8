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
    if not rows.count:
        return rows
    kept = _on_front([key_values(rows, key) for key in keys])
    if len(kept) > MAX_FRONT:
        raise FlopcalcError(
            "too-many",
            f"more than {MAX_FRONT:,} combinations are equally good in {', '.join(key.name for key in keys)}",
            "add a column to --pareto in which they differ, or try fewer values",
        )
    return rows.taken(kept)


def _on_front(arrays: Sequence[Array]) -> Array:
    """The places of the rows that no other row beats, in order."""
    import numpy as np

    if all(array.dtype == np.int64 for array in arrays):
        return unbeaten(np.stack(arrays))
    there: Array = np.ones(len(arrays[0]), dtype=bool)
    for array in arrays:
        # What has no number is not comparable: NaN, and infinity among exact ints.
        there &= (array == array) & (array != float("inf"))  # noqa: PLR0124
    places = np.flatnonzero(there)
    # Places in the order of the values compare like the values, and are integers.
    return places[unbeaten(np.stack([_ranks(array[places]) for array in arrays]))]


def _ranks(array: Array) -> Array:
    import numpy as np

    if array.dtype.kind != "O":
        return np.unique(array, return_inverse=True)[1].astype(np.int64)
    values = sorted(set(array.tolist()))
    rank = {value: place for place, value in enumerate(values)}
    return np.array([rank[value] for value in array.tolist()], dtype=np.int64)


class Selection:
    """Which rows of a block can be among the result, by their keys alone, so that the other columns are not needed.

    It remembers good rows of earlier blocks: what they beat is not on the front.
    """

    # Good rows that are remembered, and rounds in which good rows of a block are looked for.
    GOOD = 12

    def __init__(self, pareto: Sequence[Key], sort: Sequence[Key], limit: int | None) -> None:
        self._keys = tuple(pareto or (sort if limit is not None else ()))
        self._limit = None if pareto else limit
        self._good: Array = None

    @property
    def names(self) -> list[str]:
        """The columns that are needed; none where every row is."""
        return [key.name for key in self._keys]

    def places(self, rows: Rows) -> Array:
        """The places of these rows in order; None for all, which are then sorted."""
        import numpy as np

        arrays = [key_values(rows, key) for key in self._keys]
        if self._limit is not None:
            if arrays[0].dtype != np.int64 or len(arrays) > 1 or rows.count <= self._limit:
                return None
            # The first ones of those that are equal to the last one.
            last = np.partition(arrays[0], self._limit - 1)[self._limit - 1]
            less, equal = np.flatnonzero(arrays[0] < last), np.flatnonzero(arrays[0] == last)
            return np.sort(np.concatenate([less, equal[: self._limit - len(less)]]))
        if any(array.dtype != np.int64 for array in arrays):
            return _on_front(arrays)
        points = np.stack(arrays)
        places = np.arange(rows.count)
        if self._good is not None:
            places = places[_not_beaten_by(self._good, points)]
        places = places[unbeaten(points[:, places])]
        found = points[:, places] if self._good is None else np.hstack([self._good, points[:, places]])
        found = found[:, unbeaten(found)]
        # Some along the whole front.
        order = np.argsort(found[0], kind="stable")
        self._good = found[:, order[np.unique(np.linspace(0, len(order) - 1, self.GOOD).astype(int))]]
        return places


def _sums(points: Array, weights: Array) -> Array:
    """The weighted sums of the keys, each from 0 to 1."""
    import numpy as np

    low = points.min(axis=1, keepdims=True, initial=2**63 - 1)
    span = points.max(axis=1, keepdims=True, initial=-(2**63)).astype(np.float64) - low + 1
    return weights @ ((points - low.astype(np.float64)) / span)


def _not_beaten_by(good: Array, points: Array) -> Array:
    """Which columns of points no column of `good` beats."""
    import numpy as np

    alive: Array = np.ones(points.shape[1], dtype=bool)
    for one in good.T:
        worse = points[0] >= one[0]
        same = points[0] == one[0]
        for value, key in zip(points[1:], one[1:], strict=True):
            worse &= value >= key
            same &= value == key
        alive &= ~worse | same
    return alive


def unbeaten(points: Array) -> Array:
    """The places of the columns that no other column beats, in order. points: one row for each key, integers."""
    import numpy as np

    places = np.arange(points.shape[1])
    # First without those that a good column beats, which are most; a front needs an order.
    weights = np.random.default_rng(0)
    for _ in range(Selection.GOOD):
        if len(places) <= 256:
            break
        left = points[:, places]
        best = int(np.argmin(_sums(left, weights.random(len(points)) + 0.05)))
        alive = _not_beaten_by(left[:, best : best + 1], left)
        places = places[alive]
        if len(places) > 0.9 * left.shape[1]:
            break
    return np.sort(places[_unbeaten(points[:, places])])


def _unbeaten(points: Array) -> Array:
    """The columns of points that no other column beats, in some order. points: one row for each key."""
    import numpy as np

    if not points.shape[1]:
        return np.arange(0)
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
        alive[:] = False
        left = np.arange(len(first))
        while len(left):
            # A later column cannot beat an earlier one.
            alive[left[0]] = True
            left = left[_not_beaten_by(distinct[:, left[:1]], distinct[:, left])][1:]
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
