"""`flopcalc.lock`: the exact cost of every target, layer by layer, and closed forms of operators, as text.

One layer is one line, in order of execution, and a cost of 0 is left out, so that a change of the model is a small
difference of the file. The first line of a target tells what it is.
"""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from flopcalc.budget.measure import KINDS, Measured
from flopcalc.errors import FlopcalcError, clip

VERSION = "1"
MAX_BYTES = 50_000_000
_HEAD = (
    "# Costs as `flopcalc lock` found them; `flopcalc check --locked` compares.\n"
    "# After a wanted change: `flopcalc lock --update`. Not to be edited by hand.\n"
    f"version {VERSION}\n"
)
# flops follow from the others.
_WRITTEN = tuple(kind for kind in KINDS if kind != "flops")
_INTEGER = re.compile(r"[0-9]{1,200}", re.ASCII)


class Locked(NamedTuple):
    """A target as it is in the lock file; like `Measured`, with what was written."""

    name: str
    what: str
    totals: Mapping[str, int]
    layers: tuple[dict[str, Any], ...]

    def parts(self, each: str) -> Mapping[str, Mapping[str, int]]:
        """Kinds by name: of every layer, or summed by stage."""
        return Measured(self.name, self.what, self.totals, self.layers).parts(each)


class Formula(NamedTuple):
    """The closed form of one kind of cost of an operator. terms: symbol -> what it stands for."""

    operator: str
    kind: str
    text: str
    terms: Mapping[str, str]


class Lock(NamedTuple):
    """Everything in a lock file."""

    dtype: str
    targets: Mapping[str, Locked]
    formulas: tuple[Formula, ...]


def locked(found: Measured) -> Locked:
    """A measured target as the lock keeps it."""
    kept = ("name", "type", "in", "out", "stage", *KINDS)
    layers = tuple({**{key: layer[key] for key in kept}, "cost": layer["macs"]} for layer in found.layers)
    return Locked(found.name, found.what, {kind: found.totals[kind] for kind in KINDS}, layers)


def write_lock(targets: Iterable[Locked], formulas: Iterable[Formula], dtype: str) -> str:
    """The text of a lock file."""
    pieces = [_HEAD, f"dtype {dtype}\n"]
    for one in targets:
        pieces.append(f"\ntarget {_word(one.name)} {_word(one.what)}\n")
        pieces.append(f"total{_costs(one.totals)}\n")
        for layer in one.layers:
            words = " ".join(_word(layer[key]) for key in ("name", "type", "stage"))
            pieces.append(f"layer {words} {_size(layer['in'])} {_size(layer['out'])}{_costs(layer)}\n")
    last = ""
    for formula in formulas:
        if formula.operator != last:
            pieces.append(f"\nformula {_word(formula.operator)}\n")
            pieces += [f"where {name} {text}\n" for name, text in formula.terms.items()]
            last = formula.operator
        pieces.append(f"{formula.kind} {formula.text}\n")
    return "".join(pieces)


def _costs(sums: Mapping[str, Any]) -> str:
    return "".join(f" {kind} {sums[kind]}" for kind in _WRITTEN if sums[kind])


def _word(text: Any) -> str:
    return shlex.quote(" ".join(str(text).split()))


def _size(shape: Iterable[int]) -> str:
    return "x".join(map(str, shape)) or "-"


def read_lock(path: str) -> Lock | None:
    """The lock file; None where there is none. Raises FlopcalcError (bad-lock, unreadable-file)."""
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise FlopcalcError(
            "unreadable-file", f"cannot read the lock file {clip(path)}: {why}", "check the path"
        ) from None
    if len(content) > MAX_BYTES:
        raise _bad(path, 1, f"larger than {MAX_BYTES:,} bytes")
    try:
        return _read(path, content.decode("utf-8"))
    except UnicodeDecodeError:
        raise _bad(path, 1, "not text in UTF-8") from None


def _read(path: str, text: str) -> Lock:
    targets: dict[str, Locked] = {}
    formulas: list[Formula] = []
    dtype = "float32"
    layers: list[dict[str, Any]] = []
    head: tuple[str, str] = ("", "")
    totals: dict[str, int] = {}
    operator, terms = "", dict[str, str]()

    def close() -> None:
        if head[0]:
            targets[head[0]] = Locked(*head, totals, tuple(layers))

    for number, words in _lines(path, text):
        match words:
            case ["version", version]:
                if version != VERSION:
                    raise _bad(path, number, f"version {version}, and this flopcalc reads version {VERSION}")
            case ["dtype", name]:
                dtype = name
            case ["target", name, what]:
                close()
                head, totals, layers, operator = (name, what), {}, [], ""
            case ["total", *costs] if head[0] and not operator:
                totals = _kinds(path, number, costs)
            case ["layer", name, kind, stage, size_in, size_out, *costs] if head[0] and not operator:
                shapes = {"in": _shape(path, number, size_in), "out": _shape(path, number, size_out)}
                sums = _kinds(path, number, costs)
                layers.append({"name": name, "type": kind, "stage": stage, **shapes, **sums, "cost": sums["macs"]})
            case ["formula", name]:
                operator, terms = name, {}
            case ["where", name, meaning] if operator:
                terms[name] = meaning
            case [kind, formula] if operator and kind in KINDS:
                formulas.append(Formula(operator, kind, formula, terms))
            case _:
                raise _bad(path, number, f"cannot read {clip(' '.join(words))}")
    close()
    return Lock(dtype, targets, tuple(formulas))


def _lines(path: str, text: str) -> Iterator[tuple[int, list[str]]]:
    versions = 0
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        if line.startswith(("<<<<<<<", "=======", ">>>>>>>")):
            raise _bad(path, number, "a merge conflict stands here", "`flopcalc lock --update` writes it anew")
        try:
            # Expressions run to the end of the line.
            word = line.split(" ", 1)[0]
            words = line.split(" ", 2 if word == "where" else 1) if word in (*KINDS, "where") else shlex.split(line)
        except ValueError as error:
            raise _bad(path, number, str(error).lower()) from None
        versions += words[:1] == ["version"]
        if not versions:
            raise _bad(path, number, "it does not begin with a version")
        yield number, words
    if not versions:
        raise _bad(path, 1, "it is empty")


def _kinds(path: str, number: int, words: list[str]) -> dict[str, int]:
    sums = dict.fromkeys(KINDS, 0)
    if len(words) % 2:
        raise _bad(path, number, "a cost has no number")
    for kind, value in zip(words[::2], words[1::2], strict=True):
        if kind not in _WRITTEN or not _INTEGER.fullmatch(value):
            raise _bad(path, number, f"cannot read the cost {clip(f'{kind} {value}')}")
        sums[kind] = int(value)
    sums["flops"] = 2 * sums["macs"] + sums["adds"] + sums["muls"] + sums["other"]
    return sums


def _shape(path: str, number: int, text: str) -> list[int]:
    if text == "-":
        return []
    sizes = text.split("x")
    if not all(_INTEGER.fullmatch(size) for size in sizes):
        raise _bad(path, number, f"cannot read the shape {clip(text)}")
    return [int(size) for size in sizes]


def _bad(path: str, line: int, why: str, hint: str = "") -> FlopcalcError:
    hint = hint or "take it from version control, or write it anew with `flopcalc lock --update`"
    return FlopcalcError("bad-lock", f"{path}, line {line}: {why}", hint)
