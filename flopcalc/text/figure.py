"""Figures as sources print them: text with its exact value and the value of its last digit."""

import re
from fractions import Fraction
from typing import NamedTuple

from flopcalc.errors import FlopcalcError, clip

_SUFFIXES: dict[str, int | Fraction] = {
    "": 1,
    "%": Fraction(1, 100),
    "times": 1,
    "K": 10**3,
    "k": 10**3,
    "M": 10**6,
    "million": 10**6,
    "MFLOPs": 10**6,
    "MMAdds": 10**6,
    "G": 10**9,
    "B": 10**9,
    "GFLOPs": 10**9,
    "GFLOPS/image": 10**9,
    "T": 10**12,
}
# A comma between thousands, as in 4,089,184,256.
_COMMA = re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))")
_PRINTED = re.compile(r"(?:~|\+|approximately )?([0-9]{1,30})(?:\.([0-9]{1,30}))?(?:x10\^([0-9]{1,2}))? ?([^ ]*)")


class Printed(NamedTuple):
    """A figure as printed. value: exact. step: the value of one unit of the last digit. decimals: the number of digits
    after the point. unit: the text after the digits.
    """

    text: str
    value: Fraction
    step: Fraction
    decimals: int
    unit: str

    @property
    def digits(self) -> int:
        """The number of digits without leading zeros: 2 of 0.65G, 1 of 4 GFLOPs."""
        return len(str(abs(int(self.value / self.step))))

    def agreement(self, value: int | Fraction) -> str:
        """`agrees` if a value rounds to this figure, `truncated` if it truncates to it, otherwise empty."""
        if 2 * abs(value - self.value) <= self.step:
            return "agrees"
        return "truncated" if self.value <= value < self.value + self.step else ""

    def like(self, value: int | Fraction) -> str:
        """A value in the unit and with the digits of this figure: 568740352 like `570 M` is 569 M."""
        count = round(value / self.step)
        digits = str(abs(count)).rjust(self.decimals + 1, "0")
        point = len(digits) - self.decimals
        shown = f"{digits[:point]}.{digits[point:]}" if self.decimals else digits
        return f"{'-' if count < 0 else ''}{shown}{self.unit}"


def read_printed(text: str, unit: str = "") -> Printed:
    """The value and precision of `4.14G`, `1.8x10^9`, `74.59%` or `95642`. unit: of the column; empty if it has none.

    Raises FlopcalcError (bad-figure).
    """
    plain = _COMMA.sub("", text)
    found = _PRINTED.fullmatch(plain)
    # The unit of the column applies only to a figure without a unit.
    unit = "" if found and (found[3] or found[4]) else unit
    suffix = (found[4] or unit) if found else ""
    if found is None or suffix not in _SUFFIXES:
        known = ", ".join(name for name in _SUFFIXES if name)
        raise FlopcalcError("bad-figure", f"cannot read the figure {clip(text)}", f"write digits, then one of {known}")
    whole, decimals, exponent, _ = found.groups()
    scale = Fraction(_SUFFIXES[suffix]) * 10 ** int(exponent or 0)
    step = scale / 10 ** len(decimals or "")
    shown = f"{text} {unit}" if unit else text
    # The text after the digits.
    behind = f"{plain} {unit}" if unit else plain
    behind = behind.split(".")[-1] if decimals else behind.lstrip("~+aproximtely ")
    value = int(whole + (decimals or "")) * step
    return Printed(shown, value, step, len(decimals or ""), behind.lstrip("0123456789"))
