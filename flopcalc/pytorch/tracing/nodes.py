"""Symbolic sizes as torch's SymInt, so that torch's own code computes with them.

A `torch.SymInt` holds any object with the methods of a SymNode (c10/core/SymNodeImpl.h); torch's C++ calls them, and so
do the operators of SymInt in Python. A node here holds a `Size`. Where torch or the user's code needs a plain number or
a decision, the scope of the size records it as a condition.
"""

import math
import operator
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import torch

from flopcalc.symbolic.scope import Scope
from flopcalc.symbolic.size import Number, Size, hint_of, is_whole, largest, smallest

# A product with a number of more digits may be rounded to another whole number by floating point.
_DIGITS = 2**20


class Node:
    """A whole number: a Size, or an int that meets one."""

    __slots__ = ("scope", "value")

    def __init__(self, value: Any, scope: Scope) -> None:
        self.value = value
        self.scope = scope

    def _new(self, value: Any) -> "Node":
        return Node(value, self.scope)

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

    def str(self) -> str:
        return str(self.value)

    _graph_repr = __str__ = __repr__ = str

    def __deepcopy__(self, memo: Any) -> "Node":
        return self

    def wrap_int(self, value: int) -> "Node":
        return Node(value, self.scope)

    def wrap_float(self, value: float) -> "Real":
        return Real(Fraction(value) if math.isfinite(value) else value, self.scope)

    def wrap_bool(self, value: bool) -> "Truth":
        return Truth(value, "is", scope=self.scope)

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
        return self._new(-self.value)

    def pos(self) -> "Node":
        return self

    def abs(self) -> "Node":
        return self._new(abs(self.value))

    def floor(self) -> "Node":
        return self

    ceil = trunc = round = sym_int = floor

    def sym_max(self, other: "Node") -> "Node":
        return Node(largest(self.value, other.value), self.scope)

    def sym_min(self, other: "Node") -> "Node":
        return Node(smallest(self.value, other.value), self.scope)

    def sym_sum(self, args: "list[Node]") -> "Node":
        return Node(sum(one.value for one in args), self.scope)

    def sym_float(self) -> "Real":
        return Real(self.value, self.scope)

    def int_truediv(self, other: "Node") -> "Real":
        return self.sym_float().float_truediv(other.sym_float())

    truediv = int_truediv

    # Comparisons: decided only where the answer is used.

    def eq(self, other: "Node") -> "Truth":
        return Truth(self, "==", other)

    def ne(self, other: "Node") -> "Truth":
        return Truth(self, "!=", other)

    def lt(self, other: "Node") -> "Truth":
        return Truth(self, "<", other)

    def le(self, other: "Node") -> "Truth":
        return Truth(self, "<=", other)

    def gt(self, other: "Node") -> "Truth":
        return Truth(self, ">", other)

    def ge(self, other: "Node") -> "Truth":
        return Truth(self, ">=", other)


def quotient(top: Any, bottom: Any) -> Any:
    """A size divided by another, rounded down.

    Under the equalities of the scope it may be an expression where it is none without: the number of windows of a map
    that is divided into windows.
    """
    if not isinstance(bottom, Size):
        return top // bottom
    scope: Any = bottom.scope
    for change in (lambda one: one, scope.reduced):
        try:
            found = change(top) / change(bottom)
        except TypeError:
            continue
        if is_whole(found):
            return found
    for found in _likely(scope, Fraction(hint_of(top), hint_of(bottom))):
        # Only where it is the quotient wherever the conditions hold, which is no condition of its own.
        with scope.holding() as held:
            if top - found * bottom == 0 and not held:
                return found
    return top // bottom


def _likely(scope: Any, share: Fraction) -> Iterator[Any]:
    """Multiples of one symbol, and numbers, that have this value at the reference point."""
    for symbol in map(scope.symbol, scope.hints):
        if (share / symbol.hint).denominator == 1:
            yield int(share / symbol.hint) * symbol
    if share.denominator == 1:
        yield int(share)


def _on_numbers(function: Callable[..., Any]) -> Callable[..., Any]:
    """An operation for which there is no form: on the numbers, which are then fixed."""

    def run(self: Node, *others: Node) -> Node:
        return self._new(function(*(self.scope.fix(one.value) for one in (self, *others))))

    return run


for _name in ("lshift", "rshift"):
    setattr(Node, _name, _on_numbers(getattr(operator, _name)))
for _name, _function in {"and": operator.and_, "or": operator.or_, "xor": operator.xor}.items():
    setattr(Node, f"bitwise_{_name}", _on_numbers(_function))


