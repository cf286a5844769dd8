"""Numbers as people read them: rounded, not cut, where they are abbreviated."""

from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flopcalc.analysis.memory.record import readable
from flopcalc.charts.axes import human
from flopcalc.report.document import people, seconds


@given(st.integers(10**15, 10**40))
def test_large_numbers_are_rounded(value: int) -> None:
    """To three digits, half up, as decimal arithmetic does it."""
    exponent = len(str(value)) - 1
    wanted = Decimal(value).scaleb(-exponent).quantize(Decimal("0.01"), ROUND_HALF_UP)
    shown = Decimal(people(value))
    assert shown == wanted.scaleb(exponent)
    assert people(-value) == f"-{people(value)}"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        # 8.998e18 and 2.0888e17: cut they would be 8.99e+18 and 2.08e+17.
        (8_998_020_126_898_020_009, "9.00e+18"),
        (208_880_179_531_628_544, "2.09e+17"),
        (9_999_999_999_999_999, "1.00e+16"),
        (10**15, "1.00e+15"),
        (10**15 - 1, "999,999,999,999,999"),
    ],
)
def test_examples(value: int, shown: str) -> None:
    """Below 10^15 all digits are shown."""
    assert people(value) == shown


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [
        (lambda: people(999_994, "short"), "999.99k"),
        (lambda: people(999_996, "short"), "1.00M"),
        (lambda: people(999_999_999_999, "short"), "1.00T"),
        (lambda: people(10**15 - 1, "short"), "999,999,999,999,999"),
        (lambda: seconds(999.4e-6), "999 us"),
        (lambda: seconds(999.7e-6), "1 ms"),
        (lambda: seconds(0.9996), "1 s"),
        (lambda: seconds(999.9), "1,000 s"),
        (lambda: seconds(0.0), "0 us"),
        (lambda: readable(1023), "1023 B"),
        (lambda: readable(1024**2 - 6), "1023.99 KiB"),
        (lambda: readable(1024**2 - 1), "1.00 MiB"),
        (lambda: human(999_500), "1M"),
        (lambda: human(0.9995, "s"), "1 s"),
        (lambda: human(999.4e-6, "s"), "999 us"),
    ],
)
def test_what_is_rounded_up_to_the_next_unit_has_that_unit(shown: Callable[[], str], wanted: str) -> None:
    """Neither 1000.00k nor 1e+03 ms."""
    assert shown() == wanted


@given(st.integers(1, 10**15 - 1))
def test_short_numbers_have_one_to_three_digits_before_the_point(value: int) -> None:
    text = people(value, "short")
    if text[-1].isalpha():
        assert 1 <= float(text[:-1]) < 1000


@given(st.floats(1e-6, 1e3))
def test_times_are_as_exact_as_they_say(value: float) -> None:
    number, unit = seconds(value).split()
    shown = float(number.replace(",", "")) * {"us": 1e-6, "ms": 1e-3, "s": 1.0}[unit]
    assert shown == pytest.approx(value, rel=6e-3)
    assert "e" not in number
