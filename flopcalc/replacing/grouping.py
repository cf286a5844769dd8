"""Short `--replace` clauses that give each convolution the operator that was chosen for it.

A clause selects layers by their fields, such as `stage == "layer3"` or `c_in >= 256 and k == 3`. It may also select a
layer to which its operator does not apply, or which an earlier clause has. Sets of layers are bits of an int.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, permutations
from typing import Any, NamedTuple

from flopcalc.replacing import clause
from flopcalc.replacing.decide import Plan, Request, Spot, applied, decide, fields_of
from flopcalc.spec.operator import Evaluation

# A clause that selects fewer layers names them.
_FEWEST = 3
# An expression may have 1000 characters.
_LONGEST = 900
# The order of more operators than this is that of the layers.
_MOST_ORDERED = 4
_WORDS = ("stage", "type")
_NUMBERS = ("k", "c_in", "c_out", "stride", "groups", "h", "index")
_TRUTHS = ("first", "last", "depthwise", "pointwise")


class _Test(NamedTuple):
    """A condition: the layers for which it holds at all their sizes, and at any of them."""

    text: str
    every: int
    some: int


def clauses_for(spots: Sequence[Spot], chosen: Sequence[Request | None]) -> tuple[Request, ...]:
    """Requests that, in this order, give each spot the operator that is chosen for it; None: it stays.

    A request of `chosen` has no clause, and applies to its spot.
    """
    wanted: dict[str, int] = {}
    requests: dict[str, Request] = {}
    for place, request in enumerate(chosen):
        if request is not None:
            wanted[request.label] = wanted.get(request.label, 0) | 1 << place
            requests[request.label] = request
    tests = list(_tests(spots))
    able = {label: _able(request, spots) for label, request in requests.items()}
    own = {label: _by_policy(request, spots) for label, request in requests.items()}
    orders = permutations(requests) if len(requests) <= _MOST_ORDERED else [tuple(requests)]
    found = []
    for order in orders:
        plan: list[Request] = []
        rest = (1 << len(spots)) - 1
        for label in order:
            plan += _of_one(requests[label], wanted[label], able[label] & rest, own[label] & rest, tests, spots)
            rest &= ~wanted[label]
        found.append(tuple(plan))
    return min(found, key=lambda plan: sum(len(request.text) + 20 for request in plan), default=())


def by_name(spots: Sequence[Spot], chosen: Sequence[Request | None]) -> tuple[Request, ...]:
    """The same by the names of the layers, which no other layer has."""
    groups: dict[str, tuple[Request, list[str]]] = {}
    for spot, request in zip(spots, chosen, strict=True):
        if request is not None:
            groups.setdefault(request.label, (request, []))[1].append(spot.name)
    return tuple(one for request, names in groups.values() for one in _named(request, names))


def _named(request: Request, names: Sequence[str]) -> Iterator[Request]:
    texts: list[str] = []
    for name in names:
        text = f'name == "{name}"'
        if texts and len(" or ".join([*texts, text])) > _LONGEST:
            yield request._replace(where=" or ".join(texts))
            texts = []
        texts.append(text)
    if texts:
        yield request._replace(where=" or ".join(texts))


def _able(request: Request, spots: Sequence[Spot]) -> int:
    """The spots to which the operator applies, whatever its policy is."""
    found = 0
    for place, spot in enumerate(spots):
        if all(isinstance(applied(request, spot, g, ("true",)), Evaluation) for g in spot.geometries):
            found |= 1 << place
    return found


def _by_policy(request: Request, spots: Sequence[Spot]) -> int:
    """The spots that a request without a clause takes."""
    decisions = decide(spots, Plan((request,)), ())
    return sum(1 << place for place, decision in enumerate(decisions) if decision.request is not None)


def _of_one(
    request: Request, wanted: int, able: int, own: int, tests: Sequence[_Test], spots: Sequence[Spot]
) -> Iterator[Request]:
    """Requests with this operator that take exactly the wanted spots of those that it is able to take."""
    if own == wanted:
        yield request
        return
    forbidden = able & ~wanted
    allowed = [test for test in tests if not test.some & forbidden]
    if any(test.every & wanted == wanted for test in allowed):
        pairs: list[_Test] = []
    else:
        # Two conditions, of which each by itself selects too much.
        near = [test for test in tests if test.some & forbidden and test.every & wanted]
        pairs = [
            _Test(f"{a.text} and {b.text}", a.every & b.every, a.some & b.some)
            for a, b in combinations(near, 2)
            if not a.some & b.some & forbidden
        ]
    left = wanted
    while left:
        best = max(
            (*allowed, *pairs),
            key=lambda test: ((test.every & left).bit_count(), -len(test.text)),
            default=_Test("", 0, 0),
        )
        covered = best.every & left
        if covered.bit_count() < _FEWEST and covered != left:
            break
        if not covered:
            break
        yield request._replace(where=best.text)
        left &= ~covered
    yield from _named(request, [spot.name for place, spot in enumerate(spots) if left >> place & 1])


def _tests(spots: Sequence[Spot]) -> Iterator[_Test]:
    """Single conditions on fields that hold for some spots."""
    rows = [[fields_of(spot, g, policy=False) for g in spot.geometries] for spot in spots]
    for name in (*_WORDS, *_NUMBERS):
        values = dict.fromkeys(fields[name] for row in rows for fields in row)
        numeric = all(isinstance(value, int) for value in values)
        for value in values:
            written = value if isinstance(value, int) else f'"{value}"'
            signs = ("==", "<=", ">=") if numeric and name != "k" else ("==",)
            for sign in signs if len(values) > 1 else ():
                yield _test(f"{name} {sign} {written}", rows)
    for name in _TRUTHS:
        yield _test(name, rows)
        yield _test(f"not {name}", rows)


def _test(text: str, rows: Sequence[Sequence[Mapping[str, Any]]]) -> _Test:
    every = some = 0
    for place, row in enumerate(rows):
        held = [clause.holds(text, fields) for fields in row]
        every |= all(held) << place
        some |= any(held) << place
    return _Test(text, every, some)
