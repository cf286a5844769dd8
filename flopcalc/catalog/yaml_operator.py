"""Operators without Python: a YAML file that composes known operators and gives formulas as text.

The file's expressions are read by `flopcalc.text.expression`, so nothing in it is executed. The result is
an ordinary Operator, usable wherever a name is. docs/composing.md describes the language.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from keyword import iskeyword
from typing import Any, NamedTuple

from flopcalc.catalog import registry
from flopcalc.catalog.yaml_batch import check_weights
from flopcalc.catalog.yaml_policy import read_policy
from flopcalc.cost.arith import ceil_div
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import SAME, Geometry
from flopcalc.errors import FlopcalcError, clip
from flopcalc.spec.operator import AUTO, Derived, Named, Operator, Param, Rule
from flopcalc.spec.source import Paper
from flopcalc.spec.validation import ENTRY_KEYS, MAX_COUNT
from flopcalc.text.expression import FUNCTIONS
from flopcalc.text.sizes import sizes_of
from flopcalc.text.yaml_file import File, Map, read_file

# Files that use one another: levels, the first included, and parts of them all together.
MAX_LEVELS = 5
MAX_PARTS = 10_000

_TOP = ("name", "title", "family", "paper", "options", "derived", "needs", "replaces", "parts")
_OPTION = ("kind", "default", "help", "least", "most", "choices")
_SIZES = ("c_in", "c_out", "k", "stride", "padding", "dilation", "groups")
_COUNTS = ("params", "macs", "adds", "muls", "other", "activations", "reads", "writes", "steps")
# The names of sizes that are one number where both axes have the same.
_ONE_NUMBER = ("k", "stride", "padding", "dilation")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
# The names in an expression, in addition to options and derived values.
_SHAPE = ("c_in", "c_out", "h", "w", "h_out", "w_out", "k_h", "k_w", "groups", "batch")
# `n` is another name of the batch, as papers write it.
_SIZE_NAMES = frozenset((*_SHAPE, *_SIZES, "hw", "n"))


def _meaning(name: str) -> str | None:
    """The meaning that a name has in these files, so that an option or a derived value cannot have it."""
    if name in _SIZE_NAMES:
        return "a size of the layer"
    if name in ENTRY_KEYS:
        return "a key of parts and of a network's entries"
    return "a word of expressions" if name in FUNCTIONS or name in ("sum", "true", "false") or iskeyword(name) else None


class _Read(NamedTuple):
    """An operator file that was read. levels: of files, itself included. parts: with those of the files it uses."""

    operator: Operator
    levels: int
    parts: int


class _Piece(NamedTuple):
    """One part: counts, or an operator with its settings."""

    name: str
    spec: Map
    operator: Operator | None


def _value(file: File, spec: Map, key: str, env: Mapping[str, Any]) -> Any:
    """As `file.value`, where a size that is two numbers here has a hint of its own."""
    try:
        return file.value(spec, key, env)
    except FlopcalcError as error:
        for name in _ONE_NUMBER:
            if name not in env and f"unknown name '{name}'" in error.message:
                hint = f"{name} is a name where height and width have the same; a need such as k_h == k_w says so"
                raise FlopcalcError(error.code, error.message, hint) from None
        raise


def _whole(file: File, spec: Map, key: str, env: Mapping[str, Any]) -> Any:
    """As `file.value`; a number must be whole and not negative."""
    text = spec[key]
    if key == "padding" and text == SAME:
        return SAME
    found = sizes_of(text) if key in _ONE_NUMBER else None
    value = found or _value(file, spec, key, env)
    pair = isinstance(value, tuple) and key in _ONE_NUMBER
    if value is None or isinstance(value, bool | float | str) or (isinstance(value, tuple | dict) and not pair):
        raise file.error(spec, key, f"{key} is {'empty' if value is None else clip(value)}, not a whole number")
    if isinstance(value, int | Fraction) and value > MAX_COUNT:
        raise file.error(
            spec, key, f"{key} comes to more than 10^300", "choose smaller sizes, or correct the expression"
        )
    if isinstance(value, int | Fraction) and (value.denominator != 1 or value < 0):
        raise file.error(spec, key, f"{key} comes to {value}, not a whole number, 0 or more")
    return int(value) if isinstance(value, Fraction) else value


def read_operator(path: str) -> Operator:
    """The operator that a YAML file describes. Raises FlopcalcError (bad-operator-file)."""
    return _read(path, (), {}).operator


def _read(path: str, above: tuple[str, ...], done: dict[str, _Read]) -> _Read:
    """above: real paths of the files that led here. done: files that were read, by real path."""
    file = File(path, "bad-operator-file", "docs/composing.md describes the language, with an example")
    data = file.keys(read_file(path, "operator"), None, None, _TOP, "an operator file")
    name = file.words(data, "name", os.path.basename(path).rsplit(".", 1)[0])
    if not _NAME.fullmatch(name):
        raise file.error(data, "name", f"the name {clip(name)} has other than lower-case letters, digits and _")
    if (meaning := registry.meaning_of(name)) is not None:
        hint = f"give it another `name`, such as my_{name}"
        raise file.error(data, "name", f"the name {name} is that of {meaning} in flopcalc", hint)
    params = tuple(_param(file, data, name) for name in _mapping(file, data, "options"))
    derived = _mapping(file, data, "derived")
    for what, names in (("option", data.get("options") or Map()), ("derived value", derived)):
        for one in names:
            if (meaning := _meaning(one)) is not None:
                why = f"{what} {one}: the name has a meaning already, {meaning}"
                raise file.error(names, one, why, "choose another name")
    if clash := {param.name for param in params} & set(derived):
        raise file.error(derived, min(clash), f"{min(clash)} is an option and a derived value", "choose another name")
    parts = data.get("parts")
    if not isinstance(parts, list) or not parts:
        raise file.error(data, "parts", "parts is a list of `- name: what`")
    below: list[_Read] = []
    chain = (*above, os.path.realpath(path))

    def use(item: Map, name: str) -> Operator:
        found = _operator(file, name, item, chain, done)
        below.append(found)
        return found.operator

    pieces = [_piece(file, parts, index, use) for index in range(len(parts))]
    names_above: set[str] = set()
    for index, piece in enumerate(pieces):
        if piece.name in names_above:
            raise file.error(parts, index, f"two parts are called {piece.name}", "choose another name")
        names_above.add(piece.name)
    check_weights(file, derived, ((piece.name, piece.spec) for piece in pieces))
    total = len(parts) + sum(one.parts for one in below)
    if total > MAX_PARTS:
        raise file.error(
            data, "parts", f"it has {total:,} parts with those of the files it uses, and {MAX_PARTS:,} is the limit"
        )

    def formula(g: Geometry, **named: Any) -> Iterable[Part]:
        return _all_parts(file, pieces, g, named)[0]

    operator = Operator(
        name=name,
        title=file.words(data, "title", name),
        # As the records of operators have it.
        family=" ".join(file.words(data, "family", "").lower().split()) or "composed",
        paper=_paper(file, data, name),
        formula=formula,
        params=params,
        derived=tuple(_derived(file, derived, name) for name in derived),
        rules=(
            *[_rule(file, data, index) for index in range(len(data.get("needs") or []))],
            *_same_output(file, pieces),
        ),
        policy=read_policy(file, data),
    )
    return _Read(operator, 1 + max((one.levels for one in below), default=0), total)


def _mapping(file: File, data: Map, key: str) -> Map:
    found = data.get(key)
    if found is None:
        return Map()
    if not isinstance(found, Map) or not all(_NAME.fullmatch(name) for name in found):
        raise file.error(data, key, f"{key} maps names (lower-case letters, digits, _) to what they are")
    return found


def _param(file: File, data: Map, name: str) -> Param:
    spec = file.keys(data["options"][name], data["options"], name, _OPTION, f"option {name}")
    kind = spec.get("kind", "int")
    if kind not in ("int", "fraction", "bool", "choice") or "default" not in spec:
        raise file.error(spec, None, f"option {name} needs a default, and a kind: int, fraction, bool or choice")
    given = spec.get("choices")
    if kind == "choice" and (not isinstance(given, list) or not given):
        raise file.error(spec, "choices", f"option {name} needs choices, a list", "for example choices: [relu, gelu]")
    choices = tuple(map(str, given or ())) if kind == "choice" else ()
    bare = Param(name, kind, AUTO, file.words(spec, "help", "an option of this file"), auto="none", choices=choices)
    try:
        bounds = {key: bare.read(spec[key]) for key in ("least", "most") if key in spec}
        param = bare._replace(**bounds)  # type: ignore[arg-type]
        return param._replace(default=param.read(spec["default"]), letter="" if kind in ("bool", "choice") else name)
    except FlopcalcError as error:
        raise file.error(spec, "default", error.message, error.hint) from None


def _derived(file: File, derived: Map, name: str) -> Derived:
    def compute(g: Geometry, **named: Any) -> Any:
        return _whole(file, derived, name, _env(g, named))

    return Derived(name, compute, lambda g, named: str(derived[name]))


def _rule(file: File, data: Map, index: int) -> Rule:
    needs = data["needs"]
    if not isinstance(needs, list):
        raise file.error(data, "needs", "needs is a list of {rule: ..., text: ..., hint: ...}")
    spec = file.keys(needs[index], needs, index, ("rule", "text", "hint"), "a need")
    if not isinstance(spec.get("rule"), str):
        raise file.error(spec, None, "a need has a rule: an expression that must be true")
    text = str(spec.get("text") or spec["rule"])

    def check(g: Geometry, named: Named) -> str | None:
        holds = _value(file, spec, "rule", _env(g, named))
        if isinstance(holds, int | Fraction | str | tuple) and not isinstance(holds, bool):
            raise file.error(spec, "rule", f"the rule is {clip(holds)}, not true or false", "write a comparison")
        return None if holds else f"it needs {text}"

    return Rule(text, check, str(spec.get("hint") or "choose another shape or other options"))


def _same_output(file: File, pieces: Sequence[_Piece]) -> Iterator[Rule]:
    """The output of the last part has the height and width of the layer's; counts alone state no size."""

    def check(g: Geometry, named: Named) -> str | None:
        grid = _all_parts(file, pieces, g, named)[1]
        if grid == (g.h_out, g.w_out):
            return None
        last, out = "x".join(map(str, grid)), f"{g.h_out}x{g.w_out}"
        return f"its last part, {pieces[-1].name}, gives {last}, and the output of the layer is {out}"

    if any(piece.operator is not None for piece in pieces):
        hint = "write `stride: stride` or `padding: padding` in a part of its file, or a need such as stride == 1"
        yield Rule("parts that give the height and width of the output", check, hint)


