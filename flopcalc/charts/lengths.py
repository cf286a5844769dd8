"""The width of a figure as text: 84mm, 8.4cm, 3.3in, 240pt, 640px."""

import re
from numbers import Real
from typing import Any

from flopcalc.errors import FlopcalcError, clip

_MM = {"mm": 1.0, "cm": 10.0, "in": 25.4, "pt": 25.4 / 72, "px": 25.4 / 96}
_LENGTH = re.compile(r"([0-9]{1,9}\.?[0-9]{0,9}|\.[0-9]{1,9}) ?(mm|cm|in|pt|px)", re.ASCII)
# A figure of one bar, and a poster.
LEAST_MM, MOST_MM = 40.0, 1000.0


def millimetres(text: str) -> float:
    """A length in millimetres. Raises FlopcalcError (bad-option) for text that is not one, or out of bounds."""
    match = _LENGTH.fullmatch(text.strip().lower())
    if match is None:
        raise FlopcalcError(
            "bad-option",
            f"--width is {clip(text)}, not a length",
            f"write a number and a unit: --width 84mm; units: {', '.join(_MM)}",
        )
    return checked_width(float(match[1]) * _MM[match[2]], text)


def checked_width(given: Any, text: object = None) -> float:
    """The same width. Raises FlopcalcError (bad-option) where no figure can have it."""
    if isinstance(given, bool) or not isinstance(given, Real):
        why = f"the width is {clip(given)}, not a number of millimetres"
        raise FlopcalcError("bad-option", why, "write for example width_mm=84")
    width_mm = float(given)
    if not LEAST_MM <= width_mm <= MOST_MM:
        shown = f"{width_mm:g} mm" if text is None else clip(text)
        raise FlopcalcError(
            "bad-option",
            f"the width {shown} is not from {LEAST_MM:g} mm to {MOST_MM:g} mm",
            "write for example 84mm (a column) or 170mm (a page)",
        )
    return width_mm
