"""Running a structural copy of a module, forward or forward and backward, while its tensors are followed."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin

from flopcalc.errors import FlopcalcError
from flopcalc.networks.allocator import blocks, steady_peak
from flopcalc.networks.collector import paused
from flopcalc.networks.dataflow import Dataflow, Peak
from flopcalc.networks.memory import Followed
from flopcalc.networks.training import ROOT, check_patterns, matched
from flopcalc.pytorch.counting.compiler import compiler_aside, fake_tensors_aside
from flopcalc.pytorch.counting.contents import buffers_of, dtype_of, modules_of, parameters_of
from flopcalc.pytorch.counting.copying import Copier
from flopcalc.pytorch.counting.evaluation_mode import evaluate, into_training
from flopcalc.pytorch.counting.failures import Failure, failed
from flopcalc.pytorch.counting.kernels import tensors
from flopcalc.pytorch.counting.layers import layers_by_module
from flopcalc.pytorch.counting.names import forget_names, name_modules
from flopcalc.pytorch.counting.outputs import drawn, is_trained, summed
from flopcalc.pytorch.counting.passes import Pass
from flopcalc.pytorch.counting.process_state import kept_state
from flopcalc.pytorch.counting.recomputed import modes_in_recomputation
from flopcalc.pytorch.counting.recorder import Recorder
from flopcalc.pytorch.counting.twins import (
    input_values,
    is_meta,
    on_cpu,
    on_meta,
    real_copy,
    with_values,
)
from flopcalc.pytorch.counting.values import Reading, placed, readings
from flopcalc.pytorch.memory.autocast import Autocast
from flopcalc.pytorch.memory.checkpointing import checkpointed
from flopcalc.pytorch.memory.follower import Follower, Level, storage_of
from flopcalc.pytorch.memory.graph import Graph
from flopcalc.pytorch.memory.rules import Kernels, Rules
from flopcalc.pytorch.memory.saved import Saved

RECURRENT = (
    "recurrent layers are followed step by step; cuDNN and the CPU run them as one kernel, which saves other tensors"
)
REAL_VALUES = "followed on real values on the CPU: another input may need something else"


class Way(NamedTuple):
    """What is followed. dtype: of weights and inputs, None for their own. autocast: the dtype of products, or None.

    checkpoint: patterns of modules that are computed again in the backward. accumulate: gradients of an earlier pass
    are there already. freeze: patterns of modules that are not trained.
    """

    training: bool = False
    rules: Rules = "cuda"
    dtype: torch.dtype | None = None
    autocast: torch.dtype | None = None
    checkpoint: Sequence[str] = ()
    accumulate: bool = False
    freeze: Sequence[str] = ()


class Subject(NamedTuple):
    """The module that is followed, and how it is called. rebuild: builds it again with real values."""

    module: nn.Module
    args: Sequence[Any]
    named: Mapping[str, Any]
    method: str = "forward"
    on: str = "auto"
    rebuild: Callable[[], nn.Module] | None = None


def follow(subject: Subject, way: Way) -> Followed:
    """The tensors of one pass. The module is copied first, and stays as it is.

    Raises FlopcalcError (uncountable-module) where the forward or the backward fails.
    """
    module = subject.module
    failures: list[Failure] = []
    ways = list(readings(subject.args, subject.named, getattr(module, subject.method, None)))
    with fake_tensors_aside(), kept_state([child for _, child in modules_of(module)]), compiler_aside():
        for on in ("meta", "cpu"):
            if subject.on in {"auto", on}:
                for reading in ways:
                    found = _tried(subject, way, reading, Pass(on, way.training), failures)
                    if found is not None:
                        return found
    raise failed(module, failures)


def _tried(subject: Subject, way: Way, reading: Reading, device: Pass, failures: list[Failure]) -> Followed | None:
    loaded = len(sys.modules)
    while True:
        recorder = Recorder(layers_by_module(modules_of(subject.module)))
        try:
            with paused() if device.on == "meta" else nullcontext():
                found = _run(subject, way, reading, device, recorder)
                if len(sys.modules) == loaded:
                    return found
                # Kernels that load their Python code leave cycles of frames behind, which keep tensors alive.
                loaded = len(sys.modules)
        except FlopcalcError as error:
            if error.code not in {"cannot-copy", "too-large"}:
                raise
            failures.append(Failure(device.on, error, ""))
            return None
        except Exception as error:
            further = device.after(error)
            if further is None:
                failures.append(Failure(device.on, error, recorder.failed.get(id(error), "")))
                return None
            device = further


class _Twin(NamedTuple):
    """The copy that runs. inputs: the tensors among its arguments."""

    module: nn.Module
    names: list[tuple[str, nn.Module]]
    args: list[Any]
    named: dict[str, Any]
    inputs: list[Tensor]
    method: str

    def forward(self) -> Any:
        """Call the method."""
        call = self.module if self.method == "forward" else getattr(self.module, self.method)
        return drawn(call(*self.args, **self.named))


class _Ran(NamedTuple):
    """What a pass gave. forward: the exact peak of the forward; level: its other numbers."""

    forward: Peak
    level: Level
    saved: Saved
    flow: Dataflow | None = None


def _run(subject: Subject, way: Way, reading: Reading, device: Pass, recorder: Recorder) -> Followed:
    generator = torch.Generator().manual_seed(0)
    notes: dict[str, None] = {}
    autocast = Autocast(way.autocast) if way.autocast is not None else None
    kernels = Kernels(device.on, way.rules, notes.setdefault, autocast)
    kernels.gradients = device.gradients
    with ExitStack() as modes:
        modes.enter_context(device.prepared())
        modes.enter_context(modes_in_recomputation())
        if autocast is not None:
            modes.enter_context(autocast.enabled())
        copier = Copier(on_meta if device.on == "meta" else on_cpu(generator), gradients=device.gradients)
        twin = _twin(subject, way, reading, device, modes.enter_context(copier), generator)
        if any(isinstance(child, LazyModuleMixin) for _, child in modules_of(twin.module)):
            with kernels, torch.no_grad():
                twin.forward()
            twin = twin._replace(names=modules_of(twin.module))
        _freeze(twin.names, way.freeze)
        if way.checkpoint:
            notes[checkpointed(twin.names, way.checkpoint)] = None
        if any(isinstance(child, nn.RNNBase) for _, child in modules_of(twin.module)):
            notes[RECURRENT] = None
        name_modules(twin.names, recorder)
        graph = None if way.training else Graph()
        follower = Follower(lambda: recorder.module, generator, graph, way.rules == "cuda")
        follower.knows([*parameters_of(twin.module), *buffers_of(twin.module), *twin.inputs])
        modes.enter_context(follower)
        modes.enter_context(kernels)
        ran = _trained(twin, way, follower, autocast) if way.training else _inferred(twin, follower)
    forget_names(twin.names)
    if device.on == "cpu":
        notes[REAL_VALUES] = None
    return _followed(twin, follower, ran, device, way, (*reading.notes, *notes))


def _twin(
    subject: Subject, way: Way, reading: Reading, device: Pass, copier: Copier, generator: torch.Generator
) -> _Twin:
    """The copy in the mode and the dtype that are asked for, with its arguments."""
    original = subject.module if device.on == "meta" else with_values(subject.module, subject.rebuild, "take")
    module: nn.Module = copier.copy(original)
    if way.training:
        into_training(module)
    else:
        evaluate(module)
    if way.dtype is not None:
        module.to(way.dtype)
    args, named = _arguments(module, reading, device, copier, generator, way.dtype)
    inputs = [one for one in tensors((args, named)) if storage_of(one) is not None]
    return _Twin(module, modules_of(module), args, named, inputs, subject.method)


def _freeze(modules: Sequence[tuple[str, nn.Module]], patterns: Sequence[str]) -> None:
    """Stop the gradients of parameters. Raises FlopcalcError (unknown-layer) for a pattern that matches nothing."""
    check_patterns("--freeze", patterns, [name or ROOT for name, _ in modules])
    for name, child in modules:
        if patterns and matched(name or ROOT, patterns):
            for one in child._parameters.values():
                if one is not None:
                    one.requires_grad_(False)


def _inferred(twin: _Twin, follower: Follower) -> _Ran:
    """One forward."""
    graph = follower.graph or Graph()
    graph.start(twin.inputs)
    out = twin.forward()
    return _Ran(follower.peak(), follower.top, Saved(), graph.finish(tensors(out)))


def _trained(twin: _Twin, way: Way, follower: Follower, autocast: Autocast | None) -> _Ran:
    """A forward and a backward; where gradients are accumulated, the second one."""
    if way.accumulate:
        _step(twin.forward, follower, autocast, Saved())
        follower.rest()
    saved = Saved(follower, live=bool(way.checkpoint))
    return _Ran(*_step(twin.forward, follower, autocast, saved), saved)


def _followed(twin: _Twin, follower: Follower, ran: _Ran, device: Pass, way: Way, notes: tuple[str, ...]) -> Followed:
    weights, buffers = _unique(parameters_of(twin.module)), _unique(buffers_of(twin.module))
    given = _unique(twin.inputs)
    # A parameter that the loss does not depend on has no gradient, and no state of an optimizer.
    trained = [one for one in weights if one.grad is not None]
    return Followed(
        weights=_bytes(weights),
        buffers=_bytes(buffers),
        given=_bytes(given),
        trained=_bytes(trained),
        blocks=sum(map(_blocks, (*weights, *buffers, *given))),
        trained_blocks=sum(map(_blocks, trained)),
        forward=ran.forward,
        whole=Peak(follower.top.in_blocks, follower.top.at, follower.peak().moments),
        flow=ran.flow,
        saved=ran.saved.size,
        saved_all=ran.saved.whole,
        with_workspace=follower.top.with_workspace,
        allocated=_allocated((*weights, *buffers, *given), follower, way),
        on=device.on,
        dtype=str(dtype_of(twin.module)).removeprefix("torch."),
        inputs=tuple("x".join(map(str, one.shape)) for one in twin.inputs),
        notes=notes,
    )


def _allocated(there: Sequence[Tensor], follower: Follower, way: Way) -> int:
    """The peak of a training step in the blocks of CUDA's allocator; 0 where this is not asked for."""
    if not way.training or way.rules != "cuda" or way.accumulate:
        return 0
    return steady_peak([one.numel() * one.element_size() for one in there], list(follower.events))


