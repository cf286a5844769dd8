"""`[tool.flopcalc]` of a `pyproject.toml`, and the lines of its keys and values."""

import re
import tomllib
from typing import Any

from flopcalc.errors import FlopcalcError, at_line
from flopcalc.text.input_file import MAX_BYTES, decode, read_bytes
from flopcalc.text.yaml_file import MAX_DIGITS

_HEADER = re.compile(r"\s*\[\[\s*tool\s*\.\s*flopcalc\s*\.\s*targets\s*\]\]")
# A key of very many pieces takes tomllib quadratic memory.
_LONG_KEY = re.compile(r"(?<![\w\"'-])(?:[\w\"'-]++\s*+\.\s*+){50}")
# More digits than Python converts to a number.
_DIGITS = re.compile(r"(?<![\w\"'.#])[0-9][0-9_]{4300,}")
_EXAMPLE = '[[tool.flopcalc.targets]] with network = "resnet50" and limits = ["macs <= 4.1G"]'


class Lines:
    """The lines of keys and values of a TOML file. The parser does not give them, so the text of a key or value is
    searched for in the lines of the target that is read.
    """

    def __init__(self, text: str) -> None:
        self.lines = text.splitlines()
        self.headers = [number for number, line in enumerate(self.lines) if _HEADER.match(line)]
        self.start, self.stop = 0, len(self.lines)

    def enter(self, target: tuple[int, int] | None) -> None:
        """Go to a target: its index and the number of targets; None for the whole file."""
        written = target is not None and len(self.headers) == target[1]
        stops = [*self.headers[1:], len(self.lines)]
        self.start, self.stop = (0, len(self.lines))
        if target and written:
            self.start, self.stop = self.headers[target[0]], stops[target[0]]

    def line(self, where: Any, key: str | int | None) -> int:
        """The line of a key of a table, or of an item of a list that is text; else that of the target."""
        if isinstance(key, int):
            item = where[key] if isinstance(where, list) else None
            return self.find(item if isinstance(item, str) else None)
        if key is not None:
            pattern = re.compile(rf"(?<![\w.-])[\"']?{re.escape(key)}[\"']?\s*=")
            for number in range(self.start, self.stop):
                if pattern.search(self.lines[number]):
                    return number + 1
        return self.find(key)

    def find(self, text: str | None) -> int:
        """The line (from 1) that contains the text, or that of the target; 0 if neither is known."""
        if text:
            for number in range(self.start, self.stop):
                if text in self.lines[number]:
                    return number + 1
        return self.start + 1 if self.start else 0


def has_table(path: str) -> bool:
    """Whether a file has our table, or is broken and has a header of it."""
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError:
        return False
    if b"flopcalc" not in content:
        return False
    try:
        return _table(_loads(decode(content))) is not None
    except (ValueError, RecursionError):
        return bool(re.search(rb"^\s*\[+\s*tool\s*\.\s*flopcalc\b", content, re.MULTILINE))


def read_toml(path: str) -> tuple[Any, Lines]:
    """The table, and the lines of its keys and values. Raises FlopcalcError (bad-config, unreadable-file)."""
    content = read_bytes(path, "file of targets")
    try:
        text = decode(content)
        table = _table(_loads(text))
    except (ValueError, RecursionError) as error:
        # Python refuses to convert more than 4,300 digits; the error has no line.
        if "integer string conversion" in str(error) and (found := _DIGITS.search(text)):
            raise _too_long(path, text.count("\n", 0, found.start()) + 1, len(found[0].replace("_", ""))) from None
        why = "nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())[:150]
        raise FlopcalcError("bad-config", f"{path} is not read as TOML: {why}", _EXAMPLE) from None
    if table is None:
        raise FlopcalcError("bad-config", f"{path}: there is no table [tool.flopcalc]", _EXAMPLE)
    lines = Lines(text)
    if (number := _huge(table)) is not None:
        raise _too_long(path, lines.find(str(number)) or 1, len(str(number)))
    return table, lines


def _huge(value: Any) -> int | None:
    """The first number of the table that is too long."""
    if isinstance(value, dict | list):
        items = value.values() if isinstance(value, dict) else value
        return next((found for item in items if (found := _huge(item)) is not None), None)
    return value if isinstance(value, int) and abs(value) >= 10**MAX_DIGITS else None


def _too_long(path: str, line: int, digits: int) -> FlopcalcError:
    why = f"a number of {digits:,} digits"
    return FlopcalcError(
        "bad-config", f"{at_line(path, line)}: {why}", f"write a number of at most {MAX_DIGITS} digits"
    )


def _loads(text: str) -> dict[str, Any]:
    found = _LONG_KEY.search(text)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        raise ValueError(f"a key of more than 50 pieces (at line {line})")
    return tomllib.loads(text)


def _table(data: dict[str, Any]) -> Any:
    tool = data.get("tool")
    return tool.get("flopcalc") if isinstance(tool, dict) else None
