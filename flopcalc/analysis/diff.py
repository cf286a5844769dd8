"""Two networks, layer by layer: what stayed, changed, came, went, and what only got another name.

Works on layer records, the `layers` of `flopcalc/model/1`, so that a record that was written down
earlier serves as well. Pure data in, pure data out.
"""

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any, Literal, NamedTuple

from flopcalc.cost.convention import Convention

Record = dict[str, Any]
Status = Literal["same", "renamed", "changed", "removed", "added"]
# What is compared; `cost` is the number of the chosen convention.
_COMPARED = ("params", "macs", "flops", "activations", "traffic", "steps", "cost")
# What a layer is, apart from its name.
_SIGNATURE = ("type", "in", "out", "params", "macs", "flops")
# The exact way of aligning renamed layers is left beyond so many insertions and deletions.
_MOST_EDITS = 1500


class Match(NamedTuple):
    """A layer in the first network, the second, or both. changes: which of its fields differ."""

    status: Status
    first: Record | None
    second: Record | None
    changes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The layer's name, in the second network where it is there."""
        return str((self.second or self.first or {})["name"])

    def delta(self, kind: str) -> int:
        """How much more the second has of one kind."""
        return sum(sign * one[kind] for sign, one in ((1, self.second), (-1, self.first)) if one is not None)


def match_layers(first: Sequence[Record], second: Sequence[Record]) -> list[Match]:
    """Match the layers of two networks, in the order of the second, removed ones where they stood.

    A layer is its name. Where a name is in one network only, layers of equal type, shapes and cost that
    follow one another in both are the same under another name. The last piece of a name that is a number
    tells a place in a list, not what stands there: such a layer is looked for elsewhere as well when
    what stands at its place is no longer equal.
    """
    index = {layer["name"]: j for j, layer in enumerate(second)}
    pairs: dict[int, int] = {}
    loose: list[int] = []
    for i, layer in enumerate(first):
        j = index.get(layer["name"])
        if j is None or (_is_place(layer) and _signature(layer) != _signature(second[j])):
            loose.append(i)
        else:
            pairs[i] = j
    taken = set(pairs.values())
    free = [j for j in range(len(second)) if j not in taken]
    found = aligned([_signature(first[i]) for i in loose], [_signature(second[j]) for j in free])
    pairs |= {loose[a]: free[b] for a, b in found}
    taken = set(pairs.values())
    # What is left under its old name has changed there.
    for i in loose:
        j = index.get(first[i]["name"])
        if i not in pairs and j is not None and j not in taken:
            pairs[i] = j
    return list(_in_order(first, second, pairs))


def _is_place(layer: Record) -> bool:
    return bool(layer["name"].rpartition(".")[2].isdigit())


def _signature(layer: Record) -> tuple[Any, ...]:
    return tuple(tuple(layer[key]) if isinstance(layer[key], list) else layer[key] for key in _SIGNATURE)


def aligned(first: Sequence[Any], second: Sequence[Any]) -> list[tuple[int, int]]:
    """Places of equal items, in order, as many as there can be. What the other side has not is left out first."""
    here, there = set(first), set(second)
    a = [i for i, item in enumerate(first) if item in there]
    b = [j for j, item in enumerate(second) if item in here]
    one, other = [first[i] for i in a], [second[j] for j in b]
    found = _common(one, other)
    if found is None:
        # Far apart, and too many for the exact way: long runs first.
        blocks = SequenceMatcher(None, one, other).get_matching_blocks()
        found = [(block.a + k, block.b + k) for block in blocks for k in range(block.size)]
    return [(a[i], b[j]) for i, j in found]


def _common(a: Sequence[Any], b: Sequence[Any]) -> list[tuple[int, int]] | None:
    """A longest common subsequence as pairs of places (Myers' greedy way); None beyond _MOST_EDITS.

    After d insertions and deletions, `ends[k]` is how far in `a` the best path on diagonal k has come. The
    time goes with the number of edits, so that two versions of a large network are quick.
    """
    n, m = len(a), len(b)
    trace: list[dict[int, int]] = [{1: 0}]
    for d in range(_MOST_EDITS + 1):
        ends, now = trace[-1], {}
        for k in range(2 * max(0, d - m) - d, d - 2 * max(0, d - n) + 1, 2):
            x = ends[k + 1] if ends.get(k - 1, -1) < ends.get(k + 1, -1) else ends[k - 1] + 1
            while x < n and x - k < m and a[x] == b[x - k]:
                x += 1
            now[k] = x
        trace.append(now)
        if now.get(n - m) == n:
            return _path(trace, n, m)
    return None


def _path(trace: list[dict[int, int]], n: int, m: int) -> list[tuple[int, int]]:
    """The equal items on the way back from (n, m)."""
    pairs: list[tuple[int, int]] = []
    x, k = n, n - m
    for ends in reversed(trace[:-1]):
        down = ends.get(k - 1, -1) < ends.get(k + 1, -1)
        start = ends[k + 1] if down else ends[k - 1] + 1
        pairs += [(place, place - k) for place in range(x - 1, start - 1, -1)]
        x, k = (start, k + 1) if down else (start - 1, k - 1)
    return pairs[::-1]


def _in_order(first: Sequence[Record], second: Sequence[Record], pairs: dict[int, int]) -> list[Match]:
    back = {j: i for i, j in pairs.items()}
    matches: list[Match] = []
    shown = 0
    for j, layer in enumerate(second):
        i = back.get(j)
        if i is None:
            matches.append(Match("added", None, layer))
            continue
        matches += [Match("removed", first[k], None) for k in range(shown, i) if k not in pairs]
        shown = max(shown, i + 1)
        matches.append(_pair(first[i], layer))
    return [*matches, *(Match("removed", first[k], None) for k in range(shown, len(first)) if k not in pairs)]


def _pair(one: Record, other: Record) -> Match:
    changes = tuple(key for key in ("type", "in", "out", *_COMPARED) if one[key] != other[key])
    if changes:
        return Match("changed", one, other, changes)
    return Match("same" if one["name"] == other["name"] else "renamed", one, other)


_OF_NETWORK = ("name", "title", "input", "inputs", "batch", "options", "replace", *_COMPARED, "uncounted")


def diff_record(first: Record, second: Record, convention: Convention) -> Record:
    """`flopcalc/diff/1` from two records of `flopcalc/model/1` under one convention, ready for JSON."""
    matches = match_layers(first["layers"], second["layers"])
    counts = dict.fromkeys(("same", "renamed", "changed", "removed", "added"), 0)
    for match in matches:
        counts[match.status] += 1
    return {
        "schema": "flopcalc/diff/1",
        "a": {key: first[key] for key in _OF_NETWORK},
        "b": {key: second[key] for key in _OF_NETWORK},
        "difference": {kind: second[kind] - first[kind] for kind in _COMPARED},
        "ratio": {kind: second[kind] / first[kind] if first[kind] else None for kind in _COMPARED},
        "counts": counts,
        "layers": [match_row(match) for match in matches],
        "dtype": second["dtype"],
        "convention": convention.name,
    }


def match_row(match: Match) -> Record:
    """A match as plain data."""
    before, after = match.first, match.second
    return {
        "status": match.status,
        "name": match.name,
        "was": before["name"] if before and after and before["name"] != after["name"] else None,
        "changes": list(match.changes),
        "difference": {kind: match.delta(kind) for kind in _COMPARED},
        "a": before,
        "b": after,
    }
