"""`[tool.flopcalc]` of a `pyproject.toml`, and the line numbers of its values."""

import re
import tomllib
from typing import Any

from flopcalc.errors import FlopcalcError, clip
from flopcalc.text.yaml_file import MAX_BYTES

_HEADER = re.compile(r"\s*\[\[\s*tool\s*\.\s*flopcalc\s*\.\s*targets\s*\]\]")
# A key of very many pieces takes tomllib quadratic memory.
_LONG_KEY = re.compile(r"(?<![\w\"'-])(?:[\w\"'-]++\s*+\.\s*+){50}")
_EXAMPLE = '[[tool.flopcalc.targets]] with network = "resnet50" and limits = ["macs <= 4.1G"]'


class Lines:
    """The line numbers of a TOML file. Values have none, so their text is searched for, from the header of the
    target that is being read.
    """

    def __init__(self, text: str) -> None:
        self.lines = text.splitlines()
        self.headers = [number for number, line in enumerate(self.lines) if _HEADER.match(line)]
        self.start = 0

    def enter(self, target: tuple[int, int] | None) -> None:
        """Search from a target on. target: its index and the number of targets; None for the whole file."""
        written = target is not None and len(self.headers) == target[1]
        self.start = self.headers[target[0]] if target and written else 0

    def find(self, text: str | None) -> int:
        """The line (from 1) that contains the text, or that of the target; 0 if neither is known."""
        if text:
            for number in range(self.start, len(self.lines)):
                if text in self.lines[number]:
                    return number + 1
        return self.start + 1 if self.start else 0


def has_table(path: str) -> bool:
    """Whether a file has our table, or is broken and contains its header."""
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError:
        return False
    if b"flopcalc" not in content:
        return False
    try:
        return _table(_loads(content.decode("utf-8"))) is not None
    except (ValueError, RecursionError):
        return bool(re.search(rb"^\s*\[+\s*tool\s*\.\s*flopcalc\b", content, re.MULTILINE))


def read_toml(path: str) -> tuple[Any, Lines]:
    """The table, and its line numbers. Raises FlopcalcError (bad-config, unreadable-file)."""
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise FlopcalcError("unreadable-file", f"cannot read {clip(path)}: {why}", "check the path") from None
    try:
        if len(content) > MAX_BYTES:
            raise ValueError(f"larger than {MAX_BYTES:,} bytes")
        text = content.decode("utf-8")
        table = _table(_loads(text))
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())[:150]
        raise FlopcalcError("bad-config", f"{path} is not read as TOML: {why}", _EXAMPLE) from None
    if table is None:
        raise FlopcalcError("bad-config", f"{path}: there is no table [tool.flopcalc]", _EXAMPLE)
    return table, Lines(text)


def _loads(text: str) -> dict[str, Any]:
    found = _LONG_KEY.search(text)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        raise ValueError(f"a key of more than 50 pieces (at line {line})")
    return tomllib.loads(text)


def _table(data: dict[str, Any]) -> Any:
    tool = data.get("tool")
    return tool.get("flopcalc") if isinstance(tool, dict) else None
