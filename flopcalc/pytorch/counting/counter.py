"""Counting a module: a structural copy runs, on the meta device where nothing is computed, or on real values.

The passes are tried in turn. Most forwards need no values, and run on the meta device without gradients; some
differentiate, and run there with them; some read values, and run on the CPU. Each pass has a copy of its own.
"""

import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin

from flopcalc.catalog.kernels import KernelRule
from flopcalc.catalog.kernels import by_name as rules_by_operator
from flopcalc.errors import FlopcalcError, clip
from flopcalc.networks.collector import paused
from flopcalc.pytorch.counting.compiler import compiler_aside, fake_tensors_aside
from flopcalc.pytorch.counting.contents import dtype_of, modules_of, named_buffers_of
from flopcalc.pytorch.counting.copying import Copier
from flopcalc.pytorch.counting.dispatch import DispatchCounter, OnDevice
from flopcalc.pytorch.counting.evaluation_mode import evaluate
from flopcalc.pytorch.counting.failures import (
    Failure,
    NeedsAutogradError,
    failed,
)
from flopcalc.pytorch.counting.kernels import tensors
from flopcalc.pytorch.counting.kernels.own import OwnRules
from flopcalc.pytorch.counting.layers import layers_by_module
from flopcalc.pytorch.counting.names import forget_names, name_modules
from flopcalc.pytorch.counting.nested import whole_where_nested
from flopcalc.pytorch.counting.outputs import drawn
from flopcalc.pytorch.counting.passes import Pass
from flopcalc.pytorch.counting.process_state import kept_state
from flopcalc.pytorch.counting.recomputed import modes_in_recomputation
from flopcalc.pytorch.counting.record import Count
from flopcalc.pytorch.counting.recorder import Recorder
from flopcalc.pytorch.counting.twins import (
    has_no_values,
    input_values,
    is_meta,
    on_cpu,
    on_meta,
    real_copy,
    with_values,
)
from flopcalc.pytorch.counting.values import Reading, placed, readings
from flopcalc.pytorch.tracing.net import Net
from flopcalc.pytorch.tracing.shortcuts import shorten
from flopcalc.pytorch.tracing.tracer import tracing

__all__ = ["Count", "check_countable", "count", "count_call"]

On = Literal["auto", "meta", "cpu"]
Witness = Literal["trace", "dispatch"]
# What looks at the copy while it runs, once for each pass: it gets the copy, and a function that gives the name of
# the module that is running, "" for the copy itself.
Watch = Callable[[nn.Module, Callable[[], str]], AbstractContextManager[object]]

COMPLEX = "a complex parameter counts once, and a complex multiply-add as 4 real ones"
REAL_VALUES = "counted on real values: another input may cost something else"


class Tracing(NamedTuple):
    """How a pass is traced. recorder: made of the names of the layers; modes: the modes that count.

    first_pass: the modes of a pass before it, which is not counted, where these are not the usual ones.
    """

    recorder: Callable[[Mapping[str, str]], Recorder]
    modes: Callable[[Recorder, OwnRules | None, torch.Generator], AbstractContextManager[object]]
    first_pass: Callable[[torch.Generator], AbstractContextManager[object]] | None = None


_ON_NUMBERS = Tracing(Recorder, tracing)


class Backward(NamedTuple):
    """How a pass is differentiated. prepare: puts the copy and its modules into the mode in which it is trained.

    run: the backward pass from the outputs. mode: what sees the functions that the forward calls. counter: what counts
    the kernels of both passes.
    """

    prepare: Callable[[nn.Module, Sequence[tuple[str, nn.Module]]], None]
    run: Callable[[Any, Recorder], None]
    mode: type[OnDevice]
    counter: type[DispatchCounter]


class _Call(NamedTuple):
    """What is counted, and how. modules: of the module, with their names."""

    module: nn.Module
    modules: list[tuple[str, nn.Module]]
    method: str
    function: Callable[..., Any] | None
    own: OwnRules | None
    rebuild: Callable[[], nn.Module] | None
    witness: Witness
    watch: Watch | None
    warm_up: bool
    tracing: Tracing
    backward: Backward | None


