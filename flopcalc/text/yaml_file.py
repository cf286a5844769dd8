"""Reading YAML files: plain data with line numbers, and errors that name the line.

The tree is built here from the events of the safe loader, so that each value keeps its line. Anything that a
configuration does not need is an error: tags (Python objects), anchors and aliases (which can expand without
bound), duplicate keys, more than one document, very deep or very large files, numbers of more than 100 digits.
Plain scalars follow YAML 1.2: `on`, `no` and `1:30` are text.
"""

import re
from collections.abc import Callable, Collection, Mapping, Set
from fractions import Fraction
from math import isinf
from typing import Any, NamedTuple

import yaml

from flopcalc.cost.whole import as_int
from flopcalc.errors import FlopcalcError, at_line, clip, unknown_name
from flopcalc.text.compiled import names_in
from flopcalc.text.expression import evaluate, exact
from flopcalc.text.input_file import decode, read_bytes

MAX_DEPTH = 40
MAX_DIGITS = 100

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)([eE][-+]?[0-9]+)?")
_TAB = re.compile(r" *\t")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = "numbers are from 1e-307 to 1e308; write text in quotes"
_PLAIN = "use plain YAML in UTF-8: mappings, lists, numbers and text"
QUOTE_COMMAS = 'in braces and brackets, quote an expression that contains a comma: "max(a, b)"'
_NO_ANCHORS = "anchors and aliases are not allowed"
_TEXT = frozenset((None, "!", "tag:yaml.org,2002:str"))
_CONTAINERS = frozenset((None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"))
_NUMBER = frozenset("+-.0123456789")
_WORDS = {"true": True, "True": True, "false": False, "False": False, "null": None, "~": None, "": None}


class Map(dict[str, Any]):
    """A mapping with its lines: `line` of its start, `lines` of its keys. One that was not read has none."""

    __slots__ = ("line", "lines")

    line: int
    lines: dict[str, int]


class Seq(list[Any]):
    """A sequence with the line of each item."""

    __slots__ = ("lines",)

    lines: list[int]


def copied(data: Map) -> Map:
    """A mapping with the same items and lines."""
    new = Map(data)
    new.line, new.lines = line_of(data), dict(getattr(data, "lines", {}))
    return new


def line_of(value: Any, key: str | int | None = None) -> int:
    """Line (from 1) of a value or of one of its items; 0 if it is not known."""
    if isinstance(value, Map):
        line: int = getattr(value, "line", 0)
        return line if key is None else getattr(value, "lines", {}).get(str(key), line)
    if isinstance(value, Seq) and isinstance(key, int):
        return value.lines[key]
    return 0


class File(NamedTuple):
    """A file being read: reads its values, and makes its errors, which name the file and the line.

    code: the code of its errors. hint: the hint of errors that have none of their own. line: (a mapping or
    list, a key or index) -> its line, 0 if it is not known.
    """

    path: str
    code: str
    hint: str
    line: Callable[[Any, str | int | None], int] = line_of

    def at(self, line: int, why: str, hint: str = "") -> FlopcalcError:
        """The error at a line of this file."""
        return FlopcalcError(self.code, f"{at_line(self.path, line)}: {why}", hint or self.hint)

    def error(self, where: Any, key: str | int | None, why: str, hint: str = "") -> FlopcalcError:
        """The error at the line of `where`, or of its item `key`."""
        return self.at(self.line(where, key), why, hint)

    def known(self, data: Mapping[str, Any], allowed: Collection[str], what: str) -> None:
        """Raise an error if a mapping has a key that is not allowed."""
        for name in data:
            if name not in allowed:
                known = sorted(allowed) if isinstance(allowed, Set) else list(allowed)
                near = unknown_name("key", name, known, f"allowed here: {', '.join(known)}")
                raise self.error(data, name, f"{what}: {near.message}", near.hint)

    def keys(self, data: Any, where: Any, key: str | int | None, allowed: Collection[str], what: str) -> Map:
        """`data`, the item `key` of `where`, as a mapping with allowed keys only."""
        if not isinstance(data, Map):
            raise self.error(where, key, f"{what} is {'empty' if data is None else clip(data)}, not a mapping")
        self.known(data, allowed, what)
        return data

    def value(self, spec: Mapping[str, Any], key: str, env: Mapping[str, Any], what: str = "") -> Any:
        """The value of a key. A text is an expression over `env`; decimals are exact fractions, lists are tuples."""
        return self.read(spec[key], spec, key, env, what)

    def read(self, value: Any, spec: Any, key: str, env: Mapping[str, Any], what: str) -> Any:
        """The value of a text or of a list of them, as `value` reads it; spec and key name the line of an error."""
        if isinstance(value, float):
            return exact(value)
        if isinstance(value, list):
            return tuple(self.read(item, spec, key, env, what) for item in value)
        if not isinstance(value, str):
            return value
        try:
            return exact(evaluate(value, env))
        except FlopcalcError as error:
            hint = error.hint
            if value.count("(") != value.count(")"):
                hint = QUOTE_COMMAS
            elif _has_unknown_name(value, env):
                hint = f"names here: {', '.join(sorted(name for name in env if env[name] is not None))}"
            raise self.error(spec, key, f"{f'{what}: ' if what else ''}{key}: {error.message}", hint) from None

    def whole(self, spec: Mapping[str, Any], key: str, env: Mapping[str, Any], what: str) -> int:
        """The value of a key that is a whole number, 0 or more."""
        return self.as_whole(self.value(spec, key, env, what), spec, key, what)

    def as_whole(self, value: Any, spec: Any, key: str, what: str) -> int:
        """The value of a key, if it is a whole number, 0 or more."""
        whole = as_int(value)
        if whole is None or whole < 0:
            shown = float(value) if isinstance(value, Fraction) else value
            raise self.error(spec, key, f"{what}: {key} is {clip(shown)}, not a whole number, 0 or more")
        return whole

    def pair(self, spec: Mapping[str, Any], key: str, env: Mapping[str, Any], what: str) -> int | tuple[int, int]:
        """The value of a key that is one whole number, or two: [height, width]."""
        found: int | tuple[int, int] = self.as_pair(self.value(spec, key, env, what), spec, key, what)
        return found

    def as_pair(self, value: Any, spec: Any, key: str, what: str, most: int = 2) -> Any:
        """The value of a key, if it is one whole number, or a tuple of two (up to `most`)."""
        if not isinstance(value, tuple):
            return self.as_whole(value, spec, key, what)
        if not 2 <= len(value) <= most:
            wanted = (
                "one number or two, [height, width]" if most == 2 else "one to three numbers, [depth, height, width]"
            )
            raise self.error(spec, key, f"{what}: {key} is {wanted}")
        return tuple(self.as_whole(one, spec, key, what) for one in value)

    def words(self, data: Map, key: str, default: str) -> str:
        """The text of a key, such as a title; the default where it is empty. Raises FlopcalcError for others."""
        value = data.get(key)
        if isinstance(value, list | Mapping | bool):
            hint = f"write for example {key}: some words; in quotes if they have a colon, a bracket or a brace"
            raise self.error(data, key, f"{key} is {clip(value)}, not text", hint)
        return str(value or default)

    def text(self, template: str, spec: Mapping[str, Any], key: str, env: Mapping[str, Any], what: str) -> str:
        """Text with the value of each `{expression}` in its place."""
        if "{" not in template:
            return template
        return BRACES.sub(lambda match: str(self.read(match[1], spec, key, env, what)), template)


def _has_unknown_name(text: str, env: Mapping[str, Any]) -> bool:
    """Whether a text is an expression with a name that `env` has not."""
    try:
        return any(name not in env for name in names_in(text))
    except FlopcalcError:
        return False


def read_file(path: str, what: str = "file") -> Any:
    """The content of a YAML file. Raises FlopcalcError (bad-yaml, unreadable-file)."""
    return read_content(read_bytes(path, what), path)


def read_content(content: bytes, path: str) -> Any:
    """The data of the bytes of a YAML file. Raises FlopcalcError (bad-yaml)."""
    try:
        text = decode(content)
    except ValueError as error:
        raise FlopcalcError("bad-yaml", f"{path}: {error}", _PLAIN) from None
    return read_text(text, path)


def read_text(text: str, source: str) -> Any:
    """The data of YAML text; `source` names it in errors."""
    try:
        return _build(text, source)
    except UnicodeEncodeError as error:
        # Half of a pair of UTF-16, which no file in UTF-8 has.
        line = text.count("\n", 0, error.start) + 1
        raise _error(source, line, f"the character {text[error.start]!r} is not allowed") from None
    except yaml.YAMLError as error:
        if found := _CONTROL.search(text):
            line = text.count("\n", 0, found.start()) + 1
            raise _error(source, line, f"the control character {found[0]!r} is not allowed") from None
        mark = getattr(error, "problem_mark", None)
        why = getattr(error, "problem", None) or str(error).splitlines()[0]
        # libyaml reports the end of a file as the line after its last.
        lines = text.splitlines()
        line = min(mark.line + 1, len(lines) or 1) if mark else 1
        if line <= len(lines) and _TAB.match(lines[line - 1]):
            raise _error(source, line, "a tab in the indentation", "indent with spaces") from None
        raise _error(source, line, f"broken YAML: {why}") from None


def _error(source: str, line: int, why: str, hint: str = _PLAIN) -> FlopcalcError:
    return FlopcalcError("bad-yaml", f"{source}, line {line}: {why}", hint)


def _build(text: str, source: str) -> Any:
    """The data of the events of the text. `yaml.parse` asks before each event whether there is one, and is slower."""
    loader = _Loader(text)
    try:
        return _data(loader.get_event, source)
    finally:
        loader.dispose()


def _data(next_event: Callable[[], Any], source: str) -> Any:
    root = _seq()
    # The open container, and for a mapping the key whose value comes next; those outside, innermost last.
    top: Any = root
    key: str | None = None
    outside: list[tuple[Any, str | None]] = []
    # Most plain scalars appear several times.
    plain: dict[str, Any] = {}
    documents = 0
    while (kind := type(event := next_event())) is not yaml.StreamEndEvent:
        if kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            top, key = outside.pop()
            continue
        line = event.start_mark.line + 1
        inner: Any = None
        if kind is yaml.ScalarEvent:
            value = event.value
            if event.tag is not None or event.anchor is not None:
                _check_node(event, _TEXT, source, line)
            elif not event.style:
                try:
                    value = plain[value]
                except KeyError:
                    value = plain[value] = _scalar(value, source, line)
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            value = inner = _container(event, kind, len(outside), source, line)
        else:
            documents += _starts(kind, documents, source, line)
            continue
        if type(top) is Seq:
            top.append(value)
            top.lines.append(line)
        elif key is None:
            key = value if type(value) is str and value not in top else _key(top, value, source, line)
            top.lines[key] = line
        else:
            top[key] = value if value is not None else _nothing(key, source, line)
            key = None
        if inner is not None:
            outside.append((top, key))
            top, key = inner, None
    return root[0] if root else None


def _nothing(key: str, source: str, line: int) -> Any:
    """The value of a key without one. Raises FlopcalcError where the key is the rest of an expression with a comma."""
    if key.count(")") > key.count("("):
        raise _error(source, line, f"{clip(key)} follows a comma inside of brackets", QUOTE_COMMAS)
    return None


def _starts(kind: type, documents: int, source: str, line: int) -> bool:
    """Whether an event that is no value starts a document, the only one."""
    if kind is yaml.AliasEvent:
        raise _error(source, line, _NO_ANCHORS)
    if kind is yaml.DocumentStartEvent and documents:
        raise _error(source, line, "more than one document")
    return kind is yaml.DocumentStartEvent


def _check_node(event: Any, tags: Collection[str | None], source: str, line: int) -> None:
    if event.anchor is not None:
        raise _error(source, line, _NO_ANCHORS)
    if event.tag not in tags:
        raise _error(source, line, f"the tag {clip(event.tag)} is not allowed")


def _container(event: Any, kind: type, depth: int, source: str, line: int) -> Map | Seq:
    """The empty container that an event starts, inside as many others."""
    _check_node(event, _CONTAINERS, source, line)
    if depth >= MAX_DEPTH:
        raise _error(source, line, f"nested more than {MAX_DEPTH} deep")
    if kind is yaml.SequenceStartEvent:
        return _seq()
    mapping = Map()
    mapping.line, mapping.lines = line, {}
    return mapping


def _seq() -> Seq:
    made = Seq()
    made.lines = []
    return made


def _key(mapping: Map, value: Any, source: str, line: int) -> str:
    key = value if type(value) is str else str(value)
    if type(value) in (Map, Seq):
        raise _error(source, line, "a key must be a word or a number")
    if key in mapping:
        raise _error(source, line, f"the key {clip(key)} appears twice")
    return key


def _scalar(text: str, source: str, line: int) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER:
        return text
    if _INT.fullmatch(text):
        if len(text) <= MAX_DIGITS:
            return int(text)
    elif not _FLOAT.fullmatch(text):
        return text
    digits = sum(map(str.isdigit, re.split("[eE]", text)[0]))
    if digits > MAX_DIGITS:
        why, how = f"a number of {digits:,} digits", f"a number has at most {MAX_DIGITS} digits"
        raise _error(source, line, why, f"{how}; write text in quotes")
    value = float(text)
    if isinf(value) or (value == 0 and re.search("[1-9]", re.split("[eE]", text)[0])):
        size = "large" if value else "small"
        raise _error(source, line, f"the number {clip(text)} is too {size}", _RANGE)
    return value
