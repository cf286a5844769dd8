"""`flopcalc.lock`: the exact cost of every target, layer by layer, and closed forms of operators, as text.

Each layer is one line, in order of execution, and a cost of 0 is left out, so that a change of the model is a small
difference of the file. The first line of a target describes it. A word with spaces is quoted, as in JSON.
"""

import codecs
import json
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from flopcalc.budget.config import Config, find_config
from flopcalc.budget.measure import Each, Measured, parts
from flopcalc.cost.cost import DTYPE_BYTES
from flopcalc.cost.kinds import KINDS
from flopcalc.errors import FlopcalcError, clip

VERSION = "1"
MAX_BYTES = 20_000_000
SIGNATURE = "# Costs, layer by layer, as flopcalc found them."
_HEAD = (
    f"{SIGNATURE} Not to be edited by hand; after a wanted change:\n"
    "# `flopcalc lock --update`, or `pytest --flopcalc-update` for the snapshot of a test.\n"
    f"version {VERSION}\n"
)
# flops follow from the others; uncounted kernels are recorded for the target only, their number and each of them.
_WRITTEN = (*(kind for kind in KINDS if kind != "flops"), "uncounted")
_INTEGER = re.compile(r"[0-9]{1,1000}", re.ASCII)
_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s"]+')
_CONFLICT = ("<<<<<<<", "=======", ">>>>>>>", "|||||||")
# The lines that end in an expression, with the number of words before it.
_EXPRESSIONS = {**dict.fromkeys(KINDS, 1), "where": 2}


class LockCommands(NamedTuple):
    """What a user can do about a lock file that cannot be read.

    update: the command that overwrites a lock file. create: the command that writes it if there is none.
    move: how to use another path.
    """

    update: str
    create: str
    move: str


class Locked(NamedTuple):
    """A target as recorded in the lock file; the fields are those of `Measured`."""

    name: str
    what: str
    totals: Mapping[str, int]
    layers: tuple[dict[str, Any], ...]
    uncounted: tuple[dict[str, Any], ...] = ()

    def parts(self, each: Each) -> Mapping[str, Mapping[str, int]]:
        """The kinds of cost by name; see `flopcalc.budget.measure.parts`."""
        return parts(self.layers, each)


class Formula(NamedTuple):
    """The closed form of one kind of cost of an operator. terms: the definition of each symbol that is not a size."""

    operator: str
    kind: str
    text: str
    terms: Mapping[str, str]


class Lock(NamedTuple):
    """The content of a lock file."""

    dtype: str
    targets: Mapping[str, Locked]
    formulas: tuple[Formula, ...]


def lock_commands(config: Config) -> LockCommands:
    """The commands for the lock file of a file of targets, with FILE where the command would read another file."""
    try:
        usual = find_config(None)
    except FlopcalcError:
        usual = ""
    dashes = "-- " if config.path.startswith("-") else ""
    file = "" if config.path == usual else f" {dashes}{shlex.quote(config.path)}"
    return LockCommands(f"flopcalc lock --update{file}", f"flopcalc lock{file}", "name another file after lock:")


_USUAL = LockCommands("flopcalc lock --update", "flopcalc lock", "name another file after lock:")


def locked(found: Measured) -> Locked:
    """A measured target as the lock file records it."""
    layers = tuple(
        {
            **{key: _line(layer[key]) for key in ("name", "type", "stage")},
            **{key: list(layer[key]) for key in ("in", "out")},
            **{kind: layer[kind] for kind in KINDS},
            "cost": layer["macs"],
        }
        for layer in found.layers
    )
    # Sorted, because two ways of counting may meet the kernels in another order.
    kernels = sorted(
        ({"op": _line(one["op"]), "module": _line(one["module"]), "count": one["count"]} for one in found.uncounted),
        key=lambda one: (one["module"], one["op"]),
    )
    return Locked(_line(found.name), _line(found.what), dict(found.totals), layers, tuple(kernels))


def _line(text: Any) -> str:
    """The text on one line."""
    return " ".join(str(text).split())


def write_lock(targets: Iterable[Locked], formulas: Iterable[Formula], dtype: str) -> str:
    """The text of a lock file."""
    pieces = [_HEAD, f"dtype {dtype}\n"]
    for one in targets:
        pieces.append(f"\ntarget {_word(one.name)} {_word(one.what)}\n")
        pieces.append(f"total{_costs(one.totals)}\n")
        for layer in one.layers:
            words = " ".join(_word(layer[key]) for key in ("name", "type", "stage"))
            pieces.append(f"layer {words} {_size(layer['in'])} {_size(layer['out'])}{_costs(layer)}\n")
        for kernel in one.uncounted:
            if kernel != _unnamed(kernel["count"]):
                pieces.append(f"uncounted {_word(kernel['op'])} {_word(kernel['module'])} {kernel['count']}\n")
    last = ""
    for formula in formulas:
        if formula.operator != last:
            pieces.append(f"\nformula {_word(formula.operator)}\n")
            pieces += [f"where {name} {text}\n" for name, text in formula.terms.items()]
            last = formula.operator
        pieces.append(f"{formula.kind} {formula.text}\n")
    return "".join(pieces)


