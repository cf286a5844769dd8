"""One forward and one backward pass of a copy of a module, which are run and counted."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from flopcalc.cost.cost import Part, Parts
from flopcalc.errors import FlopcalcError, reason
from flopcalc.networks.network import Differentiated, Gradients, Network, Uncounted
from flopcalc.networks.training import ROOT, matched
from flopcalc.pytorch.counting.counter import Backward, Tracing, count_call
from flopcalc.pytorch.counting.evaluation_mode import evaluate, into_training
from flopcalc.pytorch.counting.kernels import tensors
from flopcalc.pytorch.counting.outputs import is_trained
from flopcalc.pytorch.counting.record import Count
from flopcalc.pytorch.counting.recorder import Recorder
from flopcalc.pytorch.tracing.tracer import tracing
from flopcalc.pytorch.training.auxiliary import auxiliary
from flopcalc.pytorch.training.counter import TrainingCounter
from flopcalc.pytorch.training.functions import TrainingFunctions
from flopcalc.pytorch.training.recorder import GradientRecorder


def differentiated(
    module: nn.Module,
    args: Sequence[Any],
    named: Mapping[str, Any],
    freeze: Sequence[str],
    network: Callable[[Count], Network],
    part: Callable[[str, str, Any, Any, int], Part],
    **how: Any,
) -> Differentiated:
    """The two passes of a module on a copy in training mode, the loss being a sum over its outputs.

    freeze: patterns of modules that are not trained. network: makes the record of the forward. part: makes the part of
    kernels, from their module, their layer, their kind of work, their work and their number. how: as of `count_call`.
    Raises FlopcalcError: not-differentiable where the backward pass fails.
    """
    first: FlopcalcError | None = None
    for train in (True, False):
        made: list[GradientRecorder] = []
        notes: list[str] = []

        def recorder(layers: Mapping[str, str], made: list[GradientRecorder] = made) -> Recorder:
            made.append(GradientRecorder(layers))
            return made[-1]

        def prepare(twin: nn.Module, modules: Sequence[tuple[str, nn.Module]], train: bool = train) -> None:
            _prepare(twin, modules, freeze, train)

        def run(out: Any, counts: Recorder, notes: list[str] = notes) -> None:
            assert isinstance(counts, GradientRecorder)  # noqa: S101 - made above
            notes[:] = _backward(module, out, counts)

        backward = Backward(prepare, run, TrainingFunctions, TrainingCounter)
        try:
            with torch.inference_mode(False), torch.enable_grad():
                counted = count_call(module, args, named, trace=Tracing(recorder, tracing), backward=backward, **how)
        except FlopcalcError as error:
            if first is not None or not train:
                raise first or error from error
            first = error
            continue
        if first is not None:
            notes.append(f"counted in evaluation mode, since in training mode {_lower(first.message)}")
        return _record(made[-1], counted, network(counted), part, notes)
    raise AssertionError


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _prepare(twin: nn.Module, modules: Sequence[tuple[str, nn.Module]], freeze: Sequence[str], train: bool) -> None:
    """Put a copy into training mode, and stop the gradients of frozen parameters."""
    if train:
        into_training(twin, [child for _, child in modules])
    else:
        evaluate(twin, [child for _, child in modules])
    for name, child in modules:
        if matched(name or ROOT, freeze):
            for one in child._parameters.values():
                if one is not None:
                    one.requires_grad_(False)


def _backward(module: nn.Module, out: Any, recorder: GradientRecorder) -> list[str]:
    """Run the backward pass from the outputs, and give what a reader must know."""
    left_out = list(auxiliary(out))
    without = {id(tensor) for tensor in left_out}
    outputs = [one for one in tensors(out) if is_trained(one) and id(one) not in without]
    notes = []
    if left_out:
        notes.append(
            "auxiliary outputs get no gradient: their layers run in the forward pass of training, and have no backward "
            "pass here"
        )
    if not outputs:
        recorder.turn()
        return [*notes, "no output depends on a trained parameter: there is no backward pass"]
    # Made before the turn, so that they count as nothing.
    distinct = list({id(one): one for one in outputs}.values())
    with torch.no_grad():
        gradients = [torch.empty_like(one) if one.is_meta else torch.ones_like(one) for one in distinct]
    recorder.turn(gradients)
    try:
        torch.autograd.backward(distinct, gradients)
    except Exception as error:
        name = type(module).__name__
        what = f"the backward pass of {name} failed: {type(error).__name__}: {reason(error)}"
        hint = "a module is trained by autograd: look for functions without a gradient; see the traceback with --debug"
        made = FlopcalcError("not-differentiable", what, hint)
        made.__cause__ = error
        raise made from error
    return notes


def _record(
    recorder: GradientRecorder,
    counted: Count,
    forward: Network,
    part: Callable[[str, str, Any, Any, int], Part],
    notes: Sequence[str],
) -> Differentiated:
    layers = len(forward.layers)
    backward: list[Parts] = [()] * layers
    for place, works in recorder.gradients.items():
        # A forward of views alone runs no kernel, and its module is the only layer.
        layer = counted.calls[place].layer if counted.calls else ""
        backward[place] = tuple(
            one._replace(name=f"{one.name}.gradient", after=None)
            for one in (
                part(name, layer, kind, work, recorder.kernels[place][name, kind])
                for (name, kind), work in works.items()
            )
        )
    scores = [recorder.scores[place] for place in range(layers)]
    reached = [place in recorder.gradients for place in range(layers)]
    gradients = [recorder.macs.get(place, Gradients()) for place in range(layers)]
    unknown = tuple(Uncounted(op, where or ROOT, times) for (op, where), times in recorder.unknown_back.items())
    steps = recorder.steps - counted.steps
    return Differentiated(forward, backward, steps, scores, reached, gradients, unknown, tuple(notes))
