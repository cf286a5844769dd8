"""Tracing on symbolic sizes: the recorder, the tracer and the net under it, for tensors whose sizes are symbols.

The rules are those of the tracer, and so are the kernels and their work. What differs is below them: torch's own views
and shapes are mostly for plain numbers, and are taken from `views` instead.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

import flopcalc.pytorch.tracing.reals  # noqa: F401 (a size divided is one)
from flopcalc.cost.kinds import WorkKind
from flopcalc.errors import FlopcalcError
from flopcalc.pytorch.counting.dispatch import left_alone
from flopcalc.pytorch.counting.failures import NeedsAutogradError, needs_values
from flopcalc.pytorch.counting.kernels import Work, tensors
from flopcalc.pytorch.counting.kernels.own import OwnRules
from flopcalc.pytorch.counting.random_numbers import Random
from flopcalc.pytorch.counting.record import Count, Shapes, Sizes
from flopcalc.pytorch.counting.recorder import Recorder
from flopcalc.pytorch.counting.twins import TENSORS
from flopcalc.pytorch.tracing.extents import is_symbolic, unwrapped
from flopcalc.pytorch.tracing.net import Net, shape_rule, shaped
from flopcalc.pytorch.tracing.symbolic_functions import RULES, TRANSFORMS, is_pointwise, pointwise, transformed
from flopcalc.pytorch.tracing.tracer import Tracer
from flopcalc.pytorch.tracing.views import VIEWS


class SymbolicRecorder(Recorder):
    """A recorder whose work and shapes are Sizes, not SymInts."""

    def kernel(self, kind: WorkKind, work: Work, read: Sequence[Tensor], written: Sequence[Tensor]) -> None:
        """As of every recorder."""
        super().kernel(kind, Work(*map(unwrapped, work)), read, written)

    def saved(self) -> "Recorder":
        """There is no form of two branches."""
        raise NoFormError("a branch that is decided by values")

    def finish(self, parameters: Any, out: Any) -> Count:
        """As of every recorder."""
        result = super().finish(parameters, out)
        result.output = list(map(_plain, result.output))
        result.shapes = {name: Shapes(*map(_plain, shapes)) for name, shapes in result.shapes.items()}
        for call in result.calls:
            call.given, call.output = _plain(call.given), _plain(call.output)
        return result


def _plain(shape: Sizes) -> Sizes:
    return tuple(map(unwrapped, shape))


class NoFormError(RuntimeError):
    """What ran has no form in the sizes."""


class SymbolicTracer(Tracer):
    """The tracer, with the rules that can do without plain numbers."""

    rules = RULES

    @left_alone
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        try:
            return super().__torch_function__(func, types, args, kwargs)
        except RuntimeError as error:
            if _NUMBERS_ONLY in str(error) and not isinstance(error, NoFormError):
                raise NoFormError(f"{_name(func)} needs its sizes as numbers") from error
            raise

    def ran(self, rule: Any, args: Any, kwargs: Any = None) -> Any:
        """The answer of a rule; None where it does not apply."""
        before = self.recorder.progress
        try:
            # The net stays: it has the views that a rule takes, and records nothing for them.
            return rule(self.recorder, *args, **(kwargs or {}))
        except Exception:
            if self.recorder.progress != before:
                # Torch would run it, and its kernels would be counted twice.
                raise
            return None


class SymbolicNet(Net):  # type: ignore[no-untyped-call]
    """The net, with views and outputs for symbolic sizes."""

    @left_alone
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _SIZES:
            # Torch's C++ asks so for sizes as numbers.
            return list(map(int, args[0].shape if func is _SIZE else args[0].stride()))
        view = VIEWS.get(func._schema.name) if isinstance(func, torch._ops.OpOverload) else None
        if view is not None and "dtype" not in func._overloadname:
            given = args[0]
            if type(given) in TENSORS and (is_symbolic(given) or _any_symbol(args[1:])):
                # A tensor that the forward made on the CPU: with symbolic sizes it has no values.
                return view(self._moved(given), *args[1:])
        return super().__torch_dispatch__(func, types, args, kwargs)

    def random(self, func: Any, args: Any) -> Random | None:
        """As of every counter; symbolic sizes have no values to draw."""
        return None if _any_symbol(args) else super().random(func, args)

    def run(self, func: Any, args: Any, kwargs: Any) -> Any:
        """The result of a kernel."""
        if (device := kwargs.get("device")) is not None and device.type == "cpu" and _any_symbol(args):
            # A tensor that the forward makes on the CPU: with symbolic sizes it has no values.
            kwargs = {**kwargs, "device": _META}
        if _any_symbol(args):
            args = self._moved(args)
        rule = shape_rule(func)
        if rule is not None and (out := shaped(rule, args, kwargs)) is not None:
            return out
        given = tensors((args, kwargs))
        symbolic = any(map(is_symbolic, given)) or _any_symbol(args)
        # Torch itself may ask more of the sizes than it needs, such as that a batch is not 1.
        if symbolic and is_pointwise(func) and (out := pointwise(func, args, kwargs)) is not None:
            return out
        try:
            return func(*args, **kwargs)
        except (RuntimeError, NotImplementedError, TypeError, AttributeError) as error:
            if not symbolic or needs_values(error):
                raise
            if func in TRANSFORMS and (out := transformed(func, args)) is not None:
                return out
            raise NoFormError(f"{func._schema.name} needs its sizes as numbers") from error


_DIFFERENTIATES = "it differentiates"
_NUMBERS_ONLY = "expected to contain only concrete integers"


def _name(func: Any) -> str:
    """A function as people know it."""
    return str(getattr(func, "__name__", func))


_SIZE = torch.ops.aten.size.default
_SIZES = (_SIZE, torch.ops.aten.stride.default)
_META = torch.device("meta")


def _any_symbol(values: Any) -> bool:
    return any(type(one) is torch.SymInt or (isinstance(one, list | tuple) and _any_symbol(one)) for one in values)


@contextmanager
def symbolic_tracing(
    recorder: Recorder, own: OwnRules | None = None, generator: torch.Generator | None = None
) -> Iterator[None]:
    """Count by tracing on symbolic sizes, as `tracing` does on numbers."""
    tracer = SymbolicTracer(recorder, own)
    try:
        with tracer, SymbolicNet(recorder, own=own, generator=generator):
            yield
    except NeedsAutogradError as error:
        raise NoFormError(_DIFFERENTIATES).with_traceback(error.__traceback__) from error
    if tracer.elsewhere.wants_autograd:
        raise NoFormError(_DIFFERENTIATES)


@contextmanager
def symbolic_first_pass(generator: torch.Generator) -> Iterator[None]:
    """Run on symbolic sizes without counting: parameters that are made meanwhile have no sizes at first."""
    with SymbolicTracer(SymbolicRecorder({})), SymbolicNet(None, generator=generator):
        yield


__all__ = ["FlopcalcError", "NoFormError", "SymbolicRecorder", "symbolic_first_pass", "symbolic_tracing"]