class Real(Node):
    """A number with a fraction, exact where floating point rounds.

    It is value / over, where `over` is 1 or a positive size that does not divide the value. rounding: how far the
    number that torch would have is from it. EXACT: it is the same. QUOTIENT: rounded once, which no floor of whole
    numbers of this size sees. ROUNDED: a floor may see it, and is then taken of the number.
    """

    __slots__ = ("over", "rounding")

    def __init__(self, value: Any, scope: Scope, rounding: int = 0, over: Any = 1) -> None:
        super().__init__(value, scope)
        self.rounding = rounding
        self.over = over

    def _new(self, value: Any) -> "Real":
        return Real(value, self.scope, self.rounding, self.over)

    @property
    def number(self) -> Any:
        """What it is at the reference point, where it is needed as a number: a condition."""
        return self.scope.fix(self.value) / self.scope.fix(self.over)

    def str(self) -> str:
        return str(self.value) if self.over == _ONE else f"({self.value}) / ({self.over})"

    _graph_repr = __str__ = __repr__ = str

    def is_int(self) -> bool:
        return False

    def is_float(self) -> bool:
        return True

    def is_constant(self) -> bool:
        # Torch's operators take only ints and bools for constants.
        return False

    def maybe_as_float(self) -> float | None:
        return None if isinstance(self.value, Size) else float(self.value)

    def maybe_as_int(self) -> None:
        return None

    constant_int = maybe_as_int

    def guard_float(self, file: str, line: int) -> float:
        return float(self.number)

    def sym_float(self) -> "Real":
        return self

    def sym_max(self, other: "Node") -> "Node":
        return self if self.ge(other).decide() else other

    def sym_min(self, other: "Node") -> "Node":
        return self if self.le(other).decide() else other

    def _rounded(self, other: "Node") -> int:
        return max(self.rounding, getattr(other, "rounding", EXACT))

    def add(self, other: "Node") -> "Real":
        over = getattr(other, "over", 1)
        value = self.value * over + other.value * self.over
        return Real(value, self.scope, max(self._rounded(other), _rounding(value)), self.over * over)

    def sub(self, other: "Node") -> "Real":
        return self.add(other.neg())

    def mul(self, other: "Node") -> "Real":
        value, over = self.value * other.value, self.over * getattr(other, "over", 1)
        return Real(value, self.scope, max(ROUNDED if self._rounded(other) else EXACT, _rounding(value)), over)

    def float_truediv(self, other: "Node") -> "Real":
        top, bottom = self.value * getattr(other, "over", 1), other.value * self.over
        plain = not self._rounded(other) and _rounding(self.value) == _rounding(other.value) == EXACT
        rounded = QUOTIENT if plain else ROUNDED
        if not isinstance(bottom, Size):
            value = top * Fraction(1, bottom)
            return Real(value, self.scope, rounded if self._rounded(other) else _rounding(value) and rounded)
        try:
            value = top / bottom
        except TypeError:
            return Real(top, self.scope, rounded, bottom)
        return Real(value, self.scope, EXACT if plain and is_whole(value) else rounded)

    truediv = int_truediv = float_truediv

    def int_floordiv(self, other: "Node") -> "Real":
        return self.float_truediv(other).floor().sym_float()

    floordiv = int_floordiv

    def mod(self, other: "Node") -> "Real":
        return self.sub(self.int_floordiv(other).mul(other))

    def float_pow(self, other: "Node") -> "Real":
        power = other.value
        if power in (1, 2):
            return self if power == 1 else self.mul(self)
        return self.wrap_float(float(self.number) ** float(self.scope.fix(power)))

    pow = pow_by_natural = float_pow

    def _to_whole(self, function: Callable[[Any], Any]) -> Node:
        if self.rounding != ROUNDED and self.over == _ONE:
            return Node(function(self.value), self.scope)
        if self.rounding != ROUNDED and function is math.floor:
            return Node(quotient(self.value, self.over), self.scope)
        return Node(function(float(self.number)), self.scope)

    def floor(self) -> Node:
        return self._to_whole(math.floor)

    def ceil(self) -> Node:
        return self._to_whole(math.ceil)

    def trunc(self) -> Node:
        return self._to_whole(math.trunc)

    sym_int = trunc

    def round(self, digits: int | None = None) -> Node:
        if digits is not None:
            return self.wrap_float(round(float(self.number), digits))
        return self._to_whole(round)

    def is_integer(self) -> "Truth":
        return Truth(self, "==", self.floor())


def _sqrt(self: Real) -> Real:
    return self.wrap_float(math.sqrt(self.number))


Real.sym_sqrt = Real.sqrt = _sqrt  # type: ignore[attr-defined]

EXACT, QUOTIENT, ROUNDED = 0, 1, 2
_ONE = 1


def _rounding(value: Any) -> int:
    """Whether floating point has this number exactly: its denominators are small powers of two."""
    if isinstance(value, Size):
        return max(map(_rounding, value.terms.values()), default=EXACT)
    if not isinstance(value, int | Fraction):
        return ROUNDED
    bottom = value.denominator
    small = bottom <= _DIGITS and not bottom & (bottom - 1) and abs(value.numerator) < 2**32
    return EXACT if small else ROUNDED


_RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _over_cross(one: Any, other: Any) -> Any:
    """A difference that compares with 0 as one number does with the other: denominators are positive."""
    return one.value * getattr(other, "over", 1) - other.value * getattr(one, "over", 1)