def _paper(file: File, data: Map, name: str) -> Paper:
    if "paper" not in data:
        return Paper(name, (), file.words(data, "title", name), os.path.basename(file.path), None)
    spec = file.keys(data["paper"], data, "paper", Paper._fields, "paper")
    fields = {key: _of_paper(file, spec, key) for key in spec}
    blank: dict[str, Any] = {"key": name, "authors": (), "title": name, "venue": "", "year": None}
    return Paper(**{**blank, **fields})


def _of_paper(file: File, spec: Map, key: str) -> Any:
    """A field of a paper: a list of authors, a year, or text."""
    value = spec[key]
    what = {"authors": "a list of texts", "year": "a whole number"}.get(key, "text")
    if key == "authors" and isinstance(value, list) and all(isinstance(one, str) for one in value):
        return tuple(value)
    if key == "year" and (value is None or type(value) is int):
        return value
    if key not in ("authors", "year") and isinstance(value, str):
        return value
    hint = 'for example authors: ["Family, Given"], year: 2024, arxiv: "2401.00001"'
    raise file.error(spec, key, f"paper: {key} is {clip(value)}, not {what}", hint)


def _piece(file: File, parts: Any, index: int, use: Callable[[Map, str], Operator]) -> _Piece:
    item = parts[index]
    if not isinstance(item, Map) or len(item) != 1:
        raise file.error(parts, index, "each part is written `- name: {...}`")
    (name, spec), *_ = item.items()
    if not _NAME.fullmatch(name) or name == "input":
        raise file.error(item, name, f"the part's name {clip(name)} has other than lower-case letters, digits and _")
    if isinstance(spec, Map) and "op" in spec:
        operator = use(spec, name)
        keys = ("op", "from", *_SIZES, *operator.param)
        return _Piece(name, file.keys(spec, item, name, keys, f"part {name}"), operator)
    return _Piece(name, file.keys(spec, item, name, ("from", "stride", *_COUNTS), f"part {name}"), None)


