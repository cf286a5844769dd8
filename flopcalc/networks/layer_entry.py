"""Reads one layer of a description: an operator or a primitive, with the shapes of its inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from flopcalc.cost.cost import Cost
from flopcalc.cost.geometry import SAME, Geometry, resized
from flopcalc.cost.whole import as_int
from flopcalc.errors import FlopcalcError, clip
from flopcalc.networks.evaluated import Applied, Sized
from flopcalc.networks.kinds import OF_OPERATORS, Kinds, Prepared, StepFrom, settings_of
from flopcalc.networks.network import Shape
from flopcalc.networks.neutral import adapts, where_it_changes
from flopcalc.networks.tape import BATCH, MEMO, DiffersError, Env, Known, Step, Tape, Values, identity, names_of, taken
from flopcalc.primitives.registry import PRIMITIVES
from flopcalc.primitives.shapes import ShapeError, text
from flopcalc.spec.operator import Named, Operator
from flopcalc.spec.param import Param, Value
from flopcalc.text.compiled import is_name
from flopcalc.text.sizes import sizes_of
from flopcalc.text.yaml_file import File, Map

_SIZES = (*OF_OPERATORS[1:], "out")
_IMAGE = "channels x height x width"
# Sequences of descriptions are rows, which layers of one axis do not take.
_AS_ROW = {
    "conv1d": "a sequence is c x 1 x steps here: write {op: conv, k: 1x3}, which costs the same",
    "depthwise1d": "a sequence is c x 1 x steps here: write {op: depthwise, k: 1x3}, which costs the same",
}
_NO_SETTINGS: Mapping[str, Any] = {}


class Single(NamedTuple):
    """An entry with `op`, and its scope. inputs: the slots of the layers whose outputs it takes.

    common: the keys that every entry may have.
    """

    name: str
    spec: Map
    env: Env
    inputs: tuple[int, ...]
    common: frozenset[str]


# A call of the class takes twice as long.
_sized = partial(tuple.__new__, Sized)
_applied = partial(tuple.__new__, Applied)


def read_layer(file: File, one: Single, tape: Tape, kinds: Kinds) -> tuple[str, int]:
    """The kind and the slot of the layer that an entry describes."""
    _, spec, env, inputs, _ = one
    # An entry with nothing but its kind is like all others of that kind.
    place = id(spec) if len(spec) > 1 else str(spec["op"])
    entry = kinds.prepared.get(place) or _prepared(file, one, tape, kinds)
    kind, operator, _, _, names = entry
    if operator is not None and len(inputs) > 1:
        raise file.error(spec, "from", f"layer {one.name} ({kind}) takes one input, not {len(inputs)}")
    key = place if not names else (place, *[identity(env.get(name)) for name in names])
    # Nothing is kept without names.
    step_from = kinds.steps.get(key)
    if step_from is None:
        step_from = _step_of_operator(file, one, entry, operator, tape) if operator else _step(one, entry, tape)
        if names is not None:
            kinds.steps[key] = step_from
    # Not a function for each layer, which is several objects.
    step: Step = partial(step_from, inputs)
    is_adapting = "when" in spec and adapts(tape, spec, env, f"layer {one.name}")
    if is_adapting:
        step = where_it_changes(step)
    try:
        found = step(tape.values)
    except (ShapeError, _OtherShapeError, FlopcalcError) as error:
        raise _explained(file, one, entry, tape, error) from None
    slot = tape.record(step, found)
    if is_adapting:
        tape.adapting[slot] = id(spec)
    return kind, slot


def _prepared(file: File, one: Single, tape: Tape, kinds: Kinds) -> Prepared:
    spec, full = one.spec, f"layer {one.name}"
    op = str(spec["op"])
    kind = tape.text(op, spec, "op", one.env, full)
    operator = None
    if kind not in PRIMITIVES:
        # Once for each reading, so that a file is read once.
        operator = kinds.operator(file, spec, kind, full)
    own, allowed = settings_of(one.common, kind, operator)
    file.known(spec, allowed, full)
    sizes = tuple([key for key in _SIZES if key in spec])
    settings = tuple([key for key in own if key in spec])
    # What a text with braces names is another kind elsewhere, so nothing of it is kept.
    is_kept = "{" not in op
    names = names_of([spec[key] for key in (*sizes, *settings)]) if is_kept else None
    entry = Prepared(operator.name if operator else kind, operator, sizes, settings, names)
    if is_kept:
        kinds.prepared[id(spec) if len(spec) > 1 else op] = entry
    return entry


def _explained(file: File, one: Single, entry: Prepared, tape: Tape, error: Exception) -> FlopcalcError:
    """The error of a layer, with its place."""
    full = f"layer {one.name}"
    if isinstance(error, _OtherShapeError):
        has = text(tape.values[one.inputs[0]][0])
        why = f"{full} ({entry.kind}): it takes {error.takes}, and its input is {has}"
        return file.error(one.spec, None, why, _AS_ROW.get(entry.kind, ""))
    if isinstance(error, FlopcalcError):
        return file.error(one.spec, None, f"{full}: {error.message}", error.hint)
    return file.error(
        one.spec, None, f"{full} ({entry.kind}): {error}", "change the settings or the inputs, so that they fit"
    )


# Primitives ------------------------------------------------------------------------------------


def _step(one: Single, entry: Prepared, tape: Tape) -> StepFrom:
    settings = {key: tape.value(one.spec, key, one.env, f"layer {one.name}") for key in entry.settings}
    kind = entry.kind
    shape_and_parts = PRIMITIVES[kind].shape_and_parts
    fixed = {key: known.value for key, known in settings.items()}
    changing = [(key, settings[key]) for key in _changing(settings)]
    # Layers of the same kind and settings share their cost where their inputs have the same shapes.
    alike = f"{kind} {fixed!r}"

    def step(inputs: tuple[int, ...], values: Values) -> Sized:
        shapes = (values[inputs[0]][0],) if len(inputs) == 1 else tuple([values[slot][0] for slot in inputs])
        if not changing:
            memo = values[MEMO]
            key = (alike, shapes)
            found = memo.get(key)
            if found is None:
                shape, parts = shape_and_parts(shapes, values[BATCH], **fixed)
                found = memo[key] = _sized((shape, shapes[0], parts, None, fixed, shapes[1:]))
            return found  # type: ignore[no-any-return]
        given = fixed | {key: taken(values, known) for key, known in changing}
        shape, parts = shape_and_parts(shapes, values[BATCH], **given)
        return Sized(shape, shapes[0], parts, None, given, shapes[1:])

    return step


# Operators -------------------------------------------------------------------------------------


def _step_of_operator(file: File, one: Single, entry: Prepared, operator: Operator, tape: Tape) -> StepFrom:
    spec, env = one.spec, one.env
    full = f"layer {one.name}"
    sizes: dict[str, Known] = {}
    for key in entry.sizes:
        sizes[key] = _size(file, spec, key, tape, env, full)
        value = sizes[key].value
        if key in ("out", "groups"):
            file.as_whole(value, spec, key, full)
        elif key != "padding" or value != SAME:
            file.as_pair(value, spec, key, full, most=3 if operator.volume else 2)
    given = {name: _option(operator.param[name], spec, tape, env, full) for name in entry.settings}
    changing = [known[name][1:] for known in (sizes, given) for name in _changing(known)]
    # Layers of the same operator and settings share their cost where their inputs have the same shape.
    settings = (operator, *_fixed(sizes), ..., *_fixed(given))
    alike, sized_at = tape.shared(settings, lambda: _sizing(operator, sizes, given))
    return partial(_sized_operator, alike, sized_at, changing)


def _sized_operator(
    alike: int,
    sized_at: Callable[[Shape, Sequence[Any], int], Sized],
    changing: Sequence[tuple[int, int]],
    inputs: tuple[int, ...],
    values: Values,
) -> Sized:
    """What an operator is on a tape. alike: equal for the same operator and settings. changing: slots and axes."""
    shape = values[inputs[0]][0]
    memo = values[MEMO]
    now = [values[slot] if axis < 0 else values[slot][0][axis] for slot, axis in changing]
    key = (alike, shape, *now, *map(_kind, now))
    found = memo.get(key)
    if found is None:
        found = memo[key] = sized_at(shape, now, values[BATCH])
    return found  # type: ignore[no-any-return]


def _size(file: File, spec: Map, key: str, tape: Tape, env: Env, full: str) -> Known:
    """A number, a list or a text such as 3x5x5; the padding may be `same`."""
    text = spec[key]
    if type(text) is str and key != "out":
        if key == "padding" and text == SAME and SAME not in env:
            return Known(SAME)
        if not is_name(text) and (sizes := sizes_of(text)) is not None:
            return Known(sizes)
    return tape.value(spec, key, env, full)


def _option(param: Param, spec: Map, tape: Tape, env: Env, full: str) -> Known:
    """The value of an option of the operator; a text is an expression unless it is one of the choices."""
    value = spec[param.name]
    if isinstance(value, list):
        if any(isinstance(one, list | Map) for one in value):
            why = f"{full}: option {param.name} is {clip(value)}, not {param.expects}"
            raise tape.file.error(spec, param.name, why)
        return Known(tuple(value))
    if isinstance(value, str) and (value in param.choices or (param.kind == "ints" and value not in env)):
        return Known(value)
    return tape.value(spec, param.name, env, full)


class _OtherShapeError(DiffersError):
    """The operator takes another shape than that of its input."""

    def __init__(self, takes: str) -> None:
        self.takes = takes


def _kind(value: Any) -> Any:
    """The type of a value, and of the items of a tuple: True equals 1, and is another value."""
    return (tuple, *map(type, value)) if type(value) is tuple else type(value)


def _changing(given: Mapping[str, Known]) -> list[str]:
    """The names of values that follow from the input, the batch or options."""
    return [name for name, known in given.items() if known.slot >= 0]


def _fixed(given: Mapping[str, Known]) -> list[Any]:
    """Names and fixed values, with their types."""
    return [(name, _kind(value), value) if slot < 0 else name for name, (value, slot, _) in given.items()]


def _sizing(
    operator: Operator, sizes: Mapping[str, Known], given: Mapping[str, Known]
) -> Callable[[Shape, Sequence[Any], int], Sized]:
    """A function of the input's shape, the values of those sizes and options that can change, and the batch."""
    changing_sizes, changing_given = _changing(sizes), _changing(given)
    sizes_then = {name: known.value for name, known in sizes.items()}
    given_then = {name: known.value for name, known in given.items()}
    set_by_caller = frozenset(given)
    count = len(changing_sizes)
    # Checked once where they are the same at all sizes. Another evaluation gets a copy of its own.
    resolved: list[dict[str, Value]] = []
    image = operator.axes == 2 and operator.c_in_of is None and operator.has_image_shapes
    geometry_of = _geometries(operator, [name for name in changing_sizes if name not in ("out", "groups")])

    def sized_at(shape: Shape, now: Sequence[Any], batch: int) -> Sized:
        for size in now[:count]:
            if as_int(size) is None and size != SAME and (type(size) is not tuple or None in map(as_int, size)):
                raise DiffersError
        if operator.volume != (len(shape) == 4) or (len(shape) == 1 and operator.name != "linear"):
            raise _OtherShapeError("channels x depth x height x width" if operator.volume else _IMAGE)
        if changing_given:
            options = operator.resolve(given_then | dict(zip(changing_given, now[count:], strict=True)))
        elif resolved:
            options = resolved[0]
        else:
            options = operator.resolve(given_then)
            resolved[:] = (options,)
        if operator.volume and options["depth"] is None:
            options = {**options, "depth": shape[1]}
        sizes_now = sizes_then | dict(zip(changing_sizes, now, strict=False))
        g = geometry_of(shape, sizes_now, options, batch)
        named, parts = operator.apply(g, options)
        # That of a vector has its channels only.
        out = (g.c_out, g.h_out, g.w_out)[: len(shape)] if image else _out_shape(operator, shape, g, named)
        applied = _applied((operator, g, set_by_caller, named, parts))
        return _sized((out, shape, parts, applied, _NO_SETTINGS, ()))

    return sized_at


