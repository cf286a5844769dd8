"""The file of targets and limits: `flopcalc.yaml`, or `[tool.flopcalc]` in `pyproject.toml`.

A target is an operator with its shape, or a network with its options. Errors name the file and the line, and give
an example.
"""

import os
import re
from collections.abc import Mapping
from contextlib import chdir
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from flopcalc.budget import training_keys
from flopcalc.budget.default_file import default_file
from flopcalc.budget.examples import CALL_EXAMPLES, MAPPING_EXAMPLES, MAPPINGS, NAMES, TEXT_EXAMPLES
from flopcalc.budget.flags import as_keys
from flopcalc.budget.kernel_rules import read_rules
from flopcalc.budget.tolerance import NO_GROWTH, Tolerance, read_tolerance
from flopcalc.budget.toml import Lines, read_toml
from flopcalc.budget.training_keys import read_step
from flopcalc.catalog import lookup
from flopcalc.cost.cost import DTYPE_BYTES
from flopcalc.cost.geometry import SAME, height_and_width
from flopcalc.errors import FlopcalcError, at_line, clip
from flopcalc.networks.inputs import parse_input
from flopcalc.targets.limits import Limit, read_limit
from flopcalc.targets.spec import TargetSpec, Timeout, read_call, read_plan
from flopcalc.text.sizes import sizes_of
from flopcalc.text.yaml_file import File, line_of, read_file

if TYPE_CHECKING:
    from flopcalc.catalog.kernels import KernelRule

DEFAULT_LOCK = "flopcalc.lock"
# Beyond any project; a file of a megabyte could ask for hours of work.
MOST_TARGETS = 1000
MOST_LIMITS = 5000
_EXAMPLE = "for example: targets: [{network: resnet50, limits: [params <= 26M, macs <= 4.1G]}]"

_CALL = ("arg", "method", "on")
_TOP = ("targets", "lock", "dtype", "formulas", "kernels", "tolerance")
_SHARED = ("name", "set", "batch", "limits", "tolerance")
_NETWORK = (
    "network",
    "input",
    *_CALL,
    "replace",
    "where",
    "keep",
    *training_keys.KEYS,
    "baseline",
    "uncounted",
    *_SHARED,
)
_PAIRS = ("k", "hw", "stride", "padding", "dilation")
_OPERATOR = ("operator", "c_in", "c_out", "cin", "cout", "h", "w", "groups", *_PAIRS, *_SHARED)
# Sizes that may be written like the flags of the command line.
_SAME = {"cin": "c_in", "cout": "c_out"}
_TEXTS = ("replace", "keep", "input", "freeze", "checkpoint")
_REPLACING = ("replace", "where", "keep")


class Budget(NamedTuple):
    """A target and its limits. baseline: the target or network that limits compare with; empty for the target itself
    before replacement. path, line: its place in the file. lines: of its keys and settings. uncounted: whether its
    limits fail if a kernel could not be counted. tolerance: how much it may grow since another revision.
    """

    name: str
    target: TargetSpec
    limits: tuple[Limit, ...]
    path: str
    line: int
    baseline: str = ""
    lines: tuple[tuple[str, int], ...] = ()
    uncounted: Literal["fail", "allow"] = "fail"
    tolerance: Tolerance = NO_GROWTH

    def place(self, error: FlopcalcError) -> str:
        """The file, and the line of the key in an error about the target, or that of the target."""
        line, first = self.line, len(error.message)
        if error.code.startswith(("bad-option", "unknown-option", "bad-dimension", "does-not-fit")):
            for name, at in self.lines:
                found = re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])", error.message)
                if at and found and found.start() < first:
                    line, first = at, found.start()
        return at_line(self.path, line)


class LockedFormulas(NamedTuple):
    """The operators whose closed forms are locked: all operators in flopcalc, those with these names, or none."""

    which: Literal["none", "all", "named"] = "none"
    names: tuple[str, ...] = ()
    line: int = 0


class Config(NamedTuple):
    """The content of a file of targets. lock: the path of its lock file."""

    path: str
    targets: tuple[Budget, ...]
    lock: str
    dtype: str
    formulas: LockedFormulas = LockedFormulas()

    def with_timeout(self, timeout: Timeout) -> "Config":
        """The same file with another time limit for building Python models."""
        targets = [one._replace(target=one.target._replace(timeout=timeout)) for one in self.targets]
        return self._replace(targets=tuple(targets))

    def formulas_error(self, error: FlopcalcError) -> FlopcalcError:
        """An error about an operator in `formulas`, with its file and line."""
        place = at_line(self.path, self.formulas.line)
        return FlopcalcError("bad-config", f"{place}: formulas: {error.message}", error.hint)


