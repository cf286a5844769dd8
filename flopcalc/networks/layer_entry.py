"""Reads one layer of a description: an operator or a primitive, with the shapes of its inputs."""

from collections.abc import Callable, Mapping, Sequence, Set
from functools import cache, lru_cache, partial
from typing import Any, NamedTuple

from flopcalc.catalog import lookup
from flopcalc.cost.arith import maximum, minimum
from flopcalc.cost.cost import Cost
from flopcalc.cost.geometry import SAME, Geometry, resized
from flopcalc.cost.parts import times
from flopcalc.cost.whole import as_int
from flopcalc.errors import FlopcalcError, unknown_name
from flopcalc.networks.evaluated import Applied, Sized
from flopcalc.networks.network import Shape
from flopcalc.networks.tape import BATCH, MEMO, DiffersError, Env, Known, Step, Tape, Values, taken
from flopcalc.primitives.registry import NEUTRAL, PRIMITIVES
from flopcalc.primitives.shapes import ShapeError, text
from flopcalc.spec.operator import Named, Operator
from flopcalc.spec.param import Value
from flopcalc.text.sizes import sizes_of
from flopcalc.text.yaml_file import File, Map

_SHAPE_KEYS = ("k", "stride", "padding", "dilation", "groups")
OF_OPERATORS = ("out", *_SHAPE_KEYS)
_IMAGE = "channels x height x width"
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


def read_layer(file: File, one: Single, tape: Tape, operators: dict[str, Operator]) -> tuple[str, int]:
    """The kind and the slot of the layer that an entry describes. operators: those used so far, extended here."""
    kind = tape.text(str(one.spec["op"]), one.spec, "op", one.env, f"layer {one.name}")
    if kind in PRIMITIVES:
        return kind, _primitive(file, one, kind, tape)
    # Once for each reading, so that a file is read once.
    operator = operators.get(kind) or lookup.find(kind)
    if operator is not None:
        operators[kind] = operator
        return operator.name, _operator(file, one, operator, tape)
    kinds = [*PRIMITIVES, *lookup.names()]
    near = unknown_name("layer kind", kind, kinds, f"known: {', '.join(sorted(kinds))}")
    raise file.error(one.spec, "op", f"layer {one.name}: {near.message}", near.hint)


# Primitives ------------------------------------------------------------------------------------


def _primitive(file: File, one: Single, kind: str, tape: Tape) -> int:
    full = f"layer {one.name}"
    if len(one.spec) == 1 and len(one.inputs) == 1:
        step = _plain_step(kind, one.inputs[0])
    else:
        allowed = _settings_of(kind)
        file.known(one.spec, one.common | allowed, full)
        settings = {key: tape.value(one.spec, key, one.env, full) for key in allowed if key in one.spec}
        step = _primitive_step(kind, one.inputs, settings)
    if "when" in one.spec and kind in NEUTRAL and tape.scope is not None:
        step = _where_it_changes(step)
    try:
        return tape.record(step, step(tape.values))
    except ShapeError as error:
        raise file.error(
            one.spec, None, f"{full} ({kind}): {error}", "change the settings or the inputs, so that they fit"
        ) from None


def _where_it_changes(step: Step) -> Step:
    """A layer that runs only where its output has another size than its input."""

    def changed(values: Values) -> Sized:
        found: Sized = step(values)
        differences = [out - given for out, given in zip(found.out_shape, found.in_shape, strict=True)]
        runs = minimum(1, sum(maximum(one, -one) for one in differences))
        return found._replace(parts=tuple([times(runs, part) for part in found.parts]))

    return changed


@cache
def _settings_of(kind: str) -> Set[str]:
    """The names of the settings of a primitive, in their order."""
    return PRIMITIVES[kind].settings.keys()


