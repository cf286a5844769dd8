"""A network's YAML description -> named layers with shapes and costs.

The language, in short (docs/networks.md has it in full): `layers` is a list of one-key mappings
`name: what`. What a layer is: an operator or a primitive (`op`), a block defined under `blocks`
(`block`), or a group of layers (`layers`). Each takes the output of the one before, unless `from` says
otherwise; `when` leaves it out, `repeat` puts it several times, with `i` counting from 0. Numbers
may be expressions over the block's arguments, the network's options, and c, h, w of the input.
"""

import re
from collections import ChainMap
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from flopcalc import registry
from flopcalc.cost import Cost
from flopcalc.errors import FlopcalcError, clip, unknown_name
from flopcalc.expression import evaluate
from flopcalc.networks import primitives
from flopcalc.networks.network import INPUT, Layer, Network, Shape
from flopcalc.operator import Operator
from flopcalc.yamlfile import Map, Seq, line_of

MAX_LAYERS = 100_000
MAX_REPEAT = 10_000
MAX_NESTING = 20

_TOP = {"name", "title", "mirrors", "source", "input", "options", "reference", "blocks", "layers", "output"}
_COMMON = {"op", "block", "layers", "from", "when", "repeat", "stage"}
_SHAPE_KEYS = ("k", "stride", "padding", "dilation", "groups")
_OF_OPERATORS = {*_COMMON, "out", *_SHAPE_KEYS}
_NAME = re.compile(r"[A-Za-z0-9_]+")


class _Scope(NamedTuple):
    """What expressions and `from` can see in one list of layers."""

    env: dict[str, Any]
    values: dict[str, str]
    outer: "_Scope | None" = None
    depth: int = 0

    def find(self, name: str) -> str | None:
        scope: _Scope | None = self
        while scope is not None:
            if name in scope.values:
                return scope.values[name]
            scope = scope.outer
        return None