def _step(
    forward: Callable[[], Any], follower: Follower, autocast: Autocast | None, saved: Saved
) -> tuple[Peak, Level]:
    """One forward and backward, with the sum of the outputs as the loss; the peak of the forward."""
    with saved.looking():
        out = forward()
        peak, top = follower.peak(), follower.top
        loss = _loss(out)
    if autocast is not None:
        autocast.clear()
    # As in a training loop, the variable of the output keeps it until the end.
    saved.ended([loss, *tensors(out)])
    loss.backward()  # type: ignore[no-untyped-call]
    return peak, top


_KEEPS_GRADIENTS = (
    "training needs parameters with requires_grad, and a forward that keeps gradients: not under torch.no_grad or "
    "torch.inference_mode"
)


def _loss(out: Any) -> Tensor:
    sums = [summed(one) for one in tensors(out) if is_trained(one)]
    if not sums:
        what = "no output depends on a parameter that is trained"
        raise FlopcalcError("uncountable-module", what, _KEEPS_GRADIENTS)
    loss = sums[0]
    for one in sums[1:]:
        loss = loss + one
    return loss


def _arguments(
    twin: nn.Module,
    reading: Reading,
    device: Pass,
    copier: Copier,
    generator: torch.Generator,
    dtype: torch.dtype | None,
) -> tuple[list[Any], dict[str, Any]]:
    usual = dtype_of(twin)
    copier.gradients = True

    def new(shape: tuple[int, ...]) -> Tensor:
        empty = torch.empty(shape, dtype=usual, device="meta")
        return empty if device.on == "meta" else input_values(empty, generator)

    def on_meta_in_dtype(tensor: Tensor) -> Tensor:
        made = on_meta(tensor)
        return made.to(dtype) if dtype is not None and made.is_floating_point() else made

    def values(tensor: Tensor) -> Tensor:
        made = input_values(tensor, generator) if is_meta(tensor) else real_copy(tensor)
        return made.to(dtype) if dtype is not None and made.is_floating_point() else made

    return placed(reading, copier, on_meta_in_dtype if device.on == "meta" else values, new)


def _unique(found: Iterable[Tensor]) -> list[Tensor]:
    """Tensors with storages of their own: tied weights count once."""
    kept: dict[int, Tensor] = {}
    for tensor in found:
        storage = storage_of(tensor)
        kept.setdefault(id(tensor) if storage is None else storage._cdata, tensor)
    return list(kept.values())


def _bytes(found: Iterable[Tensor]) -> int:
    return sum(one.numel() * one.element_size() for one in found)


def _blocks(tensor: Tensor) -> int:
    return blocks(tensor.numel() * tensor.element_size())