def _operator(file: File, name: str, spec: Map, chain: tuple[str, ...], done: dict[str, _Read]) -> _Read:
    """The operator of a part: by its name, or from another file with a path relative to this one."""
    op = str(spec["op"])
    if not op.endswith((".yaml", ".yml")):
        known = registry.named(op)
        if known is None:
            hint = "`flopcalc list` shows all operators; the path of a file ends in .yaml"
            raise file.error(spec, "op", f"part {name}: unknown operator {clip(op)}", hint)
        return _Read(known, 0, 0)
    path = os.path.join(os.path.dirname(file.path), op)
    real = os.path.realpath(path)
    if not os.path.exists(path):
        hint = "the path is relative to the folder of this file"
        raise file.error(spec, "op", f"part {name}: there is no file {clip(op)}", hint)
    if real in chain:
        raise file.error(spec, "op", f"part {name}: {clip(op)} uses this file, directly or through other files")
    if len(chain) >= MAX_LEVELS:
        raise file.error(spec, "op", f"part {name}: more than {MAX_LEVELS} levels of files that use one another")
    if real not in done:
        try:
            done[real] = _read(path, chain, done)
        except FlopcalcError as error:
            if error.code != "unreadable-file":
                raise
            raise file.error(spec, "op", f"part {name}: {error.message}", error.hint) from None
    if len(chain) + done[real].levels > MAX_LEVELS:
        raise file.error(spec, "op", f"part {name}: more than {MAX_LEVELS} levels of files that use one another")
    return done[real]