def _geometries(operator: Operator, changing: Sequence[str]) -> Callable[..., Geometry]:
    """A function of (shape, sizes, options, batch). changing: the sizes of the window that can change."""
    simple = operator.axes == 2 and operator.c_in_of is None and operator.default_c_out is None
    # The last geometry, with the changing sizes of its window: the same window is not checked again.
    last: list[tuple[list[Any], Geometry]] = []

    def geometry_of(shape: Shape, sizes: Mapping[str, Any], options: dict[str, Value], batch: int) -> Geometry:
        if not simple or len(shape) != 3:
            return _geometry(operator, shape, sizes, options, batch)
        window = [sizes[name] for name in changing]
        # One look at the list, since another thread may change it.
        of_window, g = last[0] if last else (None, None)
        if g is not None and of_window == window:
            c_in = shape[0]
            c_out, groups = sizes.get("out", c_in), sizes.get("groups", g.groups)
            other = resized(g, c_in, c_out, shape[1:], groups, batch, operator.size_out)
            if other is not None:
                return other
        # It raises the error.
        g = _geometry(operator, shape, sizes, options, batch)
        last[:] = [(window, g)]
        return g

    return geometry_of


def _geometry(
    operator: Operator, shape: Shape, sizes: Mapping[str, Any], options: dict[str, Value], batch: int
) -> Geometry:
    flat = len(shape) == 1
    # An operator on sequences has one axis; the shape of its input is checked with its result.
    hw: Any = (1, 1) if flat else shape[-1] if operator.axes == 1 else shape[-2:]
    c_in = operator.c_in_of(shape[0], options) if operator.c_in_of else shape[0]
    c_out = sizes.get("out")
    if c_out is None and operator.default_c_out is not None:
        c_out = operator.default_c_out(c_in, options)
    own = {name: size for name, size in sizes.items() if name != "out"}
    return operator.geometry(c_in, c_out, hw=hw, batch=batch, **own)


def _out_shape(operator: Operator, shape: Shape, g: Geometry, named: Named) -> Shape:
    takes = operator.in_shape(g, named)
    if takes != shape:
        raise _OtherShapeError(text(takes))
    return operator.out_shape(g, named)


# Shared weights --------------------------------------------------------------------------------


def params_of(tape: Tape, slot: int) -> int:
    """The parameters of a layer; whether there are any is part of the structure."""
    tape.same(Known(tape.values[slot], slot), _has_params)
    return _params(tape.values[slot])


def _params(found: Sized) -> int:
    return sum([part.params for part in found.parts])


def _has_params(found: Sized) -> bool:
    return bool(_params(found))


def share_weights(tape: Tape, slot: int, twin: int) -> int:
    """The slot of a layer with the weights of another layer, which counts them."""

    def step(values: Values) -> Sized:
        found: Sized = values[slot]
        if _params(found) != _params(values[twin]):
            raise DiffersError
        return found._replace(parts=Cost(found.parts).without_params().parts)

    return tape.record(step, step(tape.values))
