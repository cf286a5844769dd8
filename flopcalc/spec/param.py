"""Options of operators: their names, the values they take, and how text becomes a value."""

import re
from fractions import Fraction
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from flopcalc.cost.traced import Traced
from flopcalc.cost.whole import as_flag, as_int
from flopcalc.errors import FlopcalcError, clip

Value: TypeAlias = int | bool | str | Fraction | tuple[int, ...] | None

_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}
_KIND_TEXT = {
    "int": "a whole number",
    "fraction": "a fraction such as 1/4 or 0.25",
    "bool": "true or false",
    "ints": "positive whole numbers separated by commas, such as 4,6",
}


Kind: TypeAlias = Literal["int", "fraction", "bool", "choice", "ints"]

# The default of an option where a rule decides instead of a fixed value.
AUTO: Final = None


class Param(NamedTuple):
    """One option of an operator (`--set name=value`).

    default: AUTO where a rule decides; `auto` is that rule in words. same_as: the option whose value is the
    default. least, most: inclusive bounds of a number; a fraction without least is more than 0.
    letter: the symbol in closed forms; an option without one shapes the formula and stays concrete
    there. stands_for: the derived value that the letter means, where that is not the option itself.
    typical: the value that closed forms use for the letter at the defaults, where `auto` decides.
    samples: values that checks try.
    """

    name: str
    kind: Kind
    default: Value
    help: str
    least: int | Fraction | None = None
    most: int | Fraction | None = None
    choices: tuple[str, ...] = ()
    auto: str = ""
    same_as: str = ""
    letter: str = ""
    samples: tuple[Value, ...] = ()
    stands_for: str = ""
    typical: int | Fraction | None = None

    def read(self, value: object) -> Value:
        """The checked value of text or of a Python value. Raises FlopcalcError (bad-option)."""
        try:
            checked: Value = self._convert(value)
        except (ValueError, TypeError, ZeroDivisionError):
            raise self._error(value, f"it must be {self.expects}") from None
        if isinstance(checked, int | Fraction | Traced) and not isinstance(checked, bool):
            self._check_bounds(checked, value)
        return checked

    @property
    def expects(self) -> str:
        """The form of a value, in words."""
        return " or ".join(self.choices) if self.kind == "choice" else _KIND_TEXT[self.kind]

    @property
    def default_text(self) -> str:
        """The default, in words."""
        if self.same_as:
            return f"as {self.same_as}"
        return self.auto if self.default is AUTO else show(self.default)

    def _convert(self, value: object) -> Any:
        # In a search, a number that follows from the option.
        if self.kind == "fraction" and isinstance(value, Traced):
            return value
        text = value.strip() if isinstance(value, str) else value
        if self.kind == "bool":
            if (flag := as_flag(text)) is not None:
                return flag
            if isinstance(text, str) and text.lower() in _TRUE | _FALSE:
                return text.lower() in _TRUE
            raise ValueError
        if as_flag(text) is not None or text is None:
            raise TypeError
        if self.kind == "choice":
            if text not in self.choices:
                raise ValueError
            return str(text)
        if self.kind == "ints":
            # A NumPy array or a tensor has tolist.
            listed = getattr(text, "tolist", lambda: text)()
            items = listed.split(",") if isinstance(listed, str) else listed
            numbers = tuple(_integer(item) for item in items) if isinstance(items, list | tuple) else ()
            if not numbers or min(numbers) < 1 or len(numbers) > 16:
                raise ValueError
            return numbers
        if self.kind == "int":
            return _integer(text)
        if isinstance(text, str) and not _RATIO.fullmatch(text):
            raise ValueError
        # str() of a float is the decimal that was typed: 0.29 becomes 29/100.
        return Fraction(str(text))

    def _check_bounds(self, checked: Any, value: object) -> None:
        bounds = []
        if self.kind == "fraction" and self.least is None:
            bounds.append(("more than 0", checked > 0))
        if self.least is not None:
            bounds.append((f"at least {self.least}", checked >= self.least))
        if self.most is not None:
            bounds.append((f"at most {self.most}", checked <= self.most))
        if not all(holds for _, holds in bounds):
            raise self._error(value, f"it must be {' and '.join(text for text, _ in bounds)}")

    def _error(self, value: object, why: str) -> FlopcalcError:
        return FlopcalcError(
            "bad-option",
            f"option {self.name} is {clip(value)}; {why}",
            f"{self.name}: {self.help} (default: {self.default_text})",
        )


# A fraction or a decimal of limited length; an exponent could ask for any number of digits.
_RATIO = re.compile(r"[+-]?([0-9]{1,30}(/[0-9]{1,30})?|[0-9]{0,30}\.[0-9]{1,30})", re.ASCII)
_WHOLE = re.compile(r"[+-]?[0-9]{1,100}", re.ASCII)


def _integer(value: object) -> int:
    if isinstance(value, str):
        if not _WHOLE.fullmatch(value.strip()):
            raise ValueError
        return int(value)
    number = as_int(value)
    if number is None:
        raise TypeError
    return number


def show(value: object) -> str:
    """A value as a user writes it: 1/4, true, 4,6."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value)
