"""Modules with real values to measure: of an operator, of a described network, and of a Python model.

A module that is built for the measurement has the values that its code gives it. A module of the user's is copied
first, and neither it nor its tensors are touched.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin

from flopcalc.errors import FlopcalcError
from flopcalc.networks.network import Network
from flopcalc.pytorch.build import build_network
from flopcalc.pytorch.counting.contents import modules_of, parameters_of
from flopcalc.pytorch.counting.copying import Copier
from flopcalc.pytorch.counting.counter import check_countable
from flopcalc.pytorch.counting.evaluation_mode import evaluate, into_training
from flopcalc.pytorch.counting.inputs import arguments, read_batch
from flopcalc.pytorch.counting.kernels import tensors
from flopcalc.pytorch.counting.outputs import drawn, is_trained, summed
from flopcalc.pytorch.counting.twins import (
    check_fits,
    input_values,
    is_meta,
    on_cpu,
    real_copy,
    with_values,
)
from flopcalc.pytorch.counting.values import Reading, placed, readings
from flopcalc.pytorch.layers import build_layer, input_shape
from flopcalc.pytorch.loading.module import Loaded
from flopcalc.pytorch.loading.time_limit import TimeLimit
from flopcalc.pytorch.measuring.place import Place
from flopcalc.pytorch.opened import Request, load, with_layers_replaced
from flopcalc.pytorch.training.auxiliary import auxiliary
from flopcalc.spec.operator import Evaluation


class Subject(NamedTuple):
    """A module with real values, and the ways to read its arguments. method: what is called."""

    module: nn.Module
    ways: Sequence[Reading]
    method: str = "forward"


class Pass(NamedTuple):
    """A module on its device with its arguments. training: a run is a forward and a backward pass."""

    module: nn.Module
    args: Sequence[Any]
    named: Mapping[str, Any]
    method: str
    training: bool = False

    @property
    def call(self) -> Callable[..., Any]:
        """What is called."""
        found: Callable[..., Any] = self.module if self.method == "forward" else getattr(self.module, self.method)
        return found

    def run(self) -> Any:
        """One run."""
        return self.run_with(self.call)

    def run_with(self, call: Callable[..., Any]) -> Any:
        """One run, of a compiled version of what is called. In training gradients are new tensors in each run."""
        if not self.training:
            return drawn(call(*self.args, **self.named))
        self.forget()
        loss = loss_of(drawn(call(*self.args, **self.named)))
        torch.autograd.backward(loss)
        return loss

    def forget(self) -> None:
        """Drop the gradients, as `optimizer.zero_grad()` does."""
        for parameter in parameters_of(self.module):
            parameter.grad = None


def loss_of(out: Any) -> Tensor:
    """The sum of the outputs, without those of auxiliary heads.

    Raises FlopcalcError (not-differentiable) where no output depends on a parameter.
    """
    without = {id(one) for one in auxiliary(out)}
    sums = [summed(one) for one in tensors(out) if is_trained(one) and id(one) not in without]
    if not sums:
        why = "no output depends on a parameter that is trained"
        raise FlopcalcError("not-differentiable", why, "training needs parameters with requires_grad=True")
    return sums[0] if len(sums) == 1 else torch.stack([one.float() for one in sums]).sum()


def of_operator(evaluation: Evaluation) -> Subject:
    """The module of an operator. Raises FlopcalcError."""
    return _shaped(build_layer(evaluation), input_shape(evaluation))


def of_network(network: Network) -> Subject:
    """The module that is built from a description. Raises FlopcalcError (too-large)."""
    check_fits(network.params * 4, "measure")
    return _shaped(build_network(network, all_outputs=True), (network.batch, *network.input_shape))


def _shaped(module: nn.Module, shape: Any) -> Subject:
    return Subject(module, list(readings([shape], {}, module.forward)))


def of_model(asked: Request) -> list[Subject]:
    """A Python model, and before it the same without replacements where there are some. Raises FlopcalcError."""
    loaded, asked, *_ = load(asked)
    check_countable(loaded.module)
    module = _with_values(loaded, asked.limit)
    batch, method = read_batch(asked.batch), asked.call.method
    args, named = arguments(asked.inputs, batch, module, asked.call)
    ways = list(readings(args, named, getattr(module, method, None)))
    subjects = [Subject(module, ways, method)]
    if asked.plan is not None:
        done = with_layers_replaced(module, asked._replace(batch=batch), asked.plan)
        subjects.append(Subject(done.module, ways, method))
    return subjects


def _with_values(loaded: Loaded, limit: TimeLimit | None) -> nn.Module:
    """The module built again with values, or a copy of the user's own."""
    module = with_values(loaded.module, loaded.builder(limit), "measure", copied=False)
    if module is not loaded.module:
        return module
    # In training the context has gradients enabled, and the copy's parameters want them as the user's own do.
    with Copier(on_cpu(torch.Generator().manual_seed(0)), gradients=torch.is_grad_enabled()) as copier:
        made: nn.Module = copier.copy(module)
    return made


def placed_on(subject: Subject, chosen: Place) -> Pass:
    """The pass of a subject on a device, in its mode, after one run that shows that it works.

    Raises the error of the run.
    """
    if chosen.training:
        into_training(subject.module)
    else:
        evaluate(subject.module)
    errors: list[Exception] = []
    for way in subject.ways:
        try:
            found = _on_device(subject, way, chosen)
            found.run()
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, TypeError, ValueError, IndexError, AttributeError) as error:
            errors.append(error)
        else:
            return found
    try:
        raise errors[0]
    finally:
        # An error holds this frame, and the frame the error: their tensors would stay until the next collection.
        errors.clear()


def _on_device(subject: Subject, way: Reading, chosen: Place) -> Pass:
    generator = torch.Generator().manual_seed(0)
    module, dtype = subject.module, chosen.torch_dtype

    def in_dtype(tensor: Tensor) -> Tensor:
        made = input_values(tensor, generator) if is_meta(tensor) else real_copy(tensor)
        return made.to(dtype) if made.is_floating_point() else made

    def new(shape: tuple[int, ...]) -> Tensor:
        return in_dtype(torch.empty(shape, device="meta"))

    with Copier(in_dtype) as copier:
        args, named = placed(way, copier, in_dtype, new)
    if any(isinstance(child, LazyModuleMixin) for _, child in modules_of(module)):
        # Its parameters get their sizes in the first forward.
        Pass(module.to(dtype), args, named, subject.method).run()
    order = torch.channels_last if chosen.channels_last else torch.preserve_format

    def moved(value: Any) -> Any:
        if isinstance(value, Tensor):
            return value.to(chosen.on, memory_format=order if value.dim() == 4 else torch.preserve_format)
        if type(value) in {list, tuple}:
            return type(value)(map(moved, value))
        if type(value) is dict:
            return {key: moved(item) for key, item in value.items()}
        return value

    module.to(chosen.on, dtype)
    if chosen.channels_last:
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Pass(module, moved(args), moved(named), subject.method, chosen.training)