def find_config(given: str | None) -> str:
    """The file to read: the given one, or the first default file in this folder. Raises FlopcalcError (no-config)."""
    if given is not None:
        return given
    if (found := default_file()) is not None:
        return found
    raise FlopcalcError(
        "no-config",
        "this folder has no flopcalc.yaml and no pyproject.toml with [tool.flopcalc]",
        f"write a flopcalc.yaml, {_EXAMPLE}",
    )


def read_config(path: str) -> Config:
    """The targets of a file. Raises FlopcalcError (bad-config, bad-limit, bad-yaml, unreadable-file)."""
    reader, data = _open(path)
    reader.file.known(data, _TOP, "the file")
    specs = reader.targets(data)
    dtype = data.get("dtype", "float32")
    if not isinstance(dtype, str) or dtype not in DTYPE_BYTES:
        raise reader.file.error(data, "dtype", f"dtype is {clip(dtype)}, not one of {', '.join(DTYPE_BYTES)}")
    lock = data.get("lock", DEFAULT_LOCK)
    if not isinstance(lock, str) or not lock.strip():
        raise reader.file.error(
            data, "lock", f"lock is {clip(lock)}, not the path of a file", f"for example lock: {DEFAULT_LOCK}"
        )
    lock = os.path.join(os.path.dirname(path), lock)
    return Config(path, specs, lock, dtype, reader.formulas(data))


def kernel_rules(path: str) -> "tuple[KernelRule, ...]":
    """The section `kernels` of a file, whatever the other sections hold. Raises FlopcalcError as `read_config`."""
    reader, data = _open(path)
    return read_rules(reader.file, data)


def _open(path: str) -> tuple["_Reader", dict[str, Any]]:
    if path.endswith(".toml"):
        data, lines = read_toml(path)
        reader = _Reader(path, lines)
    else:
        data = read_file(path, "file of targets")
        reader = _Reader(path, None)
    if not isinstance(data, dict):
        raise reader.file.error(None, None, "it is not a mapping with targets")
    return reader, data