class Truth:
    """A statement on sizes, which is decided, and recorded, when it is asked for.

    Of two numbers: one, relation, other. Of two statements: relation is "and" or "or"; of one: "not"; "is": a bool.
    """

    __slots__ = ("one", "other", "relation", "scope")

    def __init__(self, one: Any, relation: str, other: Any = None, scope: Scope | None = None) -> None:
        self.one = one
        self.relation = relation
        self.other = other
        self.scope = scope or one.scope

    def known(self) -> bool | None:
        """The answer where it is the same for all sizes, as far as their expressions show; nothing is recorded."""
        relation = self.relation
        if relation == "is":
            return bool(self.one)
        if relation == "not":
            inside = self.one.known()
            return None if inside is None else not inside
        if relation in ("and", "or"):
            answers = self.one.known(), self.other.known()
            decisive = relation == "or"
            return decisive if decisive in answers else None if None in answers else not decisive
        difference = _over_cross(self.one, self.other)
        low, high = self.scope.bounds(difference)
        if low == high or low > 0 or high < 0:
            return _RELATIONS[relation](low if low == high or low > 0 else high, 0)
        return None

    def decide(self) -> bool:
        """The answer."""
        relation = self.relation
        answer = self.known()
        if answer is not None:
            return answer
        if relation == "not":
            return not self.one.decide()
        if relation == "and":
            return self.one.decide() and self.other.decide()
        if relation == "or":
            return self.one.decide() or self.other.decide()
        return _RELATIONS[relation](_over_cross(self.one, self.other), 0)

    def _without_record(self, unknown: bool) -> bool:
        answer = self.known()
        if answer is not None:
            return answer
        # Torch asks so of single sizes for a short way that holds for most sizes, and for all if it is taken; then
        # of the whole statement.
        return unknown if self.relation in _RELATIONS else self.decide()

    def is_int(self) -> bool:
        return False

    def is_float(self) -> bool:
        return False

    def is_bool(self) -> bool:
        return True

    def is_nested_int(self) -> bool:
        return False

    def is_symbolic(self) -> bool:
        return True

    def is_constant(self) -> bool:
        return False

    def has_hint(self) -> bool:
        return True

    def maybe_as_int(self) -> None:
        return None

    def clone(self) -> "Truth":
        return self

    def __deepcopy__(self, memo: Any) -> "Truth":
        return self

    def str(self) -> str:
        return f"{self.one} {self.relation} {self.other}"

    _graph_repr = __str__ = __repr__ = str

    def wrap_bool(self, value: bool) -> "Truth":
        return Truth(value, "is", scope=self.scope)

    def wrap_int(self, value: int) -> Node:
        return Node(value, self.scope)

    def bool_(self) -> bool:
        return self.decide()

    def guard_bool(self, file: str, line: int) -> bool:
        return self.decide()

    expect_true = guard_size_oblivious = guard_bool

    def guard_or_false(self, file: str, line: int) -> bool:
        return self._without_record(False)

    def guard_or_true(self, file: str, line: int) -> bool:
        return self._without_record(True)

    def statically_known_true(self, file: str, line: int) -> bool:
        return self.known() is True

    def sym_not(self) -> "Truth":
        return Truth(self, "not")

    def sym_and(self, other: "Truth") -> "Truth":
        return Truth(self, "and", other)

    def sym_or(self, other: "Truth") -> "Truth":
        return Truth(self, "or", other)

    and_, or_ = sym_and, sym_or

    def sym_ite(self, one: Any, other: Any) -> Any:
        return one if self.decide() else other


def wrapped(value: Any) -> Any:
    """A size as torch takes it: a SymInt for a Size, and an int as it is."""
    return torch.SymInt(Node(value, value.scope)) if type(value) is Size else value


def unwrapped(value: Any) -> Any:
    """The Size, or the number, that torch has as a SymInt."""
    return value.node.value if isinstance(value, torch.SymInt) else value


def same(one: Any, other: Any) -> bool:
    """Whether two sizes are the same at all sizes, as far as their expressions show; nothing is recorded."""
    if type(one) is int and type(other) is int:
        return one == other
    one, other = unwrapped(one), unwrapped(other)
    if isinstance(one, Size):
        return isinstance(other, Size) and (one is other or one.terms == other.terms)
    return not isinstance(other, Size) and bool(one == other)


def differs(one: Any, other: Any) -> bool:
    """Whether two sizes differ at all sizes, as far as their expressions show; nothing is recorded."""
    difference = unwrapped(one) - unwrapped(other)
    if not isinstance(difference, Size):
        return bool(difference)
    low, high = difference.scope.bounds(difference)
    return bool(low > 0 or high < 0)


def is_symbolic(sizes: Any) -> bool:
    """Whether one of several sizes is a SymInt."""
    return any(type(one) is torch.SymInt for one in sizes)


__all__ = ["Node", "differs", "Number", "Real", "Truth", "is_symbolic", "same", "unwrapped", "wrapped"]
