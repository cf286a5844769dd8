"""Reading YAML safely: plain data with line numbers, and nothing else.

The safe loader's parser gives events; the tree is built here, so that each value keeps its line and
what a configuration never needs is refused by name: tags (Python objects), anchors and aliases
(which can expand without bound), duplicate keys, more than one document, very deep or very large
files. Plain scalars follow YAML 1.2: `on`, `no` and `1:30` are text.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import yaml

from flopcalc.errors import FlopcalcError, at_line, clip, unknown_name
from flopcalc.text.expression import evaluate

MAX_BYTES = 1_000_000
MAX_DEPTH = 40

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?[0-9]{1,100}")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)([eE][-+]?[0-9]{1,3})?")
_WORDS = {"true": True, "True": True, "false": False, "False": False, "null": None, "~": None, "": None}


class Map(dict[str, Any]):
    """A mapping that knows its lines: `line` of its start, `lines` of its keys."""

    line = 0
    lines: dict[str, int]


class Seq(list[Any]):
    """A sequence that knows the line of each item."""

    lines: list[int]


def line_of(value: Any, key: str | int | None = None) -> int:
    """Line (from 1) of a value or of one of its items; 0 where it is not known."""
    if isinstance(value, Map):
        return value.line if key is None else value.lines.get(str(key), value.line)
    if isinstance(value, Seq) and isinstance(key, int):
        return value.lines[key]
    return 0


class File(NamedTuple):
    """A file being read, for errors: its path, the code of its errors, and the page that describes its language."""

    path: str
    code: str
    guide: str

    def error(self, where: Any, key: str | int | None, why: str, hint: str = "") -> FlopcalcError:
        """The error at a line of this file: that of `where`, or of its item `key`."""
        line = line_of(where, key)
        place = at_line(self.path, line)
        return FlopcalcError(
            self.code, f"{place}: {why}", hint or f"{self.guide} describes the language, with an example"
        )

    def keys(self, data: Any, where: Any, key: str | int | None, allowed: Iterable[str], what: str) -> Map:
        """`data` as a mapping that has no key but the allowed ones."""
        if not isinstance(data, Map):
            raise self.error(where, key, f"{what} is {clip(data)}, not a mapping")
        for name in data:
            if name not in allowed:
                known = list(allowed)
                near = unknown_name("key", name, known, f"allowed here: {', '.join(known)}")
                raise self.error(data, name, f"{what}: {near.message}", near.hint)
        return data

    def value(self, spec: Map, key: str, env: Mapping[str, Any]) -> Any:
        """What stands at a key: a number, or the exact value of an expression."""
        value = spec[key]
        if not isinstance(value, str):
            return value
        try:
            return evaluate(value, env)
        except FlopcalcError as error:
            names = f"names here: {', '.join(sorted(name for name in env if env[name] is not None))}"
            raise self.error(spec, key, f"{key}: {error.message}", names) from None


def read_file(path: str, what: str = "file") -> Any:
    """The content of a YAML file. Raises FlopcalcError (bad-yaml, unreadable-file)."""
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise _error(path, 1, f"larger than {MAX_BYTES:,} bytes")
        return read_text(content.decode("utf-8"), path)
    except UnicodeDecodeError:
        raise _error(path, 1, "not text in UTF-8") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise FlopcalcError(
            "unreadable-file", f"cannot read the {what} {clip(path)}: {why}", "check the path"
        ) from None


def read_text(text: str, source: str) -> Any:
    """The data of YAML text; `source` names it in errors."""
    try:
        return _build(_events(text), source)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        why = getattr(error, "problem", None) or str(error).splitlines()[0]
        # libyaml reports the end of a file as the line after its last.
        line = min(mark.line + 1, len(text.splitlines()) or 1) if mark else 1
        raise _error(source, line, f"broken YAML: {why}") from None


def _events(text: str) -> Iterator[Any]:
    """What `yaml.parse` gives, without asking before each event whether there is one."""
    loader = _Loader(text)
    try:
        event = loader.get_event()
        while type(event) is not yaml.StreamEndEvent:
            yield event
            event = loader.get_event()
    finally:
        loader.dispose()


def _error(source: str, line: int, why: str) -> FlopcalcError:
    return FlopcalcError(
        "bad-yaml", f"{source}, line {line}: {why}", "use plain YAML: mappings, lists, numbers and text"
    )


def _build(events: Iterator[Any], source: str) -> Any:
    root: list[Any] = []
    # Each open container, and for mappings the key that waits for its value.
    stack: list[Any] = []
    keys: list[str | None] = []
    documents = 0

    def put(value: Any, line: int) -> None:
        if not stack:
            root.append(value)
            return
        top = stack[-1]
        if type(top) is Seq:
            top.append(value)
            top.lines.append(line)
        elif (key := keys[-1]) is None:
            keys[-1] = key = _key(top, value, source, line)
            top.lines[key] = line
        else:
            top[key] = value
            keys[-1] = None

    for event in events:
        kind, line = type(event), event.start_mark.line + 1
        if kind is yaml.AliasEvent or getattr(event, "anchor", None):
            raise _error(source, line, "anchors and aliases are not allowed")
        if kind is yaml.ScalarEvent:
            if event.tag not in (None, "!", "tag:yaml.org,2002:str"):
                raise _error(source, line, f"the tag {clip(event.tag)} is not allowed")
            put(event.value if event.style or event.tag else _scalar(event.value), line)
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            if event.tag not in (None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
                raise _error(source, line, f"the tag {clip(event.tag)} is not allowed")
            if len(stack) >= MAX_DEPTH:
                raise _error(source, line, f"nested more than {MAX_DEPTH} deep")
            container: Any
            if kind is yaml.MappingStartEvent:
                container = Map()
                container.line, container.lines = line, {}
            else:
                container = Seq()
                container.lines = []
            put(container, line)
            stack.append(container)
            keys.append(None)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            stack.pop()
            keys.pop()
        elif kind is yaml.DocumentStartEvent:
            documents += 1
            if documents > 1:
                raise _error(source, line, "more than one document")
    return root[0] if root else None


def _key(mapping: Map, value: Any, source: str, line: int) -> str:
    if isinstance(value, dict | list):
        raise _error(source, line, "a key must be a word or a number")
    key = str(value)
    if key in mapping:
        raise _error(source, line, f"the key {clip(key)} stands twice")
    return key


def _scalar(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