def _unnamed(count: int) -> dict[str, Any]:
    """The kernels of a lock file that has their number only, as flopcalc 0.1 wrote it."""
    return {"op": "kernels that the lock file does not name", "module": "", "count": count}


def _costs(sums: Mapping[str, Any]) -> str:
    return "".join(f" {kind} {sums[kind]}" for kind in _WRITTEN if sums.get(kind))


def _word(text: str) -> str:
    return text if _WORD.fullmatch(text) and text[0] != '"' else json.dumps(text, ensure_ascii=False)


def _size(shape: Iterable[int]) -> str:
    return "x".join(map(str, shape)) or "-"


def read_lock(path: str, commands: LockCommands = _USUAL) -> Lock | None:
    """The lock file; None if there is none. Raises FlopcalcError (bad-lock, unreadable-file, not-a-lock).

    commands: what the hint of an error names.
    """
    content = _content(path, commands)
    if content is None:
        return None
    if len(content) > MAX_BYTES:
        raise _bad(path, 1, f"larger than {MAX_BYTES:,} bytes", commands)
    try:
        lock = _Reader(path, commands).read(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise _bad(path, 1, "not text in UTF-8", commands) from None
    if not lock.targets and not lock.formulas and not _begins_like_a_lock(path):
        raise _bad(path, 1, "it has no targets", commands)
    return lock


def parse_lock(text: str) -> Lock:
    """The content of a lock file's text. Raises FlopcalcError (bad-lock)."""
    return _Reader("lock file", _USUAL).read(text)


def may_overwrite(path: str) -> bool:
    """Whether there is no file at a path, or a lock file, damaged or not: no other file is ever overwritten."""
    if _begins_like_a_lock(path):
        return True
    try:
        # A lock file without its first line can still be read.
        read_lock(path)
    except FlopcalcError:
        return False
    return True


def _begins_like_a_lock(path: str) -> bool:
    """Whether a file is empty, or begins with the signature or the marks of a merge conflict; true without a file."""
    content = _content(path, _USUAL, 200)
    # An editor may have put a byte order mark before it.
    return not content or content.removeprefix(codecs.BOM_UTF8).startswith(
        (SIGNATURE.encode(), *(mark.encode() for mark in _CONFLICT))
    )


def _content(path: str, commands: LockCommands, most: int = MAX_BYTES) -> bytes | None:
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        raise FlopcalcError("not-a-lock", f"{clip(path)} is not a regular file", commands.move)
    try:
        with open(path, "rb") as file:
            return file.read(most + 1)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        hint = f"remove the directory and run `{commands.create}`, or {commands.move}"
        if not os.path.isdir(path):
            hint = f"check its permissions, or {commands.move}"
        raise FlopcalcError("unreadable-file", f"cannot read the lock file {clip(path)}: {why}", hint) from None


class _Reader:
    """The lines of a lock file that were read so far, and the target or operator that the next lines describe."""

    def __init__(self, path: str, commands: LockCommands) -> None:
        self.path = path
        self.commands = commands
        self.number = 0
        self.dtype = ""
        self.targets: dict[str, Locked] = {}
        self.layers: list[dict[str, Any]] = []
        self.uncounted: list[dict[str, Any]] = []
        self.formulas: list[Formula] = []
        self.target = ""
        self.operator = ""
        self.terms: dict[str, str] = {}

    def read(self, text: str) -> Lock:
        for words in self.lines(text):
            match words:
                case ["version", str(version)]:
                    if version != VERSION:
                        raise self.bad(f"it has version {clip(version)}; this flopcalc reads version {VERSION}")
                case ["dtype", name] if not self.dtype:
                    self.dtype = self.element(name)
                case ["target", name, what]:
                    if not name or name in self.targets:
                        raise self.bad(f"the target {clip(name)} is listed twice")
                    self.close()
                    self.target, self.operator = name, ""
                    self.targets[name] = Locked(name, what, {}, ())
                case ["total", *costs] if self.target and not self.targets[self.target].totals:
                    self.targets[self.target] = self.targets[self.target]._replace(totals=self.costs(costs, "total"))
                case ["layer" | "uncounted", *_] if self.target:
                    self.piece(words)
                case ["where", _, _] | [_, _]:
                    self.formula(words)
                case _:
                    raise self.bad(f"cannot read {clip(' '.join(words))}")
        self.close()
        return Lock(self.dtype or "float32", self.targets, tuple(self.formulas))

    def piece(self, words: list[str]) -> None:
        """Keep a layer or an uncounted kernel of the present target."""
        match words:
            case ["layer", name, kind, stage, size_in, size_out, *costs]:
                sums = self.costs(costs)
                shapes = {"in": self.shape(size_in), "out": self.shape(size_out)}
                self.layers.append({"name": name, "type": kind, "stage": stage, **shapes, **sums, "cost": sums["macs"]})
            case ["uncounted", op, module, count] if _INTEGER.fullmatch(count):
                self.uncounted.append({"op": op, "module": module, "count": int(count)})
            case _:
                raise self.bad(f"cannot read {clip(' '.join(words))}")

    def formula(self, words: list[str]) -> None:
        """Begin an operator, or keep a term or a formula of the present one."""
        match words:
            case ["formula", name] if name:
                if any(one.operator == name for one in self.formulas):
                    raise self.bad(f"the formulas of {clip(name)} are listed twice")
                self.close()
                self.operator, self.terms = name, {}
            case ["where", name, meaning] if self.operator and name not in self.terms:
                self.terms[name] = meaning
            case [kind, formula] if self.operator and kind in KINDS:
                if any((one.operator, one.kind) == (self.operator, kind) for one in self.formulas):
                    raise self.bad(f"{kind} of {clip(self.operator)} is listed twice")
                self.formulas.append(Formula(self.operator, kind, formula, self.terms))
            case _:
                raise self.bad(f"cannot read {clip(' '.join(words))}")

    def close(self) -> None:
        """Finish the present target: check its sums and keep its layers."""
        if self.target:
            one = self.targets[self.target]
            if not one.totals:
                raise self.bad(f"the target {clip(one.name)} has no total")
            # steps are the longest path; all other kinds add up.
            if any(one.totals[kind] != sum(layer[kind] for layer in self.layers) for kind in KINDS if kind != "steps"):
                raise self.bad(f"the total of {clip(one.name)} is not the sum of its layers: the file was edited")
            self.targets[self.target] = one._replace(layers=tuple(self.layers), uncounted=self.kernels(one))
        self.target, self.layers, self.uncounted = "", [], []

    def kernels(self, target: Locked) -> tuple[dict[str, Any], ...]:
        """The uncounted kernels of the present target."""
        count = target.totals["uncounted"]
        if self.uncounted and sum(one["count"] for one in self.uncounted) != count:
            raise self.bad(f"the uncounted kernels of {clip(target.name)} do not add up: the file was edited")
        return tuple(self.uncounted) or ((_unnamed(count),) if count else ())

    def lines(self, text: str) -> Iterator[list[str]]:
        versions = 0
        for self.number, raw in enumerate(text.split("\n"), 1):
            line = raw.rstrip()
            if not line or line.startswith("#"):
                continue
            if line.startswith(_CONFLICT):
                raise self.bad("unresolved merge conflict")
            words = self.words(line)
            versions += words[0] == "version"
            if versions != 1:
                raise self.bad("it does not begin with a version" if not versions else "it has a second version")
            yield words
        if not versions:
            raise _bad(self.path, 1, "it is empty", self.commands)

    def words(self, line: str) -> list[str]:
        first = line.split(" ", 1)[0]
        if self.operator and first in _EXPRESSIONS:
            return line.split(" ", _EXPRESSIONS[first])
        if '"' not in line:
            return line.split()
        words: list[str] = []
        place = 0
        while place < len(line):
            found = _WORD.match(line, place)
            try:
                words.append(json.loads(found[0]) if found and found[0][0] == '"' else found[0])  # type: ignore[index]
            except (TypeError, ValueError):
                raise self.bad(f"cannot read {clip(line[place:])}") from None
            place = found.end() + 1  # type: ignore[union-attr]
            if line[place - 1 : place].strip():
                raise self.bad(f"cannot read {clip(line[place - 1 :])}")
        return words

    def costs(self, words: list[str], what: str = "layer") -> dict[str, int]:
        sums = dict.fromkeys(KINDS if what == "layer" else (*KINDS, "uncounted"), 0)
        if len(words) % 2:
            raise self.bad("a cost has no number")
        for kind, value in zip(words[::2], words[1::2], strict=True):
            if kind not in _WRITTEN or kind not in sums or sums[kind] or not _INTEGER.fullmatch(value):
                raise self.bad(f"cannot read the cost {clip(f'{kind} {value}')}")
            sums[kind] = int(value)
        sums["flops"] = 2 * sums["macs"] + sums["adds"] + sums["muls"] + sums["other"]
        return sums

    def element(self, name: str) -> str:
        if name not in DTYPE_BYTES:
            raise self.bad(f"dtype is {clip(name)}, not one of {', '.join(DTYPE_BYTES)}")
        return name

    def shape(self, text: str) -> list[int]:
        if text == "-":
            return []
        sizes = text.split("x")
        if not all(_INTEGER.fullmatch(size) for size in sizes):
            raise self.bad(f"cannot read the shape {clip(text)}")
        return [int(size) for size in sizes]

    def bad(self, why: str) -> FlopcalcError:
        return _bad(self.path, self.number, why, self.commands)


def _bad(path: str, line: int, why: str, commands: LockCommands) -> FlopcalcError:
    """The error of a damaged lock file. Its hint names a command that works on the file as it is."""
    hint = f"restore it from version control, or write it again with `{commands.update}`"
    if not _begins_like_a_lock(path):
        # The command that updates refuses files that may not be ours.
        hint = f"if it is a lock file, remove it and run `{commands.create}`; if not, {commands.move}"
    return FlopcalcError("bad-lock", f"{path}, line {line}: {why}", hint)
