"""Reading the values of a description: numbers, expressions, names with braces; errors with file and line."""

import re
from collections.abc import Collection, Mapping
from fractions import Fraction
from typing import Any

from flopcalc.errors import FlopcalcError, at_line, clip, unknown_name
from flopcalc.text.expression import evaluate
from flopcalc.text.yaml_file import Map, line_of

NAME = re.compile(r"[A-Za-z0-9_]+")
# Names that expressions see anyway: sizes of the input, and the index.
RESERVED = frozenset(("c", "h", "w", "i"))
_BRACES = re.compile(r"\{([^{}]*)\}")


class Values:
    """The file being read: its name, for errors, and how its values are read."""

    def __init__(self, source: str) -> None:
        self.source = source

    def error(self, where: Any, key: str | int | None, why: str, hint: str = "") -> FlopcalcError:
        """The error at a line of this file."""
        line = line_of(where, key)
        place = at_line(self.source, line)
        return FlopcalcError(
            "bad-network", f"{place}: {why}", hint or "docs/networks.md describes the language, with examples"
        )

    def known_keys(self, full: str, spec: Map, allowed: Collection[str]) -> None:
        """Refuse keys that mean nothing here."""
        for key in spec:
            if key not in allowed:
                near = unknown_name("key", key, allowed, f"allowed here: {', '.join(sorted(allowed))}")
                raise self.error(spec, key, f"{full}: {near.message}", near.hint)

    def number(self, full: str, spec: Mapping[str, Any], key: str, env: Mapping[str, Any]) -> Any:
        """A value as it stands, or of an expression; decimals are exact fractions, lists are tuples."""
        return self._value(full, spec, key, spec[key], env)

    def _value(self, full: str, spec: Mapping[str, Any], key: str, value: Any, env: Mapping[str, Any]) -> Any:
        if isinstance(value, float):
            return exact(value)
        if isinstance(value, list):
            return tuple(self._value(full, spec, key, item, env) for item in value)
        if not isinstance(value, str):
            return value
        try:
            return exact(evaluate(value, env))
        except FlopcalcError as error:
            names = f"names here: {', '.join(sorted(env))}"
            raise self.error(spec, key, f"{full}: {key}: {error.message}", names) from None

    def whole(self, full: str, spec: Map, key: str, env: Mapping[str, Any]) -> int:
        """A whole number, 0 or more."""
        value = self.number(full, spec, key, env)
        if type(value) is not int or value < 0:
            raise self.error(spec, key, f"{full}: {key} is {clip(_plain(value))}, not a whole number, 0 or more")
        return value

    def pair(self, full: str, spec: Map, key: str, env: Mapping[str, Any]) -> Any:
        """One whole number, or two: [height, width]."""
        value = self.number(full, spec, key, env)
        if isinstance(value, tuple) and len(value) != 2:
            raise self.error(spec, key, f"{full}: {key} is one number or two, [height, width]")
        for one in value if isinstance(value, tuple) else (value,):
            if type(one) is not int or one < 0:
                raise self.error(spec, key, f"{full}: {key} is {clip(_plain(one))}, not a whole number, 0 or more")
        return value

    def text(self, full: str, spec: Mapping[str, Any], key: str, template: str, env: Mapping[str, Any]) -> str:
        """Text in which `{expression}` stands for its value."""
        if "{" not in template:
            return template
        return _BRACES.sub(lambda match: str(self._value(full, spec, key, match[1], env)), template)


def exact(value: Any) -> Any:
    """A decimal as the fraction that was written; whole fractions as ints."""
    if isinstance(value, float):
        value = Fraction(repr(value))
    return int(value) if isinstance(value, Fraction) and value.denominator == 1 else value


def _plain(value: Any) -> Any:
    """A fraction as the number that people know."""
    return float(value) if isinstance(value, Fraction) else value
