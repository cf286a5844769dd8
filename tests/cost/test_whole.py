"""Integers of any type are whole numbers; flags, floats and text are not."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from flopcalc.cost.whole import as_flag, as_int
from flopcalc.symbolic.scope import Scope


@pytest.mark.parametrize("value", [7, np.int64(7), np.uint8(7), np.array(7)])
def test_integers_of_any_type(value: object) -> None:
    """The result is a plain int."""
    found = as_int(value)
    assert found == 7
    assert type(found) is int


@pytest.mark.parametrize("value", [True, np.bool_(True), 7.0, np.float64(7), "7", None, Fraction(7), np.array([1, 2])])
def test_other_values_are_not_whole_numbers(value: object) -> None:
    """A flag is not a number, and a float is not whole by luck."""
    assert as_int(value) is None


def test_symbolic_sizes() -> None:
    """A whole one is itself; half of it is not whole."""
    h: Any = Scope({"H": 20}).symbol("H")
    assert as_int(h / 2) is None
    assert as_int(h) is h


def test_flags() -> None:
    """Python's and NumPy's."""
    assert as_flag(np.bool_(False)) is False
    assert as_flag(True) is True
    assert as_flag(1) is None
    assert as_flag(np.int64(1)) is None
