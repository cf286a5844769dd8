"""Random expressions as trees, with plain arithmetic and with symbols."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from flopcalc.symbolic.scope import Scope
from flopcalc.symbolic.size import largest, smallest
from flopcalc.text.expression import evaluate as read

NAMES = "NHW"


def scope_of(**hints: int) -> Scope:
    return Scope(hints or {"N": 3, "H": 224, "W": 288})


# Expressions as trees: they are computed on symbols, and on plain numbers with Python's own arithmetic.
_LEAVES = st.one_of(st.sampled_from(NAMES), st.integers(-20, 20))


def _trees(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    by = st.sampled_from([2, 3, 4, 7, 16])
    return st.one_of(
        st.tuples(st.sampled_from(["+", "-", "*"]), inner, inner),
        st.tuples(st.sampled_from(["//", "%", "ceil", "half"]), inner, by),
        st.tuples(st.sampled_from(["max", "min"]), inner, inner),
        st.tuples(st.just("divisible"), inner, st.sampled_from([4, 8])),
    )


TREES = st.recursive(_LEAVES, _trees, max_leaves=8)
PLAIN: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "ceil": lambda a, b: -(-a // b),
    "half": lambda a, b: math.floor(Fraction(a, b) + Fraction(1, 2)),
    "max": max,
    "min": min,
    "divisible": lambda a, b: read("divisible(a, b)", {"a": a, "b": b}),
}
SYMBOLIC: dict[str, Callable[[Any, Any], Any]] = PLAIN | {
    "half": lambda a, b: math.floor(a * Fraction(1, b) + Fraction(1, 2)),
    "max": largest,
    "min": smallest,
}


def value_of(tree: Any, names: dict[str, Any], how: dict[str, Callable[[Any, Any], Any]]) -> Any:
    if isinstance(tree, tuple):
        return how[tree[0]](value_of(tree[1], names, how), value_of(tree[2], names, how))
    return names.get(tree, tree)