def _plain_step(kind: str, source: int) -> Step:
    """The step of a layer without settings and with one input: most layers of a network."""
    shape_and_parts = PRIMITIVES[kind].shape_and_parts

    def step(values: Values) -> Sized:
        shape = values[source][0]
        memo = values[MEMO]
        key = (kind, shape)
        found = memo.get(key)
        if found is None:
            out, parts = shape_and_parts((shape,), values[BATCH])
            found = memo[key] = _sized((out, shape, parts, None, _NO_SETTINGS, ()))
        return found  # type: ignore[no-any-return]

    return step


def _primitive_step(kind: str, inputs: tuple[int, ...], settings: Mapping[str, Known]) -> Step:
    shape_and_parts = PRIMITIVES[kind].shape_and_parts
    fixed = {key: known.value for key, known in settings.items()}
    changing = tuple((key, known) for key, known in settings.items() if known.slot >= 0)
    # Layers of the same kind and settings share their cost where their inputs have the same shapes.
    alike = f"{kind} {fixed!r}"
    first, single = inputs[0], len(inputs) == 1

    def step(values: Values) -> Sized:
        shapes = (values[first][0],) if single else tuple([values[slot][0] for slot in inputs])
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


def _operator(file: File, one: Single, operator: Operator, tape: Tape) -> int:
    name, spec, env = one.name, one.spec, one.env
    full, shape = f"layer {name}", tape.values[one.inputs[0]][0]
    if len(spec) > 1:
        file.known(spec, _allowed(one.common, operator), full)
    if len(one.inputs) != 1:
        raise file.error(spec, "from", f"{full} ({operator.name}) takes one input, not {len(one.inputs)}")
    if len(shape) == 1 and operator.name != "linear":
        has = text(shape)
        raise file.error(spec, None, f"{full} ({operator.name}): its input is {has}, it needs {_IMAGE}")
    sizes: dict[str, Known] = {}
    for key in _SHAPE_KEYS:
        if key in spec:
            sizes[key] = _size(file, spec, key, tape, env, full)
            if sizes[key].value != SAME:
                file.as_pair(sizes[key].value, spec, key, full, most=3 if operator.volume else 2)
    given = _settings(full, operator, spec, env, tape)
    if "out" in spec:
        sizes["out"] = tape.value(spec, "out", env, full)
        file.as_whole(sizes["out"].value, spec, "out", full)
    step = _operator_step(tape, operator, one.inputs[0], sizes, given)
    try:
        found = step(tape.values)
    except _OtherShapeError as error:
        has = text(shape)
        raise file.error(
            spec, None, f"{full} ({operator.name}): it takes {error.takes}, and its input is {has}"
        ) from None
    except FlopcalcError as error:
        if error.code == "bad-network":
            raise
        raise file.error(spec, None, f"{full}: {error.message}", error.hint) from None
    return tape.record(step, found)


def _size(file: File, spec: Map, key: str, tape: Tape, env: Env, full: str) -> Known:
    """A number, a list or a text such as 3x5x5; the padding may be `same`."""
    text = spec[key]
    if (sizes := sizes_of(text)) is not None:
        return Known(sizes)
    if key == "padding" and text == SAME and SAME not in env:
        return Known(SAME)
    return tape.value(spec, key, env, full)


@lru_cache(maxsize=64)
def _allowed(common: frozenset[str], operator: Operator) -> frozenset[str]:
    """The keys of an entry with that operator."""
    return frozenset((*common, *OF_OPERATORS, *operator.param))


def _settings(full: str, operator: Operator, spec: Map, env: Env, tape: Tape) -> dict[str, Known]:
    """The options of the operator; a text is an expression unless it is one of the choices."""
    given = {}
    for name, param in operator.param.items():
        if name in spec:
            value = spec[name]
            as_it_is = value in param.choices if isinstance(value, str) else isinstance(value, list)
            as_it_is = as_it_is or (param.kind == "ints" and isinstance(value, str) and value not in env)
            if not as_it_is:
                given[name] = tape.value(spec, name, env, full)
            else:
                given[name] = Known(tuple(value) if isinstance(value, list) else value)
    return given


class _OtherShapeError(DiffersError):
    """The operator takes another shape than that of its input."""

    def __init__(self, takes: str) -> None:
        self.takes = takes


