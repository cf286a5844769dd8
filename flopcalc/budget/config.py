"""The file that says what may cost what: `flopcalc.yaml`, or `[tool.flopcalc]` in `pyproject.toml`.

It lists targets (an operator with its shape, or a network with its options) and their limits. Errors name
the file, the line and an example.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from typing import Any, NamedTuple

from flopcalc.budget.limits import Limit, read_limit
from flopcalc.cost import DTYPE_BYTES
from flopcalc.errors import FlopcalcError, clip, unknown_name
from flopcalc.yamlfile import MAX_BYTES, Map, Seq, line_of, read_file

DEFAULT_FILES = ("flopcalc.yaml", "flopcalc.yml", "pyproject.toml")
DEFAULT_LOCK = "flopcalc.lock"
EXAMPLE = "for example: targets: [{network: resnet50, limits: [params <= 26M, macs <= 4.1G]}]"

_TOP = ("targets", "lock", "dtype", "formulas")
_SHARED = ("name", "set", "batch", "limits")
_NETWORK = ("network", "input", "replace", "where", "keep", "baseline", *_SHARED)
_SHAPE = ("cin", "cout", "k", "hw", "h", "w", "stride", "padding", "dilation", "groups")
_OPERATOR = ("operator", *_SHAPE, *_SHARED)


class TargetSpec(NamedTuple):
    """One target. what: the operator or network as the command line takes it. options: the rest, checked
    for names and sorts only. path, line: where it stands.
    """

    name: str
    kind: str
    what: str
    options: Mapping[str, Any]
    limits: tuple[Limit, ...]
    path: str
    line: int


class Config(NamedTuple):
    """Everything that a file asks for. formulas: operators whose closed forms are locked; None for none."""

    path: str
    targets: tuple[TargetSpec, ...]
    lock: str
    dtype: str
    formulas: tuple[str, ...] | None


def find_config(given: str | None) -> str:
    """The file to read: the one given, else the first of the usual ones here. Raises FlopcalcError (no-config)."""
    if given is not None:
        return given
    for name in DEFAULT_FILES:
        if os.path.isfile(name) and (name != "pyproject.toml" or _has_table(name)):
            return name
    raise FlopcalcError(
        "no-config",
        "there is neither a flopcalc.yaml nor a pyproject.toml with [tool.flopcalc] here",
        f"write a flopcalc.yaml, {EXAMPLE}",
    )


def read_config(path: str) -> Config:
    """The targets of a file. Raises FlopcalcError (bad-config, bad-yaml, unreadable-file)."""
    reader = _Reader(path)
    if path.endswith(".toml"):
        data, reader.text = _toml(path)
    else:
        data = read_file(path, "configuration")
    if not isinstance(data, dict):
        raise reader.error(None, None, "it is not a mapping with targets")
    reader.keys(data, _TOP, "the file")
    targets = data.get("targets")
    if not isinstance(targets, list) or not targets:
        raise reader.error(data, "targets", "targets is a list of what to check, and is empty or missing")
    specs = [reader.target(targets, index) for index in range(len(targets))]
    names = [spec.name for spec in specs]
    for spec in specs:
        if names.count(spec.name) > 1:
            raise reader.at(spec.line, f"two targets are called {spec.name}", "give them a name: each")
    dtype = data.get("dtype", "float32")
    if dtype not in DTYPE_BYTES:
        raise reader.error(data, "dtype", f"dtype is {clip(dtype)}, not one of {', '.join(DTYPE_BYTES)}")
    lock = data.get("lock", DEFAULT_LOCK)
    if not isinstance(lock, str):
        raise reader.error(data, "lock", f"lock is {clip(lock)}, not the path of a file")
    return Config(path, tuple(specs), os.path.join(os.path.dirname(path), lock), dtype, reader.formulas(data))


class _Reader:
    """The file being read. text: of a TOML file, whose values do not know their lines."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.text = ""

    def at(self, line: int, why: str, hint: str = "") -> FlopcalcError:
        place = f"{self.path}, line {line}" if line else self.path
        return FlopcalcError("bad-config", f"{place}: {why}", hint or EXAMPLE)

    def error(self, where: Any, key: str | int | None, why: str, hint: str = "") -> FlopcalcError:
        return self.at(self.line(where, key), why, hint)

    def line(self, where: Any, key: str | int | None) -> int:
        if not self.text:
            return line_of(where, key)
        # The first line that holds the text in question.
        sought = str(where[key]) if isinstance(key, int) and isinstance(where, list) else str(key)
        return next((i for i, line in enumerate(self.text.splitlines(), 1) if sought in line), 0)

    def keys(self, data: Any, allowed: tuple[str, ...], what: str) -> None:
        for key in data:
            if key not in allowed:
                near = unknown_name("key", str(key), allowed, f"{what} may have: {', '.join(allowed)}")
                raise self.error(data, key, near.message, near.hint)

    def target(self, targets: list[Any], index: int) -> TargetSpec:
        spec = targets[index]
        if not isinstance(spec, dict):
            raise self.error(targets, index, f"a target is a mapping, not {clip(spec)}")
        kinds = [kind for kind in ("network", "operator") if kind in spec]
        if len(kinds) != 1:
            raise self.error(targets, index, "a target has either network or operator")
        kind = kinds[0]
        self.keys(spec, _NETWORK if kind == "network" else _OPERATOR, f"a target with {kind}")
        what = spec[kind]
        if not isinstance(what, str) or not what:
            raise self.error(spec, kind, f"{kind} is {clip(what)}, not a name")
        if kind == "operator" and "cin" not in spec:
            raise self.error(spec, kind, f"the operator {what} has no cin", "for example {operator: ghost, cin: 64}")
        options = {key: self.plain(spec, key) for key in spec if key not in (kind, "name", "limits")}
        limits = self.limits(spec, kind)
        line = self.line(spec, None) if not self.text else self.line(spec, what)
        return TargetSpec(self.name(spec, kind, options), kind, what, options, limits, self.path, line)

    def name(self, spec: Mapping[str, Any], kind: str, options: Mapping[str, Any]) -> str:
        given = spec.get("name")
        if given is None:
            replaced = options.get("replace") or ()
            given = " ".join([spec[kind], *(f"--replace {one}" for one in replaced)])
        name = " ".join(str(given).split())
        if not name or isinstance(given, dict | list):
            raise self.error(spec, "name", f"the name of the target is {clip(given)}, not a text")
        return name

    def plain(self, spec: Mapping[str, Any], key: str) -> Any:
        """A value of the sort that its key wants: text, whole numbers, lists or mappings of these."""
        value = spec[key]
        if key == "set":
            if not isinstance(value, dict) or any(isinstance(one, dict) for one in value.values()):
                raise self.error(spec, key, f"set is {clip(value)}, not a mapping of options to values")
            return {name: _as_text(one) for name, one in value.items()}
        if key in ("replace", "keep", "input"):
            values = value if isinstance(value, list) else [value]
            if key == "input" and values and all(type(one) is int for one in values):
                values = ["x".join(map(str, values))]
            if not values or not all(isinstance(one, str) for one in values):
                raise self.error(spec, key, f"{key} is {clip(value)}, not a text or a list of texts")
            return tuple(values)
        if key in ("where", "baseline"):
            if not isinstance(value, str):
                raise self.error(spec, key, f"{key} is {clip(value)}, not a text")
            return value
        pair = isinstance(value, list) and len(value) == 2 and all(type(one) is int for one in value)
        if type(value) is int:
            return value
        if pair and key in ("k", "hw", "stride", "padding", "dilation"):
            return tuple(value)
        raise self.error(spec, key, f"{key} is {clip(value)}, not a whole number")

    def limits(self, spec: Mapping[str, Any], kind: str) -> tuple[Limit, ...]:
        given = spec.get("limits", [])
        if not isinstance(given, list):
            raise self.error(spec, "limits", f"limits is {clip(given)}, not a list")
        found = []
        for index, one in enumerate(given):
            # `layer *: macs <= 1M` is a mapping for YAML.
            text = one
            if isinstance(one, dict) and len(one) == 1:
                text = ": ".join(map(str, *one.items()))
            if not isinstance(text, str):
                raise self.error(given, index, f"a limit is {clip(one)}, not a text such as `macs <= 300M`")
            try:
                found.append(read_limit(text, kind, self.line(given, index)))
            except FlopcalcError as error:
                raise self.error(given, index, error.message, error.hint) from None
        return tuple(found)

    def formulas(self, data: Mapping[str, Any]) -> tuple[str, ...] | None:
        given = data.get("formulas")
        if given is None or given is False:
            return None
        if given in ("all", True):
            return ()
        if isinstance(given, list) and given and all(isinstance(one, str) for one in given):
            return tuple(given)
        raise self.error(data, "formulas", f"formulas is {clip(given)}, not `all` or a list of operators")


def _as_text(value: Any) -> str:
    """A value as `--set` takes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _has_table(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return bool(re.search(rb"^\s*\[+\s*tool\s*\.\s*flopcalc\b", file.read(MAX_BYTES), re.MULTILINE))
    except OSError:
        return False


def _toml(path: str) -> tuple[Any, str]:
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise FlopcalcError("bad-config", f"{path}: larger than {MAX_BYTES:,} bytes", "keep it small")
        text = content.decode("utf-8")
        data = tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        why = getattr(error, "strerror", None) or " ".join(str(error).split())[:150] or "nested too deeply"
        raise FlopcalcError("bad-config", f"cannot read {clip(path)}: {why}", "it must be TOML in UTF-8") from None
    table = data.get("tool", {})
    found = table.get("flopcalc") if isinstance(table, dict) else None
    if found is None:
        raise FlopcalcError(
            "bad-config", f"{path}: there is no table [tool.flopcalc]",
            '[[tool.flopcalc.targets]] with network = "resnet50" and limits = ["macs <= 4.1G"]',
        )  # fmt: skip
    return found, text


__all__ = ["DEFAULT_LOCK", "EXAMPLE", "Config", "Map", "Seq", "TargetSpec", "find_config", "read_config"]
