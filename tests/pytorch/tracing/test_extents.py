"""What is said about symbolic sizes, against their values at many points."""

from collections.abc import Callable, Iterator
from itertools import product
from random import Random
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from flopcalc.pytorch.tracing import extents
from flopcalc.pytorch.tracing.extents import unwrapped
from flopcalc.pytorch.tracing.nodes import Node, wrapped
from flopcalc.pytorch.tracing.sizes import equal
from flopcalc.symbolic.conditions import allows
from flopcalc.symbolic.evaluating import evaluate
from flopcalc.symbolic.scope import Scope

SEEDS = range(60)
POINTS = [{"H": h, "W": w} for h, w in product((1, 2, 3, 4, 5, 7, 8, 12, 16, 30), repeat=2)]


def _size(random: Random, scope: Any, depth: int = 2) -> Any:
    """A size made of symbols and small numbers, as torch's and a forward's arithmetic make them; it may be negative."""
    if depth == 0 or random.random() < 0.2:
        return random.choice((scope.symbol("H"), scope.symbol("W"), random.randint(0, 4)))
    one, other = (_size(random, scope, depth - 1) for _ in range(2))
    how = random.randint(0, 4)
    if how == 0:
        return one + other
    if how == 1:
        return one - random.randint(0, 3)
    if how == 2:
        return one * other
    if how == 3:
        return one * random.randint(1, 3)
    return one // random.randint(2, 4)


def _pairs() -> Iterator[tuple[Any, Any, Any]]:
    """Two sizes in a scope of their own: any, two that differ by a number, and a multiple of the other."""
    for seed in SEEDS:
        random = Random(seed)  # noqa: S311 (not for secrets)
        scope = Scope({"H": random.choice((6, 8, 9)), "W": random.choice((4, 6, 8))})
        one = _size(random, scope)
        other = (_size(random, scope), one + random.randint(-2, 2), one * random.randint(1, 3))[seed % 3]
        yield scope, one, other


def _at(value: Any, point: dict[str, int]) -> Any:
    return evaluate(unwrapped(value), point)


def _everywhere(scope: Any, one: Any, other: Any, holds: Callable[[Any, Any], bool]) -> bool:
    return all(holds(_at(one, point), _at(other, point)) for point in POINTS if allows(scope, point))


@pytest.mark.parametrize("form", [lambda one: one, wrapped], ids=["sizes", "as torch has them"])
def test_same_and_differs(form: Callable[[Any], Any]) -> None:
    """What they say holds at all points, and nothing is decided; of two that differ by a number they always know."""
    known = 0
    for scope, one, other in _pairs():
        same, differs = (ask(form(one), form(other)) for ask in (extents.same, extents.differs))
        assert not scope.conditions
        assert not same or _everywhere(scope, one, other, lambda a, b: a == b)
        assert not differs or _everywhere(scope, one, other, lambda a, b: a != b)
        assert not (same and differs)
        gap = unwrapped(one) - unwrapped(other)
        if isinstance(gap, int):
            assert (same, differs) == (not gap, bool(gap))
        known += same or differs
    assert known > len(SEEDS) // 3


@pytest.mark.parametrize("form", [lambda one: one, wrapped], ids=["sizes", "as torch has them"])
def test_below(form: Callable[[Any], Any]) -> None:
    """Wherever the conditions hold, it is never more where it is below, and never less where it is not."""
    decided = 0
    for scope, one, other in _pairs():
        below = extents.below(form(one), form(other))
        assert _everywhere(scope, one, other, (lambda a, b: a <= b) if below else (lambda a, b: a >= b))
        decided += bool(scope.conditions)
        gap = unwrapped(other) - unwrapped(one)
        if isinstance(gap, int):
            assert (below, scope.conditions) == (gap > 0, [])
    assert 0 < decided < len(SEEDS) // 2


# Of a size and another, and those of which it is not known: they are the same at some sizes.
DIFFER: list[Callable[[Any, Any], tuple[Any, Any]]] = [
    lambda h, w: (h, 0),
    lambda h, w: (0, h),
    lambda h, w: (h + w, 1),
    lambda h, w: (2 * h, h),
    lambda h, w: (h, -w),
    lambda h, w: (h * w, -3),
]
MAY_DIFFER: list[Callable[[Any, Any], tuple[Any, Any]]] = [
    lambda h, w: (h, 1),
    lambda h, w: (1, h),
    lambda h, w: (h, w),
    lambda h, w: (2 * h, h + 1),
    lambda h, w: (h, h * w),
]