class _Reader:
    """The state of one reading: the file's name for errors, and the layers found so far."""

    def __init__(self, source: str, batch: int) -> None:
        self.source = source
        self.batch = batch
        self.options: dict[str, Any] = {}
        self.blocks: Mapping[str, Any] = {}
        self.shapes: dict[str, Shape] = {}
        self.layers: list[Layer] = []
        self.visited = 0

    def error(self, where: Any, key: str | int | None, why: str, hint: str = "") -> FlopcalcError:
        line = line_of(where, key)
        place = f"{self.source}, line {line}" if line else self.source
        return FlopcalcError(
            "bad-network", f"{place}: {why}", hint or "docs/networks.md describes the language, with examples"
        )

    # Lists of layers ---------------------------------------------------------------------------

    def body(self, items: Any, prefix: str, scope: _Scope, current: str, stage: str) -> str:
        """Read a list of layers; returns the name of the last one's output."""
        if not isinstance(items, Seq) or not items:
            raise self.error(scope, None, f"{prefix or 'the network'} needs a list of layers")
        if scope.depth > MAX_NESTING:
            raise self.error(items, 0, f"layers nested more than {MAX_NESTING} deep; does a block use itself?")
        for index, item in enumerate(items):
            if not isinstance(item, Map) or len(item) != 1:
                raise self.error(items, index, "each layer is written `- name: what`")
            (name, what), *_ = item.items()
            if not _NAME.fullmatch(name):
                raise self.error(item, name, f"the name {clip(name)} has other than letters, digits and _")
            if name in scope.values:
                raise self.error(item, name, f"two layers here are called {name}")
            spec = Map(op=what) if isinstance(what, str) else what
            if isinstance(what, str):
                spec.line, spec.lines = line_of(item, name), {}
            if not isinstance(spec, Map):
                raise self.error(item, name, f"layer {prefix}{name} is {clip(what)}, not a name or a mapping")
            current = self.item(name, spec, prefix, scope, current, stage)
            scope.values[name] = current
        return current

    def item(self, name: str, spec: Map, prefix: str, scope: _Scope, current: str, stage: str) -> str:
        """Read one entry, repeats included; returns the name of its output."""
        full = prefix + name
        kinds = [key for key in ("op", "block", "layers") if key in spec]
        if len(kinds) != 1:
            raise self.error(spec, None, f"layer {full} needs one of op, block or layers")
        inputs = self.inputs(full, spec, scope, current)
        stage = " ".join(str(spec.get("stage", "")).split()) or stage or name
        count = self.count(full, spec, scope, inputs[0])
        if count is None:
            return self.once(full, spec, scope, inputs, stage, {})
        if count > 1 and len(inputs) > 1:
            raise self.error(spec, "repeat", f"layer {full} is repeated and takes several inputs")
        for i in range(count):
            inputs = (self.once(f"{full}.{i}", spec, scope, inputs, stage, {"i": i}),)
        return inputs[0]

    def count(self, full: str, spec: Map, scope: _Scope, first: str) -> int | None:
        if "repeat" not in spec:
            return None
        count = self.number(full, spec, "repeat", self.env(scope, first, {}))
        if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= MAX_REPEAT:
            raise self.error(spec, "repeat", f"layer {full}: repeat is {clip(count)}, not 0 to {MAX_REPEAT}")
        return count

    def inputs(self, full: str, spec: Map, scope: _Scope, current: str) -> tuple[str, ...]:
        given = spec.get("from", None)
        if given is None:
            return (current,)
        found = []
        for name in given if isinstance(given, list) else [given]:
            value = scope.find(str(name))
            if value is None:
                raise self.error(spec, "from", f"layer {full} takes its input from {clip(name)}, which is not above it")
            found.append(value)
        if not found:
            raise self.error(spec, "from", f"layer {full} takes its input from nothing")
        return tuple(found)

    def env(self, scope: _Scope, first: str, extra: dict[str, Any]) -> Mapping[str, Any]:
        """What expressions see: options, arguments, sizes of the input, the index; nearer ones first."""
        sizes = dict(zip(("c", "h", "w"), self.shapes[first], strict=False))
        return ChainMap(extra, sizes, scope.env, self.options)

    def once(
        self, full: str, spec: Map, scope: _Scope, inputs: tuple[str, ...], stage: str, extra: dict[str, Any]
    ) -> str:
        """Read one entry at one index."""
        self.visited += 1
        if self.visited > 2 * MAX_LAYERS:
            raise self.error(spec, None, f"more than {2 * MAX_LAYERS:,} entries, left out ones included")
        env = self.env(scope, inputs[0], extra)
        if "when" in spec and not self.number(full, spec, "when", env):
            return inputs[0]
        if "op" in spec:
            return self.layer(full, spec, env, inputs, stage)
        if "layers" in spec:
            self.known_keys(full, spec, ())
            values = {INPUT: inputs[0]}
            inner = _Scope({**scope.env, **extra}, values, scope, scope.depth + 1)
            return self.body(spec["layers"], f"{full}.", inner, inputs[0], stage)
        return self.block(full, spec, scope, env, inputs, stage)

    def block(
        self, full: str, spec: Map, scope: _Scope, env: Mapping[str, Any], inputs: tuple[str, ...], stage: str
    ) -> str:
        name = str(spec["block"])
        if name not in self.blocks:
            near = unknown_name("block", str(name), self.blocks, f"blocks here: {', '.join(self.blocks) or 'none'}")
            raise self.error(spec, "block", f"layer {full}: {near.message}", near.hint)
        block = self.blocks[name]
        if not isinstance(block, Map) or not set(block) <= {"args", "layers"}:
            raise self.error(self.blocks, name, f"block {name} has args and layers, and nothing else")
        args = block.get("args") or Map()
        if not isinstance(args, Map) or not all(_NAME.fullmatch(arg) for arg in args):
            raise self.error(block, "args", f"block {name}: args maps names to defaults, null where one must be given")
        self.known_keys(full, spec, args)
        values: dict[str, Any] = {}
        for arg, default in args.items():
            if arg in spec:
                values[arg] = self.number(full, spec, arg, env)
            elif default is None:
                raise self.error(spec, None, f"layer {full}: block {name} needs {arg}")
            else:
                values[arg] = self.number(full, args, arg, {**self.options, **values})
        inner = _Scope(values, {INPUT: inputs[0]}, None, scope.depth + 1)
        return self.body(block.get("layers"), f"{full}.", inner, inputs[0], stage)

    # Single layers -----------------------------------------------------------------------------

    def layer(self, full: str, spec: Map, env: Mapping[str, Any], inputs: tuple[str, ...], stage: str) -> str:
        if len(self.layers) >= MAX_LAYERS:
            raise self.error(spec, None, f"more than {MAX_LAYERS:,} layers")
        kind = str(spec["op"])
        if kind in primitives.PRIMITIVES:
            layer = self.primitive(full, kind, spec, env, inputs, stage)
        elif (operator := registry.find(kind)) is not None:
            layer = self.operator(full, operator, spec, env, inputs, stage)
        else:
            known = [*primitives.PRIMITIVES, *registry.names()]
            near = unknown_name("layer kind", kind, known, f"known: {', '.join(sorted(known))}")
            raise self.error(spec, "op", f"layer {full}: {near.message}", near.hint)
        self.layers.append(layer)
        self.shapes[full] = layer.out_shape
        return full

    def primitive(
        self, full: str, kind: str, spec: Map, env: Mapping[str, Any], inputs: tuple[str, ...], stage: str
    ) -> Layer:
        allowed = primitives.settings_of(kind)
        self.known_keys(full, spec, allowed)
        settings = {key: self.whole(full, spec, key, env) for key in allowed if key in spec}
        shapes = [self.shapes[name] for name in inputs]
        try:
            shape, parts = primitives.PRIMITIVES[kind](shapes, self.batch, **settings)
        except primitives.ShapeError as error:
            raise self.error(spec, None, f"layer {full} ({kind}): {error}", "make the shapes agree") from None
        return Layer(full, kind, inputs, shapes[0], shape, Cost(parts), stage, settings=settings)

    def operator(
        self, full: str, operator: Operator, spec: Map, env: Mapping[str, Any], inputs: tuple[str, ...], stage: str
    ) -> Layer:
        self.known_keys(full, spec, operator.param, _OF_OPERATORS)
        if len(inputs) != 1:
            raise self.error(spec, "from", f"layer {full} ({operator.name}) takes one input, not {len(inputs)}")
        shape = self.shapes[inputs[0]]
        flat = len(shape) == 1
        if flat != (operator.name == "linear"):
            wanted = "a flat input; put a flatten before it" if not flat else "channels x height x width"
            raise self.error(
                spec, None, f"layer {full} ({operator.name}): its input is {primitives.text(shape)}, it needs {wanted}"
            )
        sizes = {key: self.pair(full, spec, key, env) for key in _SHAPE_KEYS if key in spec}
        given = self.settings(full, operator, spec, env)
        try:
            g = operator.geometry(
                shape[0],
                self.whole(full, spec, "out", env) if "out" in spec else None,
                given,
                hw=(1, 1) if flat else (shape[1], shape[2]),
                n=self.batch,
                **sizes,
            )
            evaluation = operator.evaluate(g, given)
        except FlopcalcError as error:
            if error.code == "bad-network":
                raise
            raise self.error(spec, None, f"layer {full}: {error.message}", error.hint) from None
        if not flat and evaluation.in_shape != shape:
            takes, has = primitives.text(evaluation.in_shape), primitives.text(shape)
            raise self.error(spec, None, f"layer {full} ({operator.name}): it takes {takes}, and its input is {has}")
        out = (g.c_out,) if flat else evaluation.out_shape
        return Layer(full, operator.name, inputs, shape, out, evaluation.cost, stage, evaluation)

    def settings(self, full: str, operator: Operator, spec: Map, env: Mapping[str, Any]) -> dict[str, Any]:
        """The operator's own options; text is an expression unless it names a choice."""
        given = {}
        for name, param in operator.param.items():
            if name in spec:
                value = spec[name]
                is_text = isinstance(value, str) and value not in param.choices and param.kind != "ints"
                given[name] = self.number(full, spec, name, env) if is_text else value
        return given

    # Values ------------------------------------------------------------------------------------

    def known_keys(self, full: str, spec: Map, allowed: Collection[str], common: Collection[str] = _COMMON) -> None:
        for key in spec:
            if key not in common and key not in allowed:
                known = [*common, *allowed]
                near = unknown_name("key", key, known, f"allowed here: {', '.join(sorted(known))}")
                raise self.error(spec, key, f"layer {full}: {near.message}", near.hint)

    def number(self, full: str, spec: Mapping[str, Any], key: str, env: Mapping[str, Any]) -> Any:
        value = spec[key]
        if not isinstance(value, str):
            return value
        try:
            return evaluate(value, env)
        except FlopcalcError as error:
            names = f"names here: {', '.join(sorted(env))}"
            raise self.error(spec, key, f"layer {full}: {key}: {error.message}", names) from None

    def whole(self, full: str, spec: Map, key: str, env: Mapping[str, Any]) -> int:
        value = self.number(full, spec, key, env)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.error(spec, key, f"layer {full}: {key} is {clip(value)}, not a whole number")
        return value

    def pair(self, full: str, spec: Map, key: str, env: Mapping[str, Any]) -> Any:
        value = spec[key]
        if isinstance(value, list):
            if len(value) != 2:
                raise self.error(spec, key, f"layer {full}: {key} is one number or two, [height, width]")
            both = Map(first=value[0], second=value[1])
            both.line, both.lines = line_of(spec, key), {}
            return self.whole(full, both, "first", env), self.whole(full, both, "second", env)
        return self.whole(full, spec, key, env)