class _Reader:
    """The file being read. lines: of a TOML file, because its values have no line numbers."""

    def __init__(self, path: str, lines: Lines | None) -> None:
        self.file = File(path, "bad-config", _EXAMPLE, line_of if lines is None else lines.line)
        self.lines = lines
        self.limits_read = 0
        self.kernels: tuple[KernelRule, ...] = ()
        self.usual = NO_GROWTH

    def targets(self, data: Mapping[str, Any]) -> tuple[Budget, ...]:
        self.kernels = read_rules(self.file, data)
        self.usual = self.tolerance(data, NO_GROWTH)._replace(line=0)
        given = data.get("targets")
        if not isinstance(given, list) or not given:
            raise self.file.error(data, "targets", "targets must be a list with at least one target")
        if len(given) > MOST_TARGETS:
            raise self.file.error(data, "targets", f"there are more than {MOST_TARGETS} targets", "make several files")
        specs: dict[str, Budget] = {}
        for index in range(len(given)):
            spec = self.target(given, index)
            if spec.name in specs:
                why = f"two targets have the name {clip(spec.name)}"
                raise self.file.at(spec.line, why, "give one of them another name, with name:")
            specs[spec.name] = spec
        if self.lines is not None:
            self.lines.enter(None)
        return tuple(specs.values())

    def target(self, targets: list[Any], index: int) -> Budget:
        spec = targets[index]
        if self.lines is not None:
            self.lines.enter((index, len(targets)))
        if not isinstance(spec, dict):
            raise self.file.error(targets, index, f"the target is {clip(spec)}, not a mapping")
        kinds = [kind for kind in ("network", "operator") if kind in spec]
        if len(kinds) != 1:
            raise self.file.error(targets, index, "a target must have either network or operator")
        kind = kinds[0]
        self.file.known(spec, _NETWORK if kind == "network" else _OPERATOR, f"a target with {kind}")
        what = spec[kind]
        if not isinstance(what, str) or not what.strip():
            raise self.file.error(
                spec, kind, f"{kind} is {clip(what)}, not a name", f"for example {kind}: {NAMES[kind]}"
            )
        for flag, size in _SAME.items():
            if flag in spec and size in spec:
                raise self.file.error(spec, flag, f"{flag} and {size} are the same size", f"keep {size}")
        if kind == "operator" and not {"cin", "c_in"} & set(spec):
            raise self.file.error(
                spec, kind, f"the operator {clip(what)} has no c_in", "for example {operator: ghost, c_in: 64}"
            )
        line = self.file.line(targets, index) if self.lines is None else self.lines.find(what)
        target = self.network(spec, what) if kind == "network" else self.operator(spec, what)
        baseline = self.plain(spec, "baseline") if "baseline" in spec else ""
        name, limits = self.name(spec, kind, target), self.limits(spec, kind)
        return Budget(
            name=name,
            target=target,
            limits=limits,
            path=self.file.path,
            line=line,
            baseline=baseline,
            lines=self.places(spec),
            uncounted=self.uncounted(spec),
            tolerance=self.tolerance(spec, self.usual),
        )

    def places(self, spec: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
        """The lines of the keys of a target and of its settings, by the names that errors use."""
        found = {_SAME.get(key, key): self.file.line(spec, key) for key in spec if key != "name"}
        settings = spec.get("set", {})
        return tuple(({name: self.file.line(settings, name) for name in settings} | found).items())

    def network(self, spec: Mapping[str, Any], what: str) -> TargetSpec:
        """The network of a target. Paths are relative to the file."""
        given = {key: self.plain(spec, key) for key in ("set", "input", "batch", *_CALL, *_REPLACING) if key in spec}
        try:
            inputs = tuple(parse_input(text) for text in given.get("input", ()))
        except FlopcalcError as error:
            raise self.file.error(spec, "input", as_keys(error.message), as_keys(error.hint)) from None
        try:
            with chdir(os.path.dirname(self.file.path) or "."):
                plan = read_plan(given.get("replace", ()), given.get("where"), given.get("keep", ()))
        except FlopcalcError as error:
            where = "where" if error.code in ("bad-where", "unknown-field") else None
            key = next((key for key in (where, *_REPLACING) if key in spec), None)
            raise self.file.error(spec, key, as_keys(error.message), as_keys(error.hint)) from None
        try:
            call = read_call(*(given.get(key) for key in _CALL))
        except FlopcalcError as error:
            key = next(key for key in _CALL if error.message.startswith(f"--{key} "))
            raise self.file.error(spec, key, error.message.removeprefix("--"), CALL_EXAMPLES[key]) from None
        training = read_step(self.file, spec, self.plain)
        settings, batch = given.get("set", {}), given.get("batch", 1)
        target = TargetSpec("network", what, settings, inputs, batch, plan, call=call, kernels=self.kernels)
        return target._replace(training=training, names_method="method" in given)

    def operator(self, spec: Mapping[str, Any], what: str) -> TargetSpec:
        """The operator of a target. Sizes are named as in `flopcalc.layer`."""
        sizes = ("c_in", "c_out", "cin", "cout", "groups", "batch", *_PAIRS)
        shape = {_SAME.get(key, key): self.plain(spec, key) for key in sizes if key in spec}
        for key in _PAIRS:
            if isinstance(shape.get(key), tuple) and len(shape[key]) == 3 and not _has_depth(what):
                wanted = "not a whole number, or two such as [3, 5]"
                raise self.file.error(spec, key, f"{key} is {clip(spec[key])}, {wanted}", f"for example {key}: 3")
        sides = [self.plain(spec, key) if key in spec else None for key in ("h", "w")]
        try:
            hw = height_and_width(shape.get("hw"), *sides)
        except FlopcalcError as error:
            raise self.file.error(spec, "hw", error.message, "give hw: 56, hw: [56, 28], or h and w") from None
        if hw is not None:
            shape["hw"] = hw
        settings = self.plain(spec, "set") if "set" in spec else {}
        return TargetSpec("operator", what, settings, shape=shape)

    def name(self, spec: Mapping[str, Any], kind: str, target: TargetSpec) -> str:
        given = spec.get("name")
        if given is None:
            replaced = target.plan.requests if target.plan else ()
            given = " ".join([spec[kind], *(f"--replace {one.command}" for one in replaced)])
        name = " ".join(str(given).split())
        if not name or len(name) > 200 or not name.isprintable() or isinstance(given, dict | list):
            raise self.file.error(
                spec, "name", f"the name of the target is {clip(given)}, not a short string", "for example name: my-net"
            )
        return name

    def plain(self, spec: Mapping[str, Any], key: str) -> Any:
        """The value of a key, checked: text, whole numbers, lists or mappings of these."""
        value = spec[key]
        if key in ("set", "arg"):
            if not isinstance(value, dict) or any(isinstance(one, dict) for one in value.values()):
                raise self.file.error(
                    spec,
                    key,
                    f"{key} is {clip(value)}, not a mapping of {MAPPINGS[key]} to values",
                    f"for example {key}: {MAPPING_EXAMPLES[key]}",
                )
            return dict(value)
        if key in _TEXTS:
            values = value if isinstance(value, list) else [value]
            if key == "input" and values and all(type(one) is int for one in values):
                values = ["x".join(map(str, values))]
            if not values or not all(isinstance(one, str) for one in values):
                raise self.file.error(
                    spec, key, f"{key} is {clip(value)}, not a string or a list of strings", TEXT_EXAMPLES[key]
                )
            return tuple(values)
        if key in ("where", "baseline", "method", "on", *training_keys.TEXTS):
            if not isinstance(value, str):
                raise self.file.error(spec, key, f"{key} is {clip(value)}, not a string", TEXT_EXAMPLES[key])
            return value
        if type(value) is int:
            return value
        if key in _PAIRS and (sizes := sizes_of(value)) is not None:
            return sizes
        if key in _PAIRS and isinstance(value, list) and len(value) in (2, 3) and {*map(type, value)} == {int}:
            return tuple(value)
        if key == "padding" and value == SAME:
            return value
        wanted = "whole number, or two such as [3, 5]" if key in _PAIRS else "whole number"
        raise self.file.error(spec, key, f"{key} is {clip(value)}, not a {wanted}", f"for example {key}: 3")

    def limits(self, spec: Mapping[str, Any], kind: str) -> tuple[Limit, ...]:
        given = spec.get("limits", [])
        if not isinstance(given, list):
            raise self.file.error(
                spec,
                "limits",
                f"limits is {clip(given)}, not a list",
                "for example limits: [params <= 5.5M, macs <= 300M]",
            )
        self.limits_read += len(given)
        if self.limits_read > MOST_LIMITS:
            raise self.file.error(spec, "limits", f"there are more than {MOST_LIMITS} limits", "make several files")
        return tuple(self.limit(given, index, kind) for index in range(len(given)))

    def limit(self, given: list[Any], index: int, kind: str) -> Limit:
        text = given[index]
        # `layer *: macs <= 1M` is a mapping for YAML.
        if isinstance(text, dict) and len(text) == 1:
            text = ": ".join(str(one) for pair in text.items() for one in pair)
        line = self.file.line(given, index)
        if not isinstance(text, str):
            raise self.file.at(
                line, f"the limit is {clip(text)}, not a string", "for example params <= 5.5M, macs <= 300M"
            )
        try:
            return read_limit(text, kind, line)
        except FlopcalcError as error:
            raise self.file.at(line, error.message, error.hint) from None

    def uncounted(self, spec: Mapping[str, Any]) -> Literal["fail", "allow"]:
        given = spec.get("uncounted", "fail")
        if given not in ("fail", "allow"):
            why = f"uncounted is {clip(given)}, not allow or fail"
            hint = "uncounted: allow checks the limits on what could be counted; a limit is written as uncounted <= 3"
            raise self.file.error(spec, "uncounted", why, hint)
        return "allow" if given == "allow" else "fail"

    def tolerance(self, spec: Mapping[str, Any], usual: Tolerance) -> Tolerance:
        """How much the costs may grow. usual: where the key is not given."""
        if "tolerance" not in spec:
            return usual
        try:
            return read_tolerance(spec["tolerance"], self.file.line(spec, "tolerance"))
        except FlopcalcError as error:
            raise self.file.error(spec, "tolerance", error.message, error.hint) from None

    def formulas(self, data: Mapping[str, Any]) -> LockedFormulas:
        given = data.get("formulas")
        line = self.file.line(data, "formulas")
        if given is None or given is False:
            return LockedFormulas()
        if given is True or given == "all":
            return LockedFormulas("all", line=line)
        if isinstance(given, list) and given and all(isinstance(one, str) for one in given):
            return LockedFormulas("named", tuple(dict.fromkeys(given)), line)
        why = f"formulas is {clip(given)}, not `all` or a list of operators and networks"
        raise self.file.error(
            data,
            "formulas",
            why,
            "for example formulas: all, or formulas: [ghost, resnet50]; a network is a target of this file",
        )


def _has_depth(operator: str) -> bool:
    found = lookup.find(operator.partition(":")[0])
    return found is not None and found.volume
