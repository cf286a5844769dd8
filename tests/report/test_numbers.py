"""Numbers as people read them: rounded, not cut, where they are abbreviated."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flopcalc.report.document import people


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
