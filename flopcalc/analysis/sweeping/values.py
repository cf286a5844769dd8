"""Reading the values that a sweep tries: `16:1024:16`, `3,5`, `0.25:1.5:0.25`, `max,min`, and lists of Python."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

from flopcalc.cost.geometry import SAME
from flopcalc.cost.whole import as_flag, as_int
from flopcalc.errors import FlopcalcError, clip
from flopcalc.spec.param import AUTO, Param
from flopcalc.text.sizes import sizes_of

# The values of one axis: a range of ints, or a tuple of anything.
Values: TypeAlias = Sequence[Any]

# A list of more values is not held; a range of ints may be longer, since it is two ends and a step.
MAX_LISTED = 1_000_000
AUTO_WORD = "auto"
_WHOLE = re.compile(r"[+-]?[0-9]{1,100}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,30}(?:/[0-9]{1,30})?|[0-9]{0,30}\.[0-9]{1,30})", re.ASCII)


def _bad(name: str, text: object, why: str, hint: str = "") -> FlopcalcError:
    flag = f"{name}=" if name.startswith("--set") else f"{name} "
    how = hint or f"write for example {flag}64, {flag}16,32,64 or {flag}16:1024:16 (both ends included)"
    return FlopcalcError("bad-range", f"{name} is {clip(text)}: {why}", how)


def whole_number(text: str) -> int:
    """The int of plain digits; ValueError otherwise."""
    if not _WHOLE.fullmatch(text.strip()):
        raise ValueError(text)
    return int(text)


def exact_number(text: str) -> Fraction:
    """The exact value of a decimal or a quotient; ValueError otherwise."""
    if not _NUMBER.fullmatch(text.strip()):
        raise ValueError(text)
    return Fraction(text.strip())


def read_range(name: str, text: str, number: Callable[[str], Any]) -> Values:
    """The values of `first:last:step`, or of `first:last` with step 1; both ends included.

    number: reads one of the three. Raises FlopcalcError (bad-range).
    """
    pieces = [piece.strip() for piece in text.split(":")]
    if len(pieces) not in (2, 3):
        raise _bad(name, text, "a range is first:last:step")
    if not all(pieces):
        raise _bad(name, text, "the range has an open end, and a sweep needs both ends")
    try:
        first, last, *rest = (number(piece) for piece in pieces)
    except (ValueError, ZeroDivisionError):
        raise _bad(name, text, "a range is three numbers, first:last:step") from None
    step = rest[0] if rest else 1
    if step == 0:
        raise _bad(name, text, "the step is 0")
    if (last - first) * step < 0:
        turned = ":".join([pieces[1], pieces[0], *pieces[2:]])
        raise _bad(name, text, "the step leads away from the last value", f"write {turned}, or change the sign of step")
    if (last - first) % step:
        end = last - (last - first) % step
        shown = [one if isinstance(one, int) else decimal_text(one) for one in (first, end, end + step, step)]
        raise _bad(
            name,
            text,
            f"the steps do not reach {pieces[1]}",
            f"both ends belong to a range: write {shown[0]}:{shown[1]}:{shown[3]} or {shown[0]}:{shown[2]}:{shown[3]}",
        )
    if isinstance(first, int) and isinstance(step, int):
        return range(first, last + (1 if step > 0 else -1), step)
    count = int((last - first) / step) + 1
    if count > MAX_LISTED:
        raise _bad(name, text, f"{count:,} values, more than {MAX_LISTED:,}", "use a larger step")
    return tuple(first + index * step for index in range(count))


def read_list(name: str, given: Any, read: Callable[[str], Any], number: Callable[[str], Any]) -> Values:
    """The values of a comma list of values and ranges, or of a list of Python; each value once.

    read: reads one value, number: one number of a range. Both raise ValueError for anything else.
    """
    if isinstance(given, range):
        return _checked(name, given)
    if not isinstance(given, str):
        return _unique(_from_python(name, given, read))
    pieces = [piece.strip() for piece in given.split(",")]
    if not all(pieces):
        raise _bad(name, given, "a value is missing")
    if len(pieces) == 1 and ":" in given:
        return _checked(name, read_range(name, given, number))
    found: list[Any] = []
    for piece in pieces:
        if ":" in piece:
            values = read_range(name, piece, number)
            if len(found) + len_of(values) > MAX_LISTED:
                raise _bad(name, given, f"more than {MAX_LISTED:,} values in a list", "write one range")
            found += values
        else:
            try:
                found.append(read(piece))
            except (ValueError, ZeroDivisionError):
                raise _bad(name, given, f"cannot read the value {clip(piece)}") from None
    return _unique(found)


def _checked(name: str, values: Values) -> Values:
    if not len_of(values):
        raise _bad(name, values, "it has no values")
    return values if isinstance(values, range) else _unique(values)


def len_of(values: Values) -> int:
    """The number of values; of a range also where it is more than `len` can say."""
    if isinstance(values, range):
        return max(0, (values.stop - values.start + values.step - (1 if values.step > 0 else -1)) // values.step)
    return len(values)


def product_of(sizes: Iterable[int]) -> int:
    """The product; 1 of nothing."""
    found = 1
    for size in sizes:
        found *= size
    return found


def _from_python(name: str, given: Any, read: Callable[[str], Any]) -> list[Any]:
    given = given.tolist() if hasattr(given, "tolist") else given
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        given = [given]
    given = list(given)
    if not given:
        raise _bad(name, given, "it has no values")
    found = []
    for one in given:
        try:
            found.append(read(one) if isinstance(one, str) else one)
            hash(one)
        except TypeError:
            raise _bad(name, given, f"cannot read the value {clip(one)}") from None
        except (ValueError, ZeroDivisionError):
            raise _bad(name, given, f"cannot read the value {clip(one)}") from None
    return found


def _unique(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(values))


def read_sizes(name: str, given: Any, *, least: int = 1) -> Values:
    """The values of a size: whole numbers, pairs such as `3x5`, or `same` for the padding.

    name: as errors show it, `--cin`. least: of a number. Raises FlopcalcError (bad-range, bad-dimension).
    """
    if not isinstance(given, str) and (number := as_int(given)) is not None:
        given = [number]

    def read(text: str) -> Any:
        if text == SAME and name.endswith("padding"):
            return SAME
        pair = sizes_of(text)
        return whole_number(text) if pair is None else pair

    values = read_list(name, given, read, whole_number)
    ends = (values[0], values[-1]) if isinstance(values, range) else values
    found: list[Any] = []
    for one in ends:
        if isinstance(one, str):
            if one != SAME or not name.endswith("padding"):
                raise _bad(name, one, "it is not a size")
            found.append(one)
            continue
        sizes = tuple(one) if isinstance(one, tuple | list) else (one,)
        numbers = tuple(as_int(size) for size in sizes)
        if any(number is None or not least <= number <= 10**100 for number in numbers) or not numbers:
            must = "a positive whole number" if least else "a whole number, 0 or more"
            raise FlopcalcError(
                "bad-dimension",
                f"{name} is {clip(one)}; each value must be {must} (up to 10^100)",
                f"write for example {name} 16,32,64 or {name} 16:1024:16",
            )
        found.append(numbers if isinstance(one, tuple | list) else numbers[0])
    return values if isinstance(values, range) else tuple(found)


def read_option(param: Param, given: Any) -> Values:
    """The values of an option of an operator, each checked. Raises FlopcalcError (bad-range, bad-option)."""
    name = f"--set {param.name}"
    if param.kind == "ints":
        if isinstance(given, str):
            pieces: list[Any] = given.split(";")
        else:
            listed = list(given) if isinstance(given, Iterable) else [given]
            nested = any(isinstance(one, str | list | tuple) for one in listed)
            pieces = listed if nested else [given]
        return _unique(_read(param, piece) for piece in pieces)
    number = exact_number if param.kind == "fraction" else whole_number
    if not isinstance(given, str) and (as_int(given) is not None or as_flag(given) is not None):
        given = [given]
    values = read_list(name, given, lambda text: text, number)
    if isinstance(values, range):
        _read(param, values[0])
        _read(param, values[-1])
        return values
    return _unique(_read(param, one) for one in values)


def _read(param: Param, value: Any) -> Any:
    if param.default is AUTO and (value is AUTO or (isinstance(value, str) and value.strip() == AUTO_WORD)):
        return AUTO
    return param.read(value)


def type_of_values(values: Iterable[Any]) -> str:
    """int, float, bool or text: the type that all values have as cells; None has any."""
    kinds = set()
    for value in values:
        if isinstance(value, Fraction):
            kinds.add("text" if "/" in decimal_text(value) else "float")
        elif value is not None:
            kinds.add({bool: "bool", int: "int", float: "float"}.get(type(value), "text"))
    if len(kinds) > 1:
        return "float" if kinds == {"int", "float"} else "text"
    return kinds.pop() if kinds else "int"


def decimal_text(value: Any) -> str:
    """A number as a person writes it: 0.25, 3, 1/3."""
    if not isinstance(value, Fraction):
        return str(value)
    bottom = value.denominator
    for prime in (2, 5):
        while bottom % prime == 0:
            bottom //= prime
    if bottom != 1 or value.denominator > 10**15:
        return str(value)
    places = 0
    while value.denominator > 1 and (value * 10**places).denominator != 1:
        places += 1
    digits = str(abs(int(value * 10**places))).rjust(places + 1, "0")
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else f"{sign}{digits}"