def count(module: nn.Module | Callable[..., Any], *inputs: Any, **named_inputs: Any) -> Count:
    """Count one forward pass in inference mode, or one call of another method: `count(model.encode, (1, 77))`.

    inputs: the inputs of the forward, by position or by name. A tuple of integers is a shape, batch first, of the
    module's own floating type, and so is a list of integers that is the only input. Where tensors are among the
    inputs, or the forward's annotation asks for a tuple, a tuple of integers is a value of the forward first, and a
    shape only if the forward fails; where none is, the other way round. The count's notes say so where a
    tuple was taken as a value. Lists, tuples and dicts may hold these, a NumPy array is a tensor of its dtype, and
    other values are passed on as copies.

    Where the forward needs no values, only shapes and dtypes are used. Where it reads some, it runs on the CPU with
    copies of the tensors given, or random values; then `on` is "cpu", and a note says so. What a forward prints may
    come more than once. The module is left exactly as it was. Raises FlopcalcError (uncountable-module) where the
    forward fails, and (cannot-copy) where the module cannot be copied.
    """
    return count_call(module, inputs, named_inputs)


def count_call(
    module: nn.Module | Callable[..., Any],
    args: Sequence[Any] = (),
    named: Mapping[str, Any] | None = None,
    *,
    method: str = "forward",
    on: On = "auto",
    kernels: Sequence[KernelRule] = (),
    rebuild: Callable[[], nn.Module] | None = None,
    witness: Witness = "trace",
    watch: Watch | None = None,
    warm_up: bool = False,
    trace: Tracing = _ON_NUMBERS,
    backward: Backward | None = None,
) -> Count:
    """Count one call of a module's method, as `count` does.

    on: "meta" or "cpu" to force the one or the other. kernels: rules next to those that are registered. rebuild:
    builds the module again with real values, where it lies on the meta device and the forward reads values. witness:
    "trace", or "dispatch" for the slower and independent way. watch: looks at the copy while it runs.
    warm_up: count the second call, which finds what the first one has kept.
    trace: how a pass is traced, for sizes that are not numbers. backward: how the copy is trained; None for inference.
    """
    function = None
    if isinstance(module, types.MethodType) and isinstance(module.__self__, nn.Module):
        function, module = module.__func__, module.__self__
        method = function.__name__
    if not isinstance(module, nn.Module):
        raise _not_a_module(module)
    modules = modules_of(module)
    call = _Call(
        module, modules, method, function, rules_by_operator(kernels), rebuild, witness, watch, warm_up, trace, backward
    )
    forward = function.__get__(module) if function else getattr(module, method, None)
    ways = list(readings(args, named or {}, forward))
    failures: list[Failure] = []
    with fake_tensors_aside(), kept_state([child for _, child in modules]), compiler_aside():
        for device in ("meta", "cpu"):
            if on in {"auto", device}:
                for reading in ways:
                    result = _on_device(call, reading, device, failures)
                    if result is not None:
                        return result
    raise failed(module, failures)


def check_countable(module: object) -> None:
    """Raise FlopcalcError (uncountable-module) for what is not a module."""
    if not isinstance(module, nn.Module):
        raise _not_a_module(module)


def _not_a_module(given: object) -> FlopcalcError:
    what = f"{clip(given)} is not an nn.Module"
    exported = type(given).__name__ == "ExportedProgram"
    hint = "count its module: program.module()" if exported else "give an instance of nn.Module, not a class"
    return FlopcalcError("uncountable-module", what, hint)


def _on_device(call: _Call, reading: Reading, device: Literal["meta", "cpu"], failures: list[Failure]) -> Count | None:
    """The count on a device, first without gradients, and with them if the forward asks; None if it fails."""
    how, layers = Pass(device, gradients=call.backward is not None), layers_by_module(call.modules)
    while True:
        recorder = call.tracing.recorder(layers)
        generator = torch.Generator().manual_seed(0)
        copier = Copier(on_meta if device == "meta" else on_cpu(generator), gradients=how.gradients)
        try:
            with paused() if device == "meta" else nullcontext(), copier:
                return _run(call, reading, how, recorder, copier, generator)
        except FlopcalcError as error:
            if error.code not in {"cannot-copy", "too-large", "not-differentiable"}:
                raise
            failures.append(Failure(device, error, ""))
            return None
        except Exception as error:
            further = how.after(error)
            if further is None:
                # One that leads to another try is not what the reader must know.
                failures.append(Failure(device, error, recorder.failed.get(id(error), "")))
                return None
            how = further


