"""A counted module as a `Network`: what it did, layer by layer, as if it had been described."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

from torch import nn

from flopcalc.cost.cost import Cost, Part
from flopcalc.cost.kinds import WorkKind
from flopcalc.errors import FlopcalcError, reason
from flopcalc.networks.inputs import FORWARD, ForwardCall, Input
from flopcalc.networks.network import INPUT, Differentiated, Layer, Module, Network, Replay, Uncounted
from flopcalc.primitives.record import Primitive
from flopcalc.primitives.registry import PRIMITIVES
from flopcalc.pytorch.calls.log import log_of
from flopcalc.pytorch.counting.contents import modules_of
from flopcalc.pytorch.counting.counter import count_call
from flopcalc.pytorch.counting.failures import CHECK_INPUTS
from flopcalc.pytorch.counting.inputs import arguments, read_batch, read_inputs
from flopcalc.pytorch.counting.kernels import Work
from flopcalc.pytorch.counting.layers import is_piece, layers_by_module
from flopcalc.pytorch.counting.record import Call, Count, Shapes
from flopcalc.pytorch.counting.sharing import other_names, sharing_remarks
from flopcalc.pytorch.counting.window import window_of
from flopcalc.pytorch.loading.user_errors import FIX_IT
from flopcalc.pytorch.named_class import named_class
from flopcalc.pytorch.recognition import operator_of
from flopcalc.symbolic.size import is_whole

# The name of the layer for what the outermost forward does outside its children.
ROOT = "(model)"

# Classes without a primitive: an operator, and layers that descriptions do not have.
_KINDS: dict[type[nn.Module], str] = {nn.Linear: "linear", nn.GroupNorm: "groupnorm", nn.Embedding: "embedding"}
# Convolutions: the kind without groups, one group for each channel, and any other number of groups.
_CONVOLUTIONS: dict[type[nn.Module], tuple[str, str, str]] = {
    nn.Conv1d: ("conv1d", "depthwise1d", "conv1d"),
    nn.Conv2d: ("conv", "depthwise", "group"),
    nn.Conv3d: ("conv3d", "depthwise3d", "conv3d"),
    nn.ConvTranspose2d: ("transposed", "transposed", "transposed"),
}


def _primitives_by_class() -> dict[Any, list[Primitive]]:
    """The primitives whose records name a class."""
    found: dict[Any, list[Primitive]] = {}
    for primitive in PRIMITIVES.values():
        for path in dict.fromkeys((primitive.module, *primitive.counted)):
            found.setdefault(named_class(path), []).append(primitive)
    return found


_PRIMITIVES = _primitives_by_class()
# Kinds of work with weights, in the order in which they get the parameters of a module.
_WEIGHTY: tuple[WorkKind, ...] = ("conv", "linear", "distance", "matmul", "norm", "layernorm", "mul", "move")


def kind_of(module: nn.Module) -> str:
    """Our name of the layer where there is one (conv, relu, spconv, ...), else the name of its class."""
    if (operator := operator_of(module)) is not None:
        return operator
    cls = type(module)
    if cls in _CONVOLUTIONS:
        plain, depthwise, grouped = _CONVOLUTIONS[cls]
        groups, channels = module.groups, module.in_channels
        return plain if groups == 1 else depthwise if groups == channels == module.out_channels else grouped
    for primitive in _PRIMITIVES.get(cls, ()):
        if primitive.counted_if(module):
            return primitive.name
    if is_piece(module):
        return cls.__name__.lower()
    return _KINDS.get(cls, cls.__name__)


def counted_network(
    module: nn.Module,
    inputs: Any,
    batch: int = 1,
    *,
    name: str = "",
    options: Mapping[str, Any] | None = None,
    call: ForwardCall = FORWARD,
    rebuild: Callable[[], nn.Module] | None = None,
    kernels: Sequence[Any] = (),
) -> Network:
    """Count one forward pass, and give the modules that did something, or own parameters, as layers.

    inputs: shapes without the batch: `(3, 224, 224)`, `"3x224x224"`, `"77:int64"`, an `Input`, a sequence of these for
    several inputs, or a mapping for inputs by keyword. call: the method, the device and the keywords that are not
    tensors. rebuild: builds the module again with real values. Names of layers are those of the modules. What a forward
    does outside its children is counted for its own name, `(model)` for the outermost module. A module that runs
    several times is several layers (`relu`, `relu#2`), and so is one that goes on after another layer ran; the steps
    of a layer are its kernels, one after the other.
    Raises FlopcalcError (uncountable-module) where the forward fails.
    """
    inputs, batch = read_inputs(inputs), read_batch(batch)
    args, named = arguments(inputs, batch, module, call)
    with explained(module, inputs, call):
        counted = count_call(
            module,
            args,
            named,
            method=call.method,
            on=call.on,
            kernels=kernels,
            rebuild=rebuild,
        )
    record = partial(as_network, module, inputs=inputs, batch=batch, name=name, options=options)
    replay = replay_of(module, args, named, call, record, kernels=kernels, rebuild=rebuild)
    return record(counted, replay=replay)


def replay_of(
    module: nn.Module,
    args: Sequence[Any],
    named: Mapping[str, Any],
    call: ForwardCall,
    record: Callable[[Count], Network],
    *,
    kernels: Sequence[Any] = (),
    rebuild: Callable[[], nn.Module] | None = None,
) -> Replay:
    """The same call of a module again, for its log, for other counters, and for its backward pass.

    record: makes the network of a count.
    """
    how = {"method": call.method, "on": call.on, "kernels": kernels, "rebuild": rebuild}

    @cache
    def figure(name: str) -> tuple[int, str] | str:
        from flopcalc.pytorch.counters import reported

        if call.method != "forward":
            return "counters run the forward only"
        made = rebuild() if rebuild is not None else module
        return reported(name, made, args, named)

    @cache
    def both_passes(freeze: tuple[str, ...]) -> Differentiated:
        from flopcalc.pytorch.training.differentiate import differentiated

        return differentiated(module, args, named, freeze, record, _part, **how)

    return Replay(cache(partial(log_of, module, args, named, **how)), figure, both_passes)


@contextmanager
def explained(module: nn.Module, inputs: Sequence[Input], call: ForwardCall = FORWARD) -> Iterator[None]:
    """Add to the errors of a count the inputs that the forward takes."""
    try:
        yield
    except FlopcalcError as error:
        if error.code != "uncountable-module" or error.hint != CHECK_INPUTS:
            raise
        cause = error.__cause__
        about_inputs = isinstance(cause, RuntimeError | TypeError | ValueError | IndexError)
        hint = FIX_IT
        if about_inputs and not isinstance(cause, RecursionError):
            hint = _wanted(module, inputs, call)
        raise FlopcalcError(error.code, error.message, hint) from error


def as_network(
    module: nn.Module,
    counted: Count,
    inputs: Sequence[Input],
    batch: int,
    *,
    name: str = "",
    options: Mapping[str, Any] | None = None,
    replay: Replay | None = None,
) -> Network:
    """A counted module as a network, in the state in which it was counted."""
    layers = _layers(module, counted, batch)
    others = other_names(module)
    return Network(
        name=name or type(module).__name__,
        title=f"{type(module).__name__} | {name}" if name else type(module).__name__,
        input_shape=inputs[0].shape if inputs else (),
        batch=batch,
        layers=tuple(layers),
        output=layers[counted.ends[-1]].name if counted.ends else INPUT,
        options=dict(options or {}),
        source=name,
        inputs=tuple(map(str, inputs)),
        counted_steps=counted.steps,
        uncounted=tuple(Uncounted(op, where or ROOT, times) for (op, where), times in counted.uncounted.items()),
        remarks=(*counted.notes, *sharing_remarks(module, others), *_remarks(counted)),
        modules=_modules(module, counted, batch, others),
        replay=replay,
    )


def _modules(module: nn.Module, counted: Count, batch: int, others: Mapping[str, tuple[str, ...]]) -> dict[str, Module]:
    found = {}
    for name, child in modules_of(module):
        given, output = counted.shapes.get(name, _NO_SHAPES)
        # Other methods of the outermost module can be counted without a call of its forward.
        calls = counted.times[name] if name else max(1, counted.times[name])
        shapes = _without_batch(given, batch), _without_batch(output, batch)
        found[name or ROOT] = Module(
            kind_of(child), calls, *shapes, unused=counted.idle.get(name, 0), also=others.get(name, ())
        )
    return found


def _wanted(module: nn.Module, inputs: Sequence[Input], call: ForwardCall) -> str:
    given = " ".join([*(f"--input {one}" for one in inputs), *(f"--arg {name}=..." for name in call.arguments)])
    try:
        takes = ", ".join(str(one) for one in inspect.signature(getattr(module, call.method)).parameters.values())
    except (AttributeError, TypeError, ValueError):
        takes = "?"
    forward = f"its {call.method} takes ({reason(takes)})"
    samples = "each is one sample" if len(inputs) > 1 else "one sample"
    return (
        f"{forward}, and the input was {given}, {samples} without the batch; token ids are integers: --input 77:int64"
    )


def _layers(module: nn.Module, counted: Count, batch: int) -> list[Layer]:
    """The calls as layers; a module that holds parameters and ran nothing is a layer without inputs."""
    named = modules_of(module)
    owner, modules = layers_by_module(named), dict(named)
    first = {call.layer: call for call in reversed(counted.calls)}
    params: dict[str, dict[str, int]] = {}
    for name, own in counted.own_params.items():
        params.setdefault(owner[name], {})[name] = own
    idle = []
    for name in params:
        if name not in first:
            given, output = counted.shapes.get(name, _NO_SHAPES)
            idle.append(Call(name, 1, given=given, output=output))
    names = [_layer_name(call) for call in counted.calls]
    skip = _common_prefix([call.layer for call in (*counted.calls, *idle) if call.layer])
    found = []
    for call in (*counted.calls, *idle):
        own_module, weights = modules[call.layer], params.get(call.layer, {})
        kind = kind_of(own_module)
        parts = list(_parts(call, kind == "linear"))
        if call.number == 1:
            for name, own in weights.items():
                _give_params(parts, _prefix(name, call.layer), own)
        found.append(
            Layer(
                name=_layer_name(call),
                kind=kind,
                inputs=tuple(names[one] if one >= 0 else INPUT for one in call.inputs),
                in_shape=_without_batch(call.given, batch),
                out_shape=_without_batch(call.output, batch),
                cost=Cost(tuple(parts)),
                stage=".".join(call.layer.split(".")[: skip + 1]) or ROOT,
                weights_of=_layer_name(first[call.layer]) if call.number > 1 and weights else "",
                own_window=window_of(own_module),
            )
        )
    return found


_NO_SHAPES = Shapes((), ())


def _layer_name(call: Call) -> str:
    """`layer1.0.relu`, and `layer1.0.relu#2` for its second call."""
    return (call.layer or ROOT) + (f"#{call.number}" if call.number > 1 else "")


def _parts(call: Call, is_linear: bool) -> Iterator[Part]:
    for (name, kind), work in call.work.items():
        # On inputs that are not contiguous a linear layer is a product of batches, and a sum for the bias.
        own: WorkKind = "linear" if kind in ("add", "matmul") and is_linear and name == call.layer else kind
        yield _part(name, call.layer, own, work, call.kernels[name, kind])


def _give_params(parts: list[Part], prefix: str, params: int) -> None:
    """Add the parameters of a module to the part of its kernel that has weights."""
    mine = [i for i, part in enumerate(parts) if part.name.rpartition(".")[0] == prefix] or range(len(parts))
    for kind in _WEIGHTY:
        index = next((i for i in mine if parts[i].work == kind), None)
        if index is not None:
            parts[index] = parts[index]._replace(params=parts[index].params + params)
            return
    parts.append(Part(f"{prefix}.params".lstrip("."), "move", params=params, steps=0))


def _prefix(name: str, layer: str) -> str:
    return name[len(layer) :].lstrip(".")


def _part(name: str, layer: str, kind: WorkKind, work: Work, kernels: int) -> Part:
    prefix = _prefix(name, layer)
    return Part(
        f"{prefix}.{kind}" if prefix else kind,
        kind,
        macs=work.macs,
        adds=work.adds,
        muls=work.muls,
        other=work.other,
        activations=work.activations,
        reads=work.reads,
        writes=work.writes,
        steps=kernels,
    )


def _common_prefix(names: Sequence[str]) -> int:
    """How many leading pieces all names share, so that a wrapper around a model is not a stage."""
    pieces = [name.split(".") for name in names]
    length = 0
    while pieces and all(len(one) > length + 1 and one[length] == pieces[0][length] for one in pieces):
        length += 1
    return length


def _without_batch(shape: tuple[int, ...], batch: int) -> tuple[int, ...]:
    """The shape of one sample; where the batch is folded into the first axis, what is left of that axis."""
    if not shape:
        return shape
    share = _share(shape[0], batch)
    return shape if share is None else shape[1:] if type(share) is int and share == 1 else (share, *shape[1:])


def _share(size: Any, batch: Any) -> Any:
    """A size divided by the batch; None where it is not a multiple of it. Either may be symbolic."""
    if type(size) is int and type(batch) is int:
        return None if size % batch else size // batch
    try:
        share = size / batch
    except TypeError:
        return None
    return share if is_whole(share) else None


def _remarks(counted: Count) -> list[str]:
    """A note on parameters that the pass did not read: heads for training, branches for other inputs."""
    if not counted.idle:
        return []
    names = [name or ROOT for name in counted.idle]
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return [f"{sum(counted.idle.values()):,} of the parameters were not used in this pass: {shown}"]