def _env(g: Geometry, named: Named) -> dict[str, Any]:
    env = {name: getattr(g, name) for name in _SHAPE}
    env |= {
        "n": g.batch,
        "k": g.k_h if g.k_h == g.k_w else None,
        "stride": g.stride_h if g.stride_h == g.stride_w else None,
        "padding": g.padding[0] if g.padding[0] == g.padding[1] else None,
        "dilation": g.dilation[0] if g.dilation[0] == g.dilation[1] else None,
    }
    return {**{name: value for name, value in env.items() if value is not None}, **named}


def _all_parts(file: File, pieces: Sequence[_Piece], g: Geometry, named: Named) -> tuple[list[Part], tuple[Any, Any]]:
    """The parts of all entries, and the grid of the last one's output."""
    grids: dict[str, tuple[Any, Any]] = {"input": (g.h, g.w)}
    previous = "input"
    env = _env(g, named)
    found: list[Part] = []
    for piece in pieces:
        source = str(piece.spec.get("from", previous))
        if source not in grids:
            why = f"{piece.name} comes from {clip(source)}, which is not above it"
            raise file.error(piece.spec, "from", why)
        made, grids[piece.name] = _parts(file, piece, g, env, source, grids[source])
        found += made
        previous = piece.name
    return found, grids[previous]


