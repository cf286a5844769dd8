"""Numbers with a fraction, from symbolic sizes, as torch's SymFloat."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from flopcalc.pytorch.tracing.extents import quotient
from flopcalc.pytorch.tracing.nodes import Node
from flopcalc.pytorch.tracing.truth import Truth
from flopcalc.symbolic.scope import Scope
from flopcalc.symbolic.size import Size, hint_of, is_whole

EXACT, QUOTIENT, ROUNDED = 0, 1, 2
_ONE = 1
# A product with a number of more digits may be rounded to another whole number by floating point.
_DIGITS = 2**20


class Real(Node):
    """A number with a fraction, exact where floating point rounds.

    It is value / over, where `over` is 1 or a positive size that does not divide the value. rounding: how far the
    number that torch would have is from it. EXACT: it is the same. QUOTIENT: rounded once, which no floor of whole
    numbers of this size sees. ROUNDED: a floor may see it, and is then taken of the number that torch has at the
    reference point, `at`.
    """

    __slots__ = ("at", "over", "rounding")

    def __init__(self, value: Any, scope: Scope, rounding: int = EXACT, over: Any = 1, at: float | None = None) -> None:
        super().__init__(value, scope)
        self.rounding = rounding
        self.over = over
        self.at = float(hint_of(value) / hint_of(over)) if at is None else at

    def neg(self) -> "Real":
        return Real(-self.value, self.scope, self.rounding, self.over, -self.at)

    def abs(self) -> "Real":
        return Real(abs(self.value), self.scope, self.rounding, self.over, abs(self.at))

    def _constant(self, value: float) -> "Real":
        return Real(Fraction(value), self.scope)

    @property
    def number(self) -> float:
        """What it is at the reference point, where it is needed as a number: a condition."""
        self.scope.fix(self.value)
        self.scope.fix(self.over)
        return self.at

    def __repr__(self) -> str:
        return str(self.value) if self.over == _ONE else f"({self.value}) / ({self.over})"

    __str__ = _graph_repr = __repr__

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
        return self.number

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
        rounded = max(self._rounded(other), _rounding(value))
        return Real(value, self.scope, rounded, self.over * over, self.at + _at(other))

    def sub(self, other: "Node") -> "Real":
        return self.add(other.neg())

    def mul(self, other: "Node") -> "Real":
        value, over = self.value * other.value, self.over * getattr(other, "over", 1)
        rounded = max(ROUNDED if self._rounded(other) else EXACT, _rounding(value))
        return Real(value, self.scope, rounded, over, self.at * _at(other))

    def float_truediv(self, other: "Node") -> "Real":
        top, bottom = self.value * getattr(other, "over", 1), other.value * self.over
        plain = not self._rounded(other) and _rounding(self.value) == _rounding(other.value) == EXACT
        rounded = QUOTIENT if plain else ROUNDED
        if not isinstance(bottom, Size):
            value = top * Fraction(1, bottom)
            rounded = rounded if self._rounded(other) else _rounding(value) and rounded
            return Real(value, self.scope, rounded, 1, self.at / _at(other))
        try:
            value = top / bottom
        except TypeError:
            # The conditions say of either side that it is not 0.
            if bottom <= 0 and bottom < 0:
                top, bottom = -top, -bottom
            return Real(top, self.scope, rounded, bottom, self.at / _at(other))
        return Real(value, self.scope, EXACT if plain and is_whole(value) else rounded, 1, self.at / _at(other))

    truediv = int_truediv = float_truediv

    def int_floordiv(self, other: "Node") -> "Real":
        whole = self.float_truediv(other).floor()
        return Real(whole.value, self.scope, _rounding(whole.value))

    floordiv = int_floordiv

    def mod(self, other: "Node") -> "Real":
        if self.float_truediv(other).rounding == ROUNDED:
            return self._constant(self.number % other.sym_float().number)
        return self.sub(self.int_floordiv(other).mul(other))

    def float_pow(self, other: "Node") -> "Real":
        power = other.value
        if power in (1, 2):
            return self if power == 1 else self.mul(self)
        return self._constant(self.number ** float(self.scope.fix(power)))

    pow = pow_by_natural = float_pow

    def _to_whole(self, function: Callable[[Any], Any]) -> Node:
        if self.rounding != ROUNDED and self.over == _ONE:
            return Node(function(self.value), self.scope)
        if self.rounding != ROUNDED and function is math.floor:
            return Node(quotient(self.value, self.over), self.scope)
        return Node(function(self.number), self.scope)

    def floor(self) -> Node:
        return self._to_whole(math.floor)

    def ceil(self) -> Node:
        return self._to_whole(math.ceil)

    def trunc(self) -> Node:
        if self.rounding == ROUNDED:
            return self._to_whole(math.trunc)
        return self._to_whole(math.floor if self.ge(Node(0, self.scope)).decide() else math.ceil)

    sym_int = trunc

    def round(self, digits: int | None = None) -> Node:
        if digits is not None:
            return self._constant(round(self.number, digits))
        return self._to_whole(round)

    def sym_sqrt(self) -> "Real":
        return self._constant(math.sqrt(self.number))

    sqrt = sym_sqrt

    def is_integer(self) -> Truth:
        return Truth(self, "==", self.floor())


def _at(other: Node) -> float:
    return other.at if isinstance(other, Real) else float(hint_of(other.value))


def _rounding(value: Any) -> int:
    """Whether floating point has this number exactly: its denominators are small powers of two."""
    if isinstance(value, Size):
        return max(map(_rounding, value.terms.values()))
    if not isinstance(value, int | Fraction):
        return ROUNDED
    bottom = value.denominator
    small = bottom <= _DIGITS and not bottom & (bottom - 1) and abs(value.numerator) < 2**32
    return EXACT if small else ROUNDED


Node.real = Real
# In the class, it would take the name of the type.
Real.str = Real.__repr__  # type: ignore[attr-defined]
