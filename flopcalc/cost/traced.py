"""A number that follows from one option, and that records where a decision about it would change.

A cost is a step function of an option such as a width: it changes only where a rounding or a comparison does. Computed
with a `Traced` number, a formula or a description gives its cost at one value of the option, and the trace then holds
the interval around this value in which every rounding and every comparison gives the same result. So the ends of a step
are found exactly, in one evaluation.

Numbers are linear in the option: a + b x. Anything else (a product of two, a power, a logarithm) raises TypeError.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

Exact = int | Fraction


class Trace:
    """The option's value `x`, and the largest interval around it without a change. None: no end was found.

    low_in, high_in: whether the ends belong to it.
    """

    __slots__ = ("high", "high_in", "low", "low_in", "x")

    def __init__(self, x: Fraction) -> None:
        self.x = x
        self.low: Fraction | None = None
        self.high: Fraction | None = None
        self.low_in = self.high_in = False

    def cut(self, place: Fraction, included: bool) -> None:
        """Something changes at this value of the option. included: whether not at, but only behind it."""
        if place <= self.x and (self.low is None or place >= self.low):
            self.low_in = included and (self.low != place or self.low_in)
            self.low = place
        if place >= self.x and (self.high is None or place <= self.high):
            self.high_in = included and (self.high != place or self.high_in)
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

    def cut(self, at: Exact, included: bool) -> None:
        """A result changes where this number has the value `at`. included: whether it is the same at that value."""
        if self.slope:
            self.trace.cut(self.trace.x + (at - self.value) / self.slope, included)

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
        self.cut(found, True)
        self.cut(found + 1, False)
        return found

    def __ceil__(self) -> int:
        return -(-self).__floor__()

    def __trunc__(self) -> int:
        return self.__floor__() if self >= 0 else self.__ceil__()

    __int__ = __trunc__

    def __round__(self, digits: None = None) -> int:
        found = round(self.value)
        # Halves are rounded to the even number.
        self.cut(found - Fraction(1, 2), found % 2 == 0)
        self.cut(found + Fraction(1, 2), found % 2 == 0)
        return found

    def __floordiv__(self, other: Any) -> int:
        quotient: Traced = self / other
        return quotient.__floor__()

    def __mod__(self, other: Any) -> "Traced":
        rest: Traced = self - self // other * other
        return rest

    # Comparison --------------------------------------------------------------------------------

    def _compared(self, other: Any, holds: Callable[[Exact], bool]) -> Any:
        """Whether a condition holds for this number minus another one, which changes where they are equal."""
        if not isinstance(other, Traced) and not _is_exact(other):
            return NotImplemented
        difference = self.__sub__(other)
        found = holds(difference.value)
        difference.cut(0, found == holds(0))
        return found

    def __eq__(self, other: object) -> Any:
        return self._compared(other, lambda difference: difference == 0)

    def __lt__(self, other: Any) -> Any:
        return self._compared(other, lambda difference: difference < 0)

    def __le__(self, other: Any) -> Any:
        return self._compared(other, lambda difference: difference <= 0)

    def __gt__(self, other: Any) -> Any:
        return self._compared(other, lambda difference: difference > 0)

    def __ge__(self, other: Any) -> Any:
        return self._compared(other, lambda difference: difference >= 0)

    def __bool__(self) -> bool:
        return bool(self != 0)

    def __hash__(self) -> int:
        return hash(self.value)


def _is_exact(value: object) -> bool:
    return isinstance(value, int | Fraction)