def read_description(
    data: Any, source: str, given: Mapping[str, Any], input_shape: tuple[int, ...] | None, batch: int
) -> Network:
    """A network from the data of its YAML file. See `flopcalc.networks.load`."""
    reader = _Reader(source, batch)
    if not isinstance(data, Map) or "layers" not in data:
        raise reader.error(data, None, "a network is a mapping with name, input and layers")
    reader.known_keys("(top level)", data, _TOP, ())
    name = " ".join(str(data.get("name") or source.rsplit("/", 1)[-1].rsplit(".", 1)[0]).split())
    reader.options = _options(reader, name, data, given)
    reader.blocks = data.get("blocks") or {}
    if not isinstance(reader.blocks, dict):
        raise reader.error(data, "blocks", "blocks is a mapping from names to blocks")
    shape = _input_shape(reader, data, input_shape)
    if not isinstance(batch, int) or not 1 <= batch <= 10**9:
        raise FlopcalcError("bad-dimension", f"batch is {clip(batch)}; it must be positive", "give --batch 1")
    reader.shapes[INPUT] = shape
    output = reader.body(data["layers"], "", _Scope({}, {INPUT: INPUT}), INPUT, "")
    return Network(
        name=name,
        title=" ".join(str(data.get("title") or name).split()),
        input_shape=shape,
        batch=batch,
        layers=tuple(reader.layers),
        output=output,
        options=reader.options,
        mirrors=str(data.get("mirrors") or ""),
        source=source,
    )


