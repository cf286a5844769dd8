"""Symbolic sizes as torch's SymInt, so that torch's own code computes with them.

A `torch.SymInt` holds any object with the methods of a SymNode (c10/core/SymNodeImpl.h); torch's C++ calls them, and so
do the operators of SymInt in Python. A node here holds a `Size`. Where torch or the user's code needs a plain number or
a decision, the scope of the size records it as a condition.
"""

import math
import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any, ClassVar, cast

import torch

from flopcalc.pytorch.tracing.extents import quotient
from flopcalc.pytorch.tracing.truth import Truth
from flopcalc.symbolic.scope import Scope
from flopcalc.symbolic.size import Size, largest, smallest


class Node:
    """A whole number: a Size, or an int that meets one."""

    __slots__ = ("scope", "value")

    # The class of numbers with a fraction, which sets itself.
    real: ClassVar[Any] = None

    def __init__(self, value: Any, scope: Scope) -> None:
        self.value = value
        self.scope = scope

    # What torch asks about a node.

    def is_int(self) -> bool:
        return True

    def is_float(self) -> bool:
        return False

    def is_bool(self) -> bool:
        return False

    def is_nested_int(self) -> bool:
        return False

    def nested_int(self) -> None:
        return None

    def is_symbolic(self) -> bool:
        return True

    def is_constant(self) -> bool:
        return not isinstance(self.value, Size)

    def has_hint(self) -> bool:
        return True

    def clone(self) -> "Node":
        return self

    def __repr__(self) -> str:
        return str(self.value)

    # Assertions write sizes into their messages, so this fixes none. Where a forward looks a text up, the comparison
    # with the count at the given sizes finds the difference.
    __str__ = _graph_repr = __repr__

    def __deepcopy__(self, memo: Any) -> "Node":
        return self

    def wrap_int(self, value: int) -> "Node":
        return Node(value, self.scope)

    def wrap_float(self, value: float) -> Any:
        return self.real(Fraction(value) if math.isfinite(value) else value, self.scope)

    def wrap_bool(self, value: bool) -> "Node":
        # As Python has it: a size is compared with 1 or 0.
        return Node(int(value), self.scope)

    # A plain number.

    def maybe_as_int(self) -> int | None:
        return None if isinstance(self.value, Size) else int(self.value)

    constant_int = maybe_as_int

    def guard_int(self, file: str, line: int) -> int:
        return int(self.scope.fix(self.value))

    def int_(self) -> int:
        return int(self.scope.fix(self.value))

    # Arithmetic.

    def add(self, other: "Node") -> "Node":
        return Node(self.value + other.value, self.scope)

    def sub(self, other: "Node") -> "Node":
        return Node(self.value - other.value, self.scope)

    def mul(self, other: "Node") -> "Node":
        return Node(self.value * other.value, self.scope)

    def int_floordiv(self, other: "Node") -> "Node":
        return Node(quotient(self.value, other.value), self.scope)

    floordiv = int_floordiv

    def mod(self, other: "Node") -> "Node":
        return Node(self.value % other.value, self.scope)

    def pow_by_natural(self, other: "Node") -> "Node":
        return Node(self.value ** self.scope.fix(other.value), self.scope)

    pow = pow_by_natural

    def neg(self) -> "Node":
        return Node(-self.value, self.scope)

    def pos(self) -> "Node":
        return self

    def abs(self) -> "Node":
        return Node(abs(self.value), self.scope)

    def floor(self) -> "Node":
        return self

    ceil = trunc = round = sym_int = floor

    def sym_max(self, other: "Node") -> "Node":
        return Node(largest(self.value, other.value), self.scope)

    def sym_min(self, other: "Node") -> "Node":
        return Node(smallest(self.value, other.value), self.scope)

    def sym_sum(self, args: "list[Node]") -> "Node":
        return Node(sum(one.value for one in args), self.scope)

    def sym_float(self) -> Any:
        return self.real(self.value, self.scope)

    def int_truediv(self, other: "Node") -> Any:
        return self.sym_float().float_truediv(other.sym_float())

    truediv = int_truediv

    # Comparisons: decided only where the answer is used.

    def eq(self, other: "Node") -> Truth:
        return Truth(self, "==", other)

    def ne(self, other: "Node") -> Truth:
        return Truth(self, "!=", other)

    def lt(self, other: "Node") -> Truth:
        return Truth(self, "<", other)

    def le(self, other: "Node") -> Truth:
        return Truth(self, "<=", other)

    def gt(self, other: "Node") -> Truth:
        return Truth(self, ">", other)

    def ge(self, other: "Node") -> Truth:
        return Truth(self, ">=", other)


# In the class, it would take the name of the type.
Node.str = Node.__repr__  # type: ignore[attr-defined]


def _on_numbers(function: Callable[..., Any]) -> Callable[..., Any]:
    """An operation for which there is no form: on the numbers, which are then fixed."""

    def run(self: Node, *others: Node) -> Node:
        return Node(function(*(self.scope.fix(one.value) for one in (self, *others))), self.scope)

    return run


for _name in ("lshift", "rshift"):
    setattr(Node, _name, _on_numbers(getattr(operator, _name)))
for _name, _function in {"and": operator.and_, "or": operator.or_, "xor": operator.xor}.items():
    setattr(Node, f"bitwise_{_name}", _on_numbers(_function))


def wrapped(value: Any) -> Any:
    """A size as torch takes it: a SymInt for a Size, and an int as it is."""
    if type(value) is not Size:
        return value
    return torch.SymInt(Node(value, cast("Scope", value.scope)))  # type: ignore[no-untyped-call]
