"""Options: values are read exactly, on the command line too."""

from fractions import Fraction

from flopcalc.catalog import lookup


def test_values_are_read_exactly() -> None:
    """A decimal is what was typed; words for bool; lists."""
    alpha = lookup.get("spconv").param["alpha"]
    assert alpha.read("0.29") == alpha.read(0.29) == Fraction(29, 100)
    assert alpha.read("1/8") == Fraction(1, 8)
    assert lookup.get("ghost").param["norm"].read("Yes") is True
    assert lookup.get("sic").param["dims"].read("4,6") == (4, 6)


def test_settings_may_hold_lists() -> None:
    """A piece without = belongs to the value before it."""
    operator, given = lookup.parse("sic:dims=4,6,b=3")
    assert (operator.name, given) == ("sic", {"dims": (4, 6), "b": 3})
