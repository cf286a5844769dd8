"""`flopcalc.memory`: what a network needs in memory, for Python."""

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from math import prod
from typing import Any

from flopcalc.analysis.memory import described
from flopcalc.analysis.memory.ordering import best_order
from flopcalc.analysis.memory.planning import folded
from flopcalc.analysis.memory.planning import peak as planned
from flopcalc.analysis.memory.question import STATE, STEP, Question, question
from flopcalc.analysis.memory.record import Memory
from flopcalc.cost.cost import DTYPE_BYTES
from flopcalc.errors import FlopcalcError
from flopcalc.networks.allocator import blocks
from flopcalc.networks.dataflow import Dataflow, Peak
from flopcalc.networks.inputs import InputLike
from flopcalc.networks.memory import Followed
from flopcalc.networks.network import Network
from flopcalc.networks.progress_bar import Words, following
from flopcalc.targets.read import is_python, python_memory, read_target
from flopcalc.targets.spec import TargetSpec, from_python

IN_PLACE = "activation functions write into their input, as in torchvision's modules"
VARIABLES = "variables of a forward may keep tensors longer than the graph says; --rules cuda follows the module itself"
NATIVE_NORM = (
    "batch norm makes a mean and a deviation of each channel, as torch's own kernel does; "
    "cuDNN's makes none in inference"
)
ESTIMATE = "workspace is an estimate of what cuDNN takes for 3x3 convolutions; it is not part of the peak"
BLOCKS = (
    "allocator is an estimate of what blocks have more than their tensors, since a cached block is split only if more "
    "than 1 MiB is left; it is not part of the peak"
)
FROM_MODULE = "followed on the module that the description mirrors or describes"
STEADY = "the optimizer's state is there from the second step on"


def memory(
    what: Any,
    inputs: InputLike | Sequence[InputLike] | None = None,
    *,
    batch: int = 1,
    mode: str = "inference",
    dtype: str | None = None,
    optimizer: str | None = None,
    optimizer_dtype: str | None = None,
    rules: str | None = None,
    autocast: str | None = None,
    checkpoint: str | Iterable[str] = (),
    accumulate: int | None = None,
    order: str = "given",
    input: InputLike | Sequence[InputLike] | None = None,
    freeze: str | Iterable[str] = (),
    replace: str | Iterable[str] = (),
    where: str | None = None,
    keep: str | Iterable[str] = (),
    set: Mapping[str, Any] | None = None,
    arg: Mapping[str, Any] | None = None,
    method: str | None = None,
    on: str | None = None,
) -> Memory:
    """What a network needs in memory, for inference or for training, without running it on real values.

    what: a name as in `flopcalc model`, or an nn.Module. inputs: shapes without the batch, such as (3, 224, 224); for a
    described network its own by default; also as input, as the other functions name it. mode: "inference" or
    "training". dtype: of weights and activations.
    optimizer: none, sgd, momentum, adam or adamw, with optimizer_dtype for its state. rules: "cuda" (default) or "cpu",
    whose kernels decide what autograd saves. autocast: "float16" or "bfloat16" for products, with weights and gradients
    in float32. checkpoint: patterns of modules that are computed again in the backward. accumulate: batches whose
    gradients are added. order: "best" for the least possible peak over all orders of the layers. freeze: patterns of
    layers, or of modules with all below them, that are not trained, as in `flopcalc.training`.

    The result has sizes in bytes: `found.peak_bytes`, `found.weights`, `found.saved`, and `found.to_dict()`.
    Inference of a described network needs no torch. Raises FlopcalcError.

    >>> import flopcalc
    >>> flopcalc.memory("resnet50").activations_peak // 4
    2609664
    """
    asked = question(
        mode=mode,
        dtype=dtype,
        optimizer=optimizer,
        optimizer_dtype=optimizer_dtype,
        rules="cuda" if rules is None else rules,
        autocast=autocast,
        checkpoint=checkpoint,
        accumulate=accumulate,
        order=order,
        freeze=freeze,
    )
    if inputs is not None and input is not None:
        raise FlopcalcError("bad-usage", "inputs and input are both given", "leave one of the two out")
    spec = from_python(
        what,
        input if inputs is None else inputs,
        batch=batch,
        replace=replace,
        where=where,
        keep=keep,
        set=set,
        arg=arg,
        method=method,
        on=on,
    )
    with following(Words(spec.shown)):
        return memory_of(spec, asked, by_module=rules is not None)


def memory_of(spec: TargetSpec, asked: Question, *, by_module: bool = False) -> Memory:
    """What the target that a spec names needs. by_module: follow the module of a description. Raises FlopcalcError."""
    if not isinstance(spec.what, str) or is_python(spec.what):
        if asked.dtype == "int8":
            why = "a Python model has floating-point weights, and int8 has none of its kernels"
            raise FlopcalcError("bad-option", why, "describe the network, or leave out --dtype")
        name, title, found = python_memory(spec, asked)
        return _followed(name, title, spec.batch, asked, found, ())
    network = read_target(spec).network
    if not asked.training and not by_module:
        return _described(network, asked)
    found = import_module("flopcalc.pytorch.memory.target").follow_described(network, asked)
    return _followed(network.name, network.title, network.batch, asked, found, (FROM_MODULE,))


