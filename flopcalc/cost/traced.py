"""A number that follows from one option, and that records where a decision about it would change.

A cost is a step function of an option such as a width: it changes only where a rounding or a comparison does. Computed
with a `Traced` number, a formula or a description gives its cost at one value of the option, and the trace then holds
the open interval around this value in which every rounding and every comparison gives the same result. So the ends of
a step are found exactly, in one evaluation.

Numbers are linear in the option: a + b x. Anything else (a product of two, a power, a logarithm) raises TypeError.
"""

from fractions import Fraction
from typing import Any

Exact = int | Fraction


class Trace:
    """The option's value `x`, and the largest open interval around it without a change. None: no end was found."""

    __slots__ = ("high", "low", "x")

    def __init__(self, x: Fraction) -> None:
        self.x = x
        self.low: Fraction | None = None
        self.high: Fraction | None = None

    def cut(self, place: Fraction) -> None:
        """Something changes at this value of the option."""
        if place <= self.x and (self.low is None or place > self.low):
            self.low = place
        if place >= self.x and (self.high is None or place < self.high):
            self.high = place


class Traced:
    """`value` at the trace's x, and `slope`, by which it changes with x. It acts as the exact number that it is."""

    __slots__ = ("slope", "trace", "value")

    def __init__(self, value: Exact, slope: Exact, trace: Trace) -> None:
        self.value = Fraction(value)
        self.slope = Fraction(slope)
        self.trace = trace

    def __repr__(self) -> str:
        return str(self.value)

    def cut(self, at: Exact) -> None:
        """A result changes where this number has the value `at`."""
        if self.slope:
            self.trace.cut(self.trace.x + (at - self.value) / self.slope)

    # Arithmetic --------------------------------------------------------------------------------

    def __add__(self, other: Any) -> "Traced":
        if isinstance(other, Traced):
            return Traced(self.value + other.value, self.slope + other.slope, self.trace)
        return Traced(self.value + other, self.slope, self.trace) if _is_exact(other) else NotImplemented

    __radd__ = __add__

    def __neg__(self) -> "Traced":
        return Traced(-self.value, -self.slope, self.trace)

    def __pos__(self) -> "Traced":
        return self

    def __sub__(self, other: Any) -> "Traced":
        return self.__add__(-other)

    def __rsub__(self, other: Any) -> "Traced":
        return (-self).__add__(other)

    def __mul__(self, other: Any) -> "Traced":
        return Traced(self.value * other, self.slope * other, self.trace) if _is_exact(other) else NotImplemented

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> "Traced":
        return self * (1 / Fraction(other)) if _is_exact(other) else NotImplemented

    def __pow__(self, other: Any) -> Any:
        if not _is_exact(other) or other not in (0, 1):
            return NotImplemented
        return self if other == 1 else 1

    def __abs__(self) -> "Traced":
        return -self if self < 0 else self

    # Rounding ----------------------------------------------------------------------------------

    def __floor__(self) -> int:
        found = self.value.__floor__()
        self.cut(found)
        self.cut(found + 1)
        return found

    def __ceil__(self) -> int:
        return -(-self).__floor__()

    def __trunc__(self) -> int:
        return self.__floor__() if self >= 0 else self.__ceil__()

    __int__ = __trunc__

    def __round__(self, digits: None = None) -> int:
        found = round(self.value)
        self.cut(found - Fraction(1, 2))
        self.cut(found + Fraction(1, 2))
        return found

    def __floordiv__(self, other: Any) -> int:
        return (self / other).__floor__() if _is_exact(other) else NotImplemented

    def __mod__(self, other: Any) -> "Traced":
        return self - self // other * other if _is_exact(other) else NotImplemented

    # Comparison --------------------------------------------------------------------------------

    def _difference(self, other: Any) -> Fraction | None:
        """This number minus another one; None for anything else. Its sign changes where they are equal."""
        if not isinstance(other, Traced) and not _is_exact(other):
            return None
        difference = self.__sub__(other)
        difference.cut(0)
        return difference.value

    def __eq__(self, other: object) -> bool:
        difference = self._difference(other)
        return NotImplemented if difference is None else difference == 0

    def __lt__(self, other: Any) -> bool:
        difference = self._difference(other)
        return NotImplemented if difference is None else difference < 0

    def __le__(self, other: Any) -> bool:
        difference = self._difference(other)
        return NotImplemented if difference is None else difference <= 0

    def __gt__(self, other: Any) -> bool:
        difference = self._difference(other)
        return NotImplemented if difference is None else difference > 0

    def __ge__(self, other: Any) -> bool:
        difference = self._difference(other)
        return NotImplemented if difference is None else difference >= 0

    def __bool__(self) -> bool:
        return self != 0

    def __hash__(self) -> int:
        return hash(self.value)


def _is_exact(value: object) -> bool:
    return isinstance(value, int | Fraction)