@pytest.mark.parametrize(("pairs", "expected"), [(DIFFER, True), (MAY_DIFFER, False)])
def test_what_differs_at_all_sizes(pairs: list[Callable[[Any, Any], tuple[Any, Any]]], expected: bool) -> None:
    """Sizes are 1 or more; nothing is decided."""
    scope: Any = Scope({"H": 8, "W": 6})
    for pair in pairs:
        one, other = pair(scope.symbol("H"), scope.symbol("W"))
        assert extents.differs(one, other) is expected, (one, other)
        assert not extents.same(one, other)
    assert not scope.conditions


def test_a_size_of_torch_that_holds_a_number() -> None:
    """It is that number."""
    scope: Any = Scope({"H": 8})
    three = torch.SymInt(Node(3, scope))
    assert extents.same(three, 3)
    assert extents.same(3, three)
    assert not extents.same(three, 4)
    assert not extents.same(three, scope.symbol("H"))
    assert extents.differs(three, 4)
    assert extents.below(three, 4)
    assert not extents.below(three, 3)


def test_a_size_that_is_mostly_above() -> None:
    """Of 8 rows and 2 it is decided, since one row is less."""
    scope: Any = Scope({"H": 8})
    assert not extents.below(scope.symbol("H"), 2)
    assert [size for size in range(1, 5) if allows(scope, {"H": size})] == [2, 3, 4]


def test_below_where_it_is_known() -> None:
    """A size that is never more is below, and one that is never less is not; a number may be on either side."""
    scope: Any = Scope({"H": 8, "W": 6})
    h, w = scope.symbol("H"), scope.symbol("W")
    for one, other in ((1, h), (0, h), (1 - h, 0), (0, h - 1), (h, h * w), (1, 2), (-w, 1)):
        assert extents.below(one, other), (one, other)
    for one, other in ((h, 1), (h, 0), (0, 1 - h), (h - 1, 0), (h * w, h), (2, 1), (1, 1), (1, -w)):
        assert not extents.below(one, other), (one, other)
    assert not scope.conditions


def test_quotient() -> None:
    """The quotient rounded down, wherever the conditions hold; of a multiple it is exact, and decides nothing."""
    for seed in SEEDS:
        random = Random(seed)  # noqa: S311 (not for secrets)
        scope: Any = Scope({"H": random.choice((6, 8, 9)), "W": random.choice((4, 6, 8))})
        bottom: Any = random.choice((scope.symbol("H"), 2 * scope.symbol("W"), scope.symbol("H") + 1, 3))
        share = _size(random, scope, 1)
        top = share * bottom if seed % 2 else _size(random, scope)
        found = extents.quotient(top, bottom)
        assert all(
            _at(found, point) == _at(top, point) // _at(bottom, point) for point in POINTS if allows(scope, point)
        ), (seed, top, bottom, found)
        if seed % 2:
            assert extents.same(found, share)
            assert not scope.conditions


def test_quotient_under_equalities() -> None:
    """Where the scope has an equality, it is used: of 2 H rows in windows of H / 2 there are 4."""
    scope: Any = Scope({"H": 8, "W": 16})
    h, w = scope.symbol("H"), scope.symbol("W")
    assert h * 2 == w
    assert extents.quotient(w, h) == 2
    assert extents.quotient(w * w, h * 2) == w
    assert all(point["W"] == 2 * point["H"] for point in POINTS if allows(scope, point))


def test_equal_shapes() -> None:
    """Shapes are compared as expressions: equal only if they are the same, and nothing is decided about them."""
    for scope, one, other in _pairs():
        shapes = ((one, 3), (other, 3))
        found = equal(*shapes)
        assert not scope.conditions
        assert found == equal(*(tuple(map(wrapped, shape)) for shape in shapes))
        assert not scope.conditions
        gap = unwrapped(one) - unwrapped(other)
        assert found == (isinstance(gap, int) and not gap)
    assert equal((2, 3), [2, 3])
    assert not equal((2, 3), (2, 4))
