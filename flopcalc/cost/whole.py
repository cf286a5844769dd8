"""Whole numbers as callers give them: Python ints, NumPy integers, symbolic ones, types that convert to an index."""

import operator

from flopcalc.symbolic.size import Size, is_whole


def as_int(value: object) -> int | None:
    """The value as an int where it is an integer of any type, else None. Flags are not numbers.

    `bool` and `numpy.bool_` give None, as do floats and text; `numpy.int64(3)` gives 3. A symbolic whole number is
    itself: code that computes with it goes on as with an int.
    """
    if type(value) is int:
        return value
    if type(value) is Size:
        return value if is_whole(value) else None  # type: ignore[return-value]
    if as_flag(value) is not None:
        return None
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None


def as_flag(value: object) -> bool | None:
    """The value as a bool where it is `bool` or `numpy.bool_`, else None."""
    if isinstance(value, bool):
        return value
    # By its name, so that NumPy is not imported. Its name is `bool` from NumPy 2 on, `bool_` before.
    kind = type(value)
    return bool(value) if kind.__module__ == "numpy" and kind.__name__ in ("bool", "bool_") else None
