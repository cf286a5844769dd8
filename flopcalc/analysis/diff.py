"""The difference of two networks, layer by layer: layers that are the same, changed, added, removed or renamed.

It works on layer records, the `layers` of `flopcalc/model/1`, so that a saved record can be compared too.
"""

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any, Literal, NamedTuple

from flopcalc.cost.convention import Convention

Record = dict[str, Any]
Status = Literal["same", "renamed", "changed", "removed", "added"]
# The fields that are compared; `cost` is the number of the chosen convention.
_COMPARED = ("params", "macs", "flops", "activations", "traffic", "steps", "cost")
# Two layers that are equal in these fields can be one layer under two names.
_SIGNATURE = ("type", "in", "out", "params", "macs", "flops")
# With more insertions and deletions, renamed layers are aligned by a faster, inexact method.
_MOST_EDITS = 1500


class Match(NamedTuple):
    """A layer of the first network, the second, or both. changes: the fields that differ."""

    status: Status
    first: Record | None
    second: Record | None
    changes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the layer in the second network, or in the first if it was removed."""
        return str((self.second or self.first or {})["name"])

    def delta(self, kind: str) -> int:
        """The cost of one kind in the second network minus that in the first."""
        return sum(sign * one[kind] for sign, one in ((1, self.second), (-1, self.first)) if one is not None)


def match_layers(first: Sequence[Record], second: Sequence[Record]) -> list[Match]:
    """Match the layers of two networks, in the order of the second, with removed layers at their old place.

    Layers match by name. Layers whose name is in one network only match if they have the same type, shapes and
    cost, and the same order in both networks: they were renamed. If the last piece of a name is a number, it is an
    index, which changes when a layer is inserted before it; so is the number of a call (`relu#2`). Such a layer is
    also matched by its type, shapes and cost if the layer with the same name differs.
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
    # The rest match by name: these layers changed.
    for i in loose:
        j = index.get(first[i]["name"])
        if i not in pairs and j is not None and j not in taken:
            pairs[i] = j
    return list(_in_order(first, second, pairs))


def _is_place(layer: Record) -> bool:
    # A record of an older version has no calls.
    return layer.get("calls", 1) > 1 or bool(layer["name"].rpartition(".")[2].replace("#", "").isdigit())


def _signature(layer: Record) -> tuple[Any, ...]:
    return tuple(tuple(layer[key]) if isinstance(layer[key], list) else layer[key] for key in _SIGNATURE)


def aligned(first: Sequence[Any], second: Sequence[Any]) -> list[tuple[int, int]]:
    """Index pairs of a longest common subsequence. Items that the other sequence does not have are removed first."""
    here, there = set(first), set(second)
    a = [i for i, item in enumerate(first) if item in there]
    b = [j for j, item in enumerate(second) if item in here]
    one, other = [first[i] for i in a], [second[j] for j in b]
    found = _common(one, other)
    if found is None:
        # Too many edits for the exact method: match the longest blocks first.
        blocks = SequenceMatcher(None, one, other).get_matching_blocks()
        found = [(block.a + k, block.b + k) for block in blocks for k in range(block.size)]
    return [(a[i], b[j]) for i, j in found]


def _common(a: Sequence[Any], b: Sequence[Any]) -> list[tuple[int, int]] | None:
    """A longest common subsequence as index pairs (Myers' greedy algorithm); None beyond _MOST_EDITS edits.

    After d insertions and deletions, `ends[k]` is the position in `a` that the best path on diagonal k has reached.
    The time grows with the number of edits, so two versions of a large network are compared quickly.
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
        "a": _side(first),
        "b": _side(second),
        "difference": {kind: second[kind] - first[kind] for kind in _COMPARED},
        "ratio": {kind: second[kind] / first[kind] if first[kind] else None for kind in _COMPARED},
        "counts": counts,
        "layers": [match_row(match) for match in matches],
        "dtype": second["dtype"],
        "convention": convention.name,
    }


def _side(record: Record) -> Record:
    # How a model was counted, and what became of a replacement (not in records of older versions); the notes on a
    # description or a convention are for those who look at it alone.
    notes = record["notes"] if record.get("modules") else record.get("replace_notes", [])
    return {**{key: record[key] for key in _OF_NETWORK}, "replaced": record.get("replaced", 0), "notes": notes}


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
