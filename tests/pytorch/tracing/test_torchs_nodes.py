"""What torch asks about a size, a number or a statement: the answers are those of torch's own symbolic nodes."""

from collections.abc import Callable
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")
pytest.importorskip("sympy")

import flopcalc.pytorch.tracing.reals  # noqa: F401 (a size divided is one)
from flopcalc.pytorch.tracing.nodes import wrapped
from flopcalc.symbolic.scope import Scope

SIZES = (20, 30)
ASKED = ("is_int", "is_float", "is_bool", "is_nested_int", "is_symbolic", "is_constant", "has_hint", "maybe_as_int")
MADE: dict[str, Callable[[Any, Any], Any]] = {
    "a size": lambda h, w: h,
    "a sum": lambda h, w: h + 2 * w - 1,
    "a product": lambda h, w: h * w,
    "rounded down": lambda h, w: h // 7,
    "a quotient": lambda h, w: h / w,
    "a half": lambda h, w: h / 2,
    "a size as a float": lambda h, w: torch.sym_float(h),
    "a comparison": lambda h, w: h > w,
    "not": lambda h, w: torch.sym_not(h > w),
    "and": lambda h, w: (h > w) & (h > 3),
    "or": lambda h, w: (h > w) | (w > 3),
}


def _by_torch() -> tuple[Any, Any]:
    """Two sizes as torch's compiler has them."""
    from torch._dynamo.source import ConstantSource
    from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv

    environment = ShapeEnv()
    found = []
    for number, size in enumerate(SIZES):
        source = ConstantSource(f"size{number}")
        symbol = environment.create_symbol(size, source, dynamic_dim=DimDynamic.DYNAMIC)
        found.append(environment.create_symintnode(symbol, hint=size, source=source))
    return found[0], found[1]


@pytest.mark.parametrize("name", MADE)
def test_answers(name: str) -> None:
    """Of each kind of node; nothing is decided."""
    scope: Any = Scope(dict(zip("HW", SIZES, strict=True)))
    ours = MADE[name](*(wrapped(scope.symbol(one)) for one in "HW"))
    theirs = MADE[name](*_by_torch())
    assert type(ours) is type(theirs)
    assert {one: getattr(ours.node, one)() for one in ASKED} == {one: getattr(theirs.node, one)() for one in ASKED}
    assert not scope.conditions


CONSTANT: dict[str, Callable[[Any], Any]] = {
    "a difference": lambda h: h - h + 3,
    "a rest": lambda h: (4 * h) % 2,
    "a quotient": lambda h: (3 * h) // h,
}


@pytest.mark.parametrize("name", CONSTANT)
def test_what_is_the_same_for_all_sizes_is_a_number(name: str) -> None:
    """Torch may take it for one without asking; it is that of ints, and nothing is decided."""
    scope: Any = Scope({"H": 20})
    found = CONSTANT[name](wrapped(scope.symbol("H")))
    assert (type(found), found) == (int, CONSTANT[name](20))
    assert not scope.conditions


def test_a_node_of_a_number() -> None:
    """A node may hold one: it says so, and which."""
    scope: Any = Scope({"H": 20})
    ours, theirs = wrapped(scope.symbol("H")).node, _by_torch()[0].node
    found = [node.sub(node).add(node.wrap_int(3)) for node in (ours, theirs)]
    assert [one.maybe_as_int() for one in found] == [3, 3]
    assert found[0].is_constant()
