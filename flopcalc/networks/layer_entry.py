"""Reads one layer of a description: an operator or a primitive, with the shapes of its inputs."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from flopcalc.catalog import lookup
from flopcalc.cost.cost import Cost
from flopcalc.errors import FlopcalcError, unknown_name
from flopcalc.networks.network import Layer, Shape
from flopcalc.networks.window import primitive_window
from flopcalc.primitives.registry import PRIMITIVES
from flopcalc.primitives.shapes import ShapeError, text
from flopcalc.spec.operator import Operator
from flopcalc.text.yaml_file import File, Map

_SHAPE_KEYS = ("k", "stride", "padding", "dilation", "groups")
OF_OPERATORS = ("out", *_SHAPE_KEYS)


class Single(NamedTuple):
    """An entry with `op`, its inputs and its scope. common: the keys that every entry may have."""

    name: str
    spec: Map
    env: Mapping[str, Any]
    inputs: tuple[str, ...]
    shapes: Sequence[Shape]
    stage: str
    batch: int
    common: frozenset[str]


def read_layer(file: File, one: Single, known: dict[Any, Any]) -> Layer:
    """The layer that an entry describes. known: costs of the layers so far, since blocks repeat."""
    kind = file.text(str(one.spec["op"]), one.spec, "op", one.env, f"layer {one.name}")
    if kind in PRIMITIVES:
        return _primitive(file, one, kind, known)
    if (operator := lookup.find(kind)) is not None:
        return _operator(file, one, operator, known)
    kinds = [*PRIMITIVES, *lookup.names()]
    near = unknown_name("layer kind", kind, kinds, f"known: {', '.join(sorted(kinds))}")
    raise file.error(one.spec, "op", f"layer {one.name}: {near.message}", near.hint)


def _primitive(file: File, one: Single, kind: str, known: dict[Any, Any]) -> Layer:
    full, settings = f"layer {one.name}", {}
    if len(one.spec) > 1:
        allowed = PRIMITIVES[kind].settings
        file.known(one.spec, {*one.common, *allowed}, full)
        settings = {key: file.value(one.spec, key, one.env, full) for key in allowed if key in one.spec}
    # Without settings the cost follows from the shapes.
    key = None if settings else (kind, *one.shapes)
    if key in known:
        shape, cost = known[key]
    else:
        try:
            shape, parts = PRIMITIVES[kind].shape_and_parts(one.shapes, one.batch, **settings)
        except ShapeError as error:
            raise file.error(
                one.spec, None, f"{full} ({kind}): {error}", "change the settings or the inputs, so that they fit"
            ) from None
        cost = Cost(parts)
        if key is not None:
            known[key] = shape, cost
    further = tuple(one.shapes[1:])
    window = primitive_window(PRIMITIVES[kind], settings)
    return Layer(
        name=one.name,
        kind=kind,
        inputs=one.inputs,
        in_shape=one.shapes[0],
        out_shape=shape,
        cost=cost,
        stage=one.stage,
        settings=settings,
        further=further,
        own_window=window,
    )


def _operator(file: File, one: Single, operator: Operator, known: dict[Any, Any]) -> Layer:
    name, spec, env = one.name, one.spec, one.env
    full, shape = f"layer {name}", one.shapes[0]
    file.known(spec, {*one.common, *OF_OPERATORS, *operator.param}, full)
    if len(one.inputs) != 1:
        raise file.error(spec, "from", f"{full} ({operator.name}) takes one input, not {len(one.inputs)}")
    flat = len(shape) == 1
    if flat and operator.name != "linear":
        has = text(shape)
        needs = "channels x height x width"
        raise file.error(spec, None, f"{full} ({operator.name}): its input is {has}, it needs {needs}")
    sizes = {key: file.pair(spec, key, env, full) for key in _SHAPE_KEYS if key in spec}
    given = _settings(file, full, operator, spec, env)
    out = file.whole(spec, "out", env, full) if "out" in spec else None
    key = (operator.name, shape, out, tuple(sizes.items()), tuple(given.items()))
    evaluation = known.get(key)
    if evaluation is None:
        try:
            # An operator on sequences has one axis; the shape of its input is checked below.
            hw: Any = (1, 1) if flat else shape[1:] if operator.axes == 2 else shape[-1]
            c_in = operator.c_in_of(shape[0], operator.resolve(given)) if operator.c_in_of else shape[0]
            g = operator.geometry(c_in, out, given, hw=hw, batch=one.batch, **sizes)
            evaluation = known[key] = operator.evaluate(g, given)
        except FlopcalcError as error:
            if error.code == "bad-network":
                raise
            raise file.error(spec, None, f"{full}: {error.message}", error.hint) from None
    if not flat and evaluation.in_shape != shape:
        takes, has = text(evaluation.in_shape), text(shape)
        raise file.error(spec, None, f"{full} ({operator.name}): it takes {takes}, and its input is {has}")
    out_shape = (evaluation.geometry.c_out,) if flat else evaluation.out_shape
    return Layer(
        name=name,
        kind=operator.name,
        inputs=one.inputs,
        in_shape=shape,
        out_shape=out_shape,
        cost=evaluation.cost,
        stage=one.stage,
        evaluation=evaluation,
    )


def _settings(file: File, full: str, operator: Operator, spec: Map, env: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the operator; a text is an expression unless it is one of the choices."""
    given = {}
    for name, param in operator.param.items():
        if name in spec:
            value = spec[name]
            as_it_is = value in param.choices if isinstance(value, str) else isinstance(value, list)
            as_it_is = as_it_is or (param.kind == "ints" and isinstance(value, str) and value not in env)
            given[name] = value if as_it_is else file.value(spec, name, env, full)
            if isinstance(given[name], list):
                given[name] = tuple(given[name])
    return given
