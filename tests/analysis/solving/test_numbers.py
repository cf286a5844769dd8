"""The shortest decimal in an interval, by trying all decimals; numbers as text."""

import random
from fractions import Fraction

import pytest

from flopcalc.analysis.solving.numbers import Interval, exact_text, shortest


@pytest.mark.parametrize("largest", [True, False])
def test_the_shortest_decimal(largest: bool) -> None:
    """Of the fewest decimals, and of these the largest or the smallest."""
    numbers = random.Random(3)  # noqa: S311 - the same numbers on each run
    for _ in range(300):
        low = Fraction(numbers.randint(0, 3000), numbers.choice((1, 8, 9, 27, 512, 1000)))
        high = low + Fraction(numbers.randint(1, 400), numbers.choice((100, 333, 5000)))
        interval = Interval(low, high, numbers.random() < 0.5, numbers.random() < 0.5)
        for digits in range(6):
            scale = 10**digits
            places = range(int(low * scale) - 1, int(high * scale) + 2)
            inside = [Fraction(n, scale) for n in places if Fraction(n, scale) in interval]
            if inside:
                assert shortest(interval, largest) == (max(inside) if largest else min(inside))
                break


def test_intervals_without_a_decimal_or_an_end() -> None:
    """A single fraction is itself; without an upper end the nearest whole number."""
    third = Fraction(1, 3)
    assert shortest(Interval(third, third), True) == third
    assert shortest(Interval(Fraction(5, 2), None), True) == 3
    assert shortest(Interval(0, Fraction(1, 36), low_in=False), True) == Fraction(2, 100)
    assert shortest(Interval(0, Fraction(1, 36), low_in=False), False) == Fraction(1, 100)


def test_text() -> None:
    """As --set takes it."""
    assert [exact_text(one) for one in (24, Fraction(13, 20), Fraction(1, 3), Fraction(-1, 4), Fraction(17, 512))] == [
        "24",
        "0.65",
        "1/3",
        "-0.25",
        "0.033203125",
    ]