def _run(
    call: _Call, reading: Reading, how: Pass, recorder: Recorder, copier: Copier, generator: torch.Generator
) -> Count:
    original = call.module if how.on == "meta" else with_values(call.module, call.rebuild, "count")
    twin: nn.Module = copier.copy(original)
    named = modules_of(twin)
    if call.backward is None:
        evaluate(twin, [child for _, child in named])
    else:
        call.backward.prepare(twin, named)
    if how.on == "cpu" and has_no_values(original):
        _usable(twin)
    given, by_name = _arguments(twin, reading, how, copier, generator)

    def forward() -> Any:
        if call.function is not None:
            run: Any = types.MethodType(copier.copy(call.function), twin)
        else:
            run = twin if call.method == "forward" else getattr(twin, call.method)
        return drawn(run(*given, **by_name))

    with ExitStack() as modes:
        modes.enter_context(how.prepared())
        if how.gradients or call.backward is not None:
            modes.enter_context(modes_in_recomputation())
        if call.warm_up or any(isinstance(child, LazyModuleMixin) for _, child in named):
            # A lazy module gets its parameters from a first pass, which is not counted.
            with _first_pass(call, how, generator):
                forward()
            named = modules_of(twin)
            if call.backward is not None:
                call.backward.prepare(twin, named)
        parameters = [(name, one) for name, child in named for one in child._parameters.values() if one is not None]
        recorder.sees_all = how.on == "meta"
        held = copier.tensors if recorder.sees_all else ()
        recorder.start((one for _, one in parameters), tensors((given, by_name)), held)
        traced = call.witness == "trace" and how.on == "meta" and not how.gradients
        if traced:
            shorten(named)
        if how.on == "cpu":
            whole_where_nested(named)
        name_modules(named, recorder, lambda other: _modes(call, how, other, generator))
        if call.watch is not None:
            modes.enter_context(call.watch(twin, lambda: recorder.module))
        modes.enter_context(
            call.tracing.modes(recorder, call.own, generator) if traced else _modes(call, how, recorder, generator)
        )
        out = forward()
        if call.backward is not None:
            call.backward.run(out, recorder)
    forget_names(named)
    result = recorder.finish(parameters, out)
    result.own_params = _own_params(parameters)
    result.on = how.on
    result.notes += _notes(reading, how, parameters, result.notes)
    return result


def _notes(
    reading: Reading, how: Pass, parameters: Sequence[tuple[str, Tensor]], known: Sequence[str]
) -> Iterator[str]:
    """What a reader of the numbers must know."""
    yield from (note for note in reading.notes if note not in known)
    if any(one.is_complex() for _, one in parameters):
        yield COMPLEX
    if how.on == "cpu":
        yield REAL_VALUES


@contextmanager
def _first_pass(call: _Call, how: Pass, generator: torch.Generator) -> Iterator[None]:
    """The modes of a pass that is not counted."""
    if call.tracing.first_pass is not None:
        with call.tracing.first_pass(generator):
            yield
        return
    runner = Net if how.on == "meta" else DispatchCounter
    with OnDevice(how.on), runner(None, generator=generator):
        yield


@contextmanager
def _modes(call: _Call, how: Pass, recorder: Recorder, generator: torch.Generator) -> Iterator[None]:
    """The modes of a pass, for a thread that its forward started."""
    mode, counter = (OnDevice, DispatchCounter) if call.backward is None else call.backward[2:]
    counting = counter(recorder, own=call.own, generator=generator)
    device = mode(how.on, recorder)
    device.gradients = how.gradients
    with torch.set_grad_enabled(how.gradients), device, counting:
        yield
    if device.wants_autograd:
        # The forward may have caught it.
        raise NeedsAutogradError


def _arguments(
    twin: nn.Module, reading: Reading, how: Pass, copier: Copier, generator: torch.Generator
) -> tuple[list[Any], dict[str, Any]]:
    dtype = dtype_of(twin)
    # Inputs go on asking for gradients as they did: a forward may differentiate by them.
    copier.gradients = True

    def new(shape: tuple[int, ...]) -> Tensor:
        empty = torch.empty(shape, dtype=dtype, device="meta")
        return empty if how.on == "meta" else input_values(empty, generator)

    def values(tensor: Tensor) -> Tensor:
        return input_values(tensor, generator) if is_meta(tensor) else real_copy(tensor)

    return placed(reading, copier, on_meta if how.on == "meta" else values, new)


def _usable(twin: nn.Module) -> None:
    """Give a copy with values made up those that a forward can compute with: a variance is not negative."""
    for name, buffer in named_buffers_of(twin):
        if name.endswith("running_var"):
            buffer.fill_(1)


def _own_params(parameters: Sequence[tuple[str, Tensor]]) -> dict[str, int]:
    """Parameters of each module without its children; a shared tensor counts for the first module."""
    seen: set[int] = set()
    params: dict[str, int] = {}
    for name, tensor in parameters:
        if id(tensor) not in seen:
            seen.add(id(tensor))
            params[name] = params.get(name, 0) + tensor.numel()
    return params