def _options(reader: _Reader, name: str, data: Map, given: Mapping[str, Any]) -> dict[str, Any]:
    declared = data.get("options") or {}
    if not isinstance(declared, dict) or not all(isinstance(o, dict) and "default" in o for o in declared.values()):
        raise reader.error(data, "options", "options maps names to {default: ..., help: ...}")
    for option in given:
        if option not in declared:
            has = f"{name} has: {', '.join(declared)}" if declared else f"{name} has no options"
            raise unknown_name(f"option of {name}", option, declared, has)
    for option, spec in declared.items():
        if spec.get("choices") and spec["default"] not in spec["choices"]:
            raise reader.error(declared, option, f"the default of option {option} is not one of its choices")
    return {option: _option(option, spec, given) for option, spec in declared.items()}


def _option(option: str, spec: Mapping[str, Any], given: Mapping[str, Any]) -> Any:
    default, choices = spec["default"], spec.get("choices")
    if option not in given:
        return default
    value = given[option]
    if choices:
        if value not in choices:
            raise _bad_option(option, value, f"one of {', '.join(map(str, choices))}", spec)
        return value
    try:
        number = evaluate(value, {}) if isinstance(value, str) else value
    except FlopcalcError:
        number = None
    if isinstance(default, bool):
        words = {"true": True, "false": False}
        if isinstance(value, bool) or str(value).lower() in words:
            return words[str(value).lower()]
        raise _bad_option(option, value, "true or false", spec)
    whole = isinstance(default, int)
    if number is None or isinstance(number, bool | str) or number <= 0 or (whole and not isinstance(number, int)):
        raise _bad_option(option, value, f"a positive {'whole ' if whole else ''}number", spec)
    return number


def _bad_option(option: str, value: object, wanted: str, spec: Mapping[str, Any]) -> FlopcalcError:
    return FlopcalcError(
        "bad-option",
        f"option {option} is {clip(value)}; it must be {wanted}",
        f"{option}: {spec.get('help', 'an option of the network')} (default: {spec['default']})",
    )


def _input_shape(reader: _Reader, data: Map, given: tuple[int, ...] | None) -> Shape:
    shape = data.get("input") if given is None else given
    sizes = tuple(shape) if isinstance(shape, list | tuple) else ()
    if len(sizes) not in (1, 3) or not all(type(size) is int and 0 < size <= 10**9 for size in sizes):
        if given is None:
            raise reader.error(
                data, "input", f"input is {clip(shape)}, not [channels, height, width], each from 1 to 10^9"
            )
        shown = clip("x".join(map(str, given)))
        wanted = "channels x height x width, each from 1 to 10^9"
        raise FlopcalcError("bad-dimension", f"the input is {shown}, not {wanted}", "write --input 3x224x224")
    return sizes