def _operator_step(
    tape: Tape, operator: Operator, source: int, sizes: Mapping[str, Known], given: Mapping[str, Known]
) -> Step:
    # Layers of the same operator and settings share their cost where their inputs have the same shape.
    key = (operator, *_fixed(sizes), ..., *_fixed(given))
    alike, sized_at = tape.shared(key, lambda: _sizing(operator, sizes, given))
    changing = [(one.slot, one.axis) for one in (*sizes.values(), *given.values()) if one.slot >= 0]

    def step(values: Values) -> Sized:
        shape = values[source][0]
        memo = values[MEMO]
        now = []
        kinds: tuple[Any, ...] = ()
        for slot, axis in changing:
            value = values[slot] if axis < 0 else values[slot][0][axis]
            now.append(value)
            if type(value) is not int:
                kinds = (*kinds, len(now), _kind(value))
        key = (alike, shape, *now, *kinds)
        found = memo.get(key)
        if found is None:
            found = memo[key] = sized_at(shape, now, values[BATCH])
        return found  # type: ignore[no-any-return]

    return step


def _kind(value: Any) -> Any:
    """The type of a value, and of the items of a tuple: True equals 1, and is another value."""
    return (tuple, *map(type, value)) if type(value) is tuple else type(value)


def _fixed(given: Mapping[str, Known]) -> list[Any]:
    """Names and fixed values, with their types."""
    return [(name, _kind(one.value), one.value) if one.slot < 0 else name for name, one in given.items()]


def _sizing(
    operator: Operator, sizes: Mapping[str, Known], given: Mapping[str, Known]
) -> Callable[[Shape, Sequence[Any], int], Sized]:
    """A function of the input's shape, the values of those sizes and options that can change, and the batch."""
    changing_sizes = [name for name, known in sizes.items() if known.slot >= 0]
    changing_given = [name for name, known in given.items() if known.slot >= 0]
    fixed_sizes = {name: known.value for name, known in sizes.items() if known.slot < 0}
    given_then = {name: known.value for name, known in given.items()}
    set_by_caller = frozenset(given)
    count = len(changing_sizes)
    # Checked once where they are the same at all sizes. Another evaluation gets a copy of its own.
    resolved: list[dict[str, Value]] = []
    image = operator.axes == 2 and operator.c_in_of is None and operator.has_image_shapes
    geometry_of = _geometries(operator, [name for name in changing_sizes if name not in ("out", "groups")])

    def sized_at(shape: Shape, now: Sequence[Any], batch: int) -> Sized:
        for size in now[:count]:
            if as_int(size) is None and (type(size) is not tuple or None in map(as_int, size)):
                raise DiffersError
        if operator.volume != (len(shape) == 4):
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
        sizes_now = {**fixed_sizes, **dict(zip(changing_sizes, now, strict=False))} if count else fixed_sizes
        g = geometry_of(shape, sizes_now, options, batch)
        named, parts = operator.apply(g, options)
        out = (g.c_out, g.h_out, g.w_out) if image and len(shape) > 1 else _out_shape(operator, shape, g, named)
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
        window = [sizes[name] for name in changing] if changing else []
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
    if flat and operator.name != "linear":
        raise DiffersError
    # An operator on sequences has one axis; the shape of its input is checked with its result.
    hw: Any = (1, 1) if flat else shape[-1] if operator.axes == 1 else shape[-2:]
    c_in = operator.c_in_of(shape[0], options) if operator.c_in_of else shape[0]
    c_out = sizes.get("out")
    if c_out is None and operator.default_c_out is not None:
        c_out = operator.default_c_out(c_in, options)
    own = {name: size for name, size in sizes.items() if name != "out"}
    return operator.geometry(c_in, c_out, hw=hw, batch=batch, **own)


def _out_shape(operator: Operator, shape: Shape, g: Geometry, named: Named) -> Shape:
    if len(shape) == 1:
        return (g.c_out,)
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
