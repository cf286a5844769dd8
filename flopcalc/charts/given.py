"""Checks of what a chart is asked to draw."""

from typing import TypeVar

from flopcalc.errors import FlopcalcError, clip

T = TypeVar("T")


def checked(value: object, kind: type[T], name: str, source: str) -> T:
    """The value, if it is a result of that kind. Raises FlopcalcError (bad-usage) for anything else.

    name: of the argument. source: the function that gives such results.
    """
    if not isinstance(value, kind):
        why = f"{name} is {clip(value)}, not the result of flopcalc.{source}"
        raise FlopcalcError("bad-usage", why, f"give what flopcalc.{source}(...) returns")
    return value