def _described(network: Network, asked: Question) -> Memory:
    """Inference of a described network, by its graph alone."""
    element = DTYPE_BYTES[asked.dtype or "float32"]
    given = network.batch * prod(network.input_shape) * element
    weights = described.weights(network, element)
    eager = described.eager(network, element)
    in_blocks = described.eager(network, element, blocks)
    flow = described.dataflow(network, element, given=given)
    in_place = any(layer.kind in described.IN_PLACE for layer in network.layers)
    normed = any(part.work == "norm" for layer in network.layers for part in layer.cost.parts)
    return Memory(
        target=network.name,
        title=network.title,
        inputs=("x".join(map(str, network.input_shape)),),
        batch=network.batch,
        dtype=asked.dtype or "float32",
        mode=asked.mode,
        optimizer="none",
        weights=weights.params,
        buffers=weights.buffers,
        input=given,
        activations_peak=eager.live,
        activations_at=eager.at,
        element=element,
        saved=0,
        saved_with_weights=0,
        gradients=0,
        optimizer_state=0,
        workspace=0,
        peak=weights.in_blocks + blocks(given) + in_blocks.live,
        peak_at=in_blocks.at,
        layers=eager.moments,
        settings=_settings(asked, "description"),
        notes=(VARIABLES, *((IN_PLACE,) if in_place else ()), *((NATIVE_NORM,) if normed else ()), *network.remarks),
        **_plan(flow, asked),
    )


def _plan(flow: Dataflow, asked: Question) -> dict[str, Any]:
    """The peak of the layers, as they are and in their best order."""
    merged = folded(flow)
    given = planned(merged)
    found: dict[str, Any] = {"layer_peak": given.live, "layer_peak_at": given.at}
    if asked.best:
        best = best_order(merged)
        found["best_order"] = {
            "peak_bytes": best.peak.live,
            "peak_at": best.peak.at,
            "proved": best.proved,
            "states": best.states,
            "changes": list(best.order) != list(range(len(merged.steps))),
            "order": [merged.steps[index].name for index in best.order],
        }
    return found


def _followed(name: str, title: str, batch: int, asked: Question, found: Followed, notes: tuple[str, ...]) -> Memory:
    """The record of a module whose tensors were followed."""
    element = DTYPE_BYTES[found.dtype]
    gradients = found.trained if asked.training else 0
    state = _state(found, asked)
    peak = _worst(found, asked, state[1])
    plan = _plan(found.flow, asked) if found.flow is not None else {}
    workspace = max(0, found.with_workspace - found.whole.live)
    # Where the optimizer's step is the worst moment, what the blocks of the pass add does not matter.
    is_in_pass = peak.at == found.whole.at
    allocator = max(0, found.allocated - found.whole.live) if is_in_pass else 0
    more = (STEADY,) if asked.training and state[0] else ()
    normed = not asked.training and any(step.work == "norm" for step in (found.flow.steps if found.flow else ()))
    return Memory(
        target=name,
        title=title,
        inputs=found.inputs,
        batch=batch,
        dtype=found.dtype,
        mode=asked.mode,
        optimizer=asked.optimizer if asked.training else "none",
        weights=found.weights,
        buffers=found.buffers,
        input=found.given,
        activations_peak=found.forward.live,
        activations_at=found.forward.at,
        element=element,
        saved=found.saved,
        saved_with_weights=found.saved_all,
        gradients=gradients,
        optimizer_state=state[0],
        workspace=workspace,
        allocator=allocator,
        peak=peak.live,
        peak_at=peak.at,
        layers=peak.moments or found.forward.moments,
        settings=_settings(asked, found.on),
        notes=(
            *notes,
            *found.notes,
            *more,
            *((NATIVE_NORM,) if normed else ()),
            *((ESTIMATE,) if workspace else ()),
            *((BLOCKS,) if allocator else ()),
        ),
        **plan,
    )


def _state(found: Followed, asked: Question) -> tuple[int, int]:
    """The bytes of the optimizer's state, and the same in blocks."""
    kept = STATE[asked.optimizer] if asked.training else 0
    wanted = DTYPE_BYTES[asked.optimizer_dtype or found.dtype]
    own = DTYPE_BYTES[found.dtype]
    return kept * found.trained * wanted // own, kept * found.trained_blocks * wanted // own


def _worst(found: Followed, asked: Question, state: int) -> Peak:
    """The worst moment in blocks: in the forward, in the backward, or in the optimizer's step."""
    held = found.blocks + state
    whole = Peak(held + found.whole.live, found.whole.at, found.whole.moments)
    if not asked.training:
        return whole
    step = held + found.trained_blocks * (1 + STEP[asked.optimizer])
    return Peak(step, "optimizer step", whole.moments) if step > whole.live else whole


def _settings(asked: Question, on: str) -> dict[str, Any]:
    return {
        "rules": asked.rules,
        "optimizer_dtype": asked.optimizer_dtype,
        "autocast": asked.autocast,
        "checkpoint": list(asked.checkpoint),
        "accumulate": asked.accumulate,
        "freeze": list(asked.freeze),
        "on": on,
    }