def _parts(
    file: File, piece: _Piece, g: Geometry, env: Mapping[str, Any], source: str, grid: tuple[Any, Any]
) -> tuple[list[Part], tuple[Any, Any]]:
    """The parts of one entry, and the grid of its output."""
    name, spec, operator = piece
    after = () if source == "input" else (source,)
    if operator is None:
        counts = {key: _whole(file, spec, key, env) for key in _COUNTS if key in spec}
        return [Part(name, "other", **counts, after=after)], _strided(file, spec, g, env, grid)
    try:
        given = {key: _setting(file, operator.param[key], spec, env) for key in operator.param if key in spec}
        inner = _shape(file, operator, spec, g, env, grid, given)
        if isinstance(inner.c_in, int):
            evaluation = operator.evaluate(inner, given)
            cost, out = evaluation.cost, evaluation.out_shape
            if len(out) != 3:
                raise file.error(spec, "op", f"part {name}: {operator.name} does not work on images")
        else:
            cost = operator.cost(inner, operator.derive(inner, operator.resolve(given)))
            out = (inner.c_out, inner.h_out, inner.w_out)
    except FlopcalcError as error:
        if error.code == "bad-operator-file":
            raise
        raise file.error(spec, None, f"part {name}: {error.message}", error.hint) from None
    sums = {kind: sum(getattr(part, kind) for part in cost) for kind in _COUNTS[:-1]}
    # Conventions fold by the kind of work: a single kernel keeps its own.
    work = cost.parts[0].work if len(cost.parts) == 1 else "mixed"
    return [Part(name, work, **sums, steps=cost.steps, after=after)], (out[1], out[2])


def _strided(file: File, spec: Map, g: Geometry, env: Mapping[str, Any], grid: tuple[Any, Any]) -> tuple[Any, Any]:
    """The grid of the output of a part with counts: that of its input, over its stride."""
    if "stride" not in spec:
        return grid
    stride = _whole(file, spec, "stride", env)
    pair = stride if isinstance(stride, tuple) else (stride, stride)
    if len(pair) != 2 or 0 in pair:
        raise file.error(spec, "stride", f"stride is {clip(stride)}, not one or two numbers from 1 on")
    if grid == (g.h, g.w) and pair == g.stride:
        return g.h_out, g.w_out
    return ceil_div(grid[0], pair[0]), ceil_div(grid[1], pair[1])


def _setting(file: File, param: Param, spec: Map, env: Mapping[str, Any]) -> Any:
    value = spec[param.name]
    is_text = isinstance(value, str) and value not in param.choices and param.kind != "ints"
    return _value(file, spec, param.name, env) if is_text else value


def _shape(
    file: File, operator: Operator, spec: Map, g: Geometry, env: Mapping[str, Any], grid: tuple[Any, Any], given: Named
) -> Geometry:
    def size(key: str, default: Any) -> Any:
        if key not in spec:
            return default
        return _whole(file, spec, key, env)

    c_in, c_out = size("c_in", g.c_in), size("c_out", g.c_out)
    kernel = size("k", operator.shape.get("k", g.kernel))
    if not isinstance(g.c_in, int):
        k_h, k_w = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        return g._replace(c_in=c_in, c_out=c_out, k_h=k_h, k_w=k_w, groups=size("groups", 1))
    sizes = {key: size(key, None) for key in ("stride", "padding", "dilation", "groups")}
    # An operator on sequences has one axis; that it does not work on images is reported by the caller.
    hw: Any = grid if operator.axes == 2 else grid[-1]
    kernel = kernel[-1] if operator.axes == 1 and isinstance(kernel, tuple) and "k" not in spec else kernel
    return operator.geometry(c_in, c_out, given, k=kernel, hw=hw, batch=g.batch, **sizes)
