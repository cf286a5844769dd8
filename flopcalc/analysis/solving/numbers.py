"""Exact numbers as text: the shortest decimal in an interval, and the ends of intervals."""

from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple

Exact = int | Fraction

# A decimal of more digits is written as a fraction; `--set` takes both.
_DIGITS = 12


class Interval(NamedTuple):
    """Values from `low` to `high`; None: without an end. low_in, high_in: whether the end belongs to it."""

    low: Exact | None
    high: Exact | None
    low_in: bool = True
    high_in: bool = True

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, int | Fraction):
            return False
        above = self.low is None or value > self.low or (self.low_in and value == self.low)
        return above and (self.high is None or value < self.high or (self.high_in and value == self.high))


def exact_text(value: Exact) -> str:
    """A number as `--set` takes it: 24, 0.65, or 1/3 where a decimal has too many digits."""
    value = Fraction(value)
    for digits in range(_DIGITS + 1):
        scaled = value * 10**digits
        if scaled.denominator == 1:
            return _decimal(scaled.numerator, digits)
    return str(value)


def _decimal(scaled: int, digits: int) -> str:
    if not digits:
        return str(scaled)
    text = str(abs(scaled)).rjust(digits + 1, "0")
    return f"{'-' if scaled < 0 else ''}{text[:-digits]}.{text[-digits:]}"


def shortest(interval: Interval, largest: bool) -> Fraction:
    """The value of an interval with the fewest decimals, and of these the largest or the smallest.

    An interval without a decimal of 12 digits gives the fraction in its middle; an interval without an end on the
    side that is asked for gives the value nearest to its other end.
    """
    for digits in range(_DIGITS + 1):
        scale = 10**digits
        low = None if interval.low is None else ceil(interval.low * scale)
        high = None if interval.high is None else floor(interval.high * scale)
        if low is not None and Fraction(low, scale) not in interval:
            low += 1
        if high is not None and Fraction(high, scale) not in interval:
            high -= 1
        if low is not None and high is not None and low > high:
            continue
        found = (high if high is not None else low) if largest else (low if low is not None else high)
        return Fraction(found or 0, scale)
    low_end, high_end = interval.low, interval.high
    if low_end is None or high_end is None:
        raise AssertionError("an interval without an end has whole numbers")
    return (Fraction(low_end) + Fraction(high_end)) / 2
