"""Counting a module: one forward pass of a structural copy on the meta device, where nothing is computed."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Literal

import torch
from torch import nn
from torch.overrides import BaseTorchFunctionMode

from flopcalc.errors import FlopcalcError, clip, reason
from flopcalc.pytorch.counting.copying import on_meta, structural_copy
from flopcalc.pytorch.counting.dispatch import DispatchCounter
from flopcalc.pytorch.counting.kernels import tensors
from flopcalc.pytorch.counting.layers import layers_by_module
from flopcalc.pytorch.counting.names import name_modules
from flopcalc.pytorch.counting.record import Count
from flopcalc.pytorch.counting.recorder import Recorder
from flopcalc.pytorch.counting.values import placed
from flopcalc.pytorch.tracing.shortcuts import shorten
from flopcalc.pytorch.tracing.tracer import tracing

__all__ = ["Count", "check_countable", "count", "count_call"]

On = Literal["auto", "meta", "cpu"]
Witness = Literal["trace", "dispatch"]


def count(module: nn.Module, *inputs: Any, **named_inputs: Any) -> Count:
    """Count one forward pass in inference mode.

    inputs: the inputs of the forward, by position or by name. A tuple of integers is a shape, batch first, of the
    module's own floating type, and so is a list of integers that is the only input. Of tensors only shape and dtype
    are used. Lists, tuples and dicts may hold these; other values are passed on. The module is left exactly as
    it was. Raises FlopcalcError (uncountable-module) where the forward fails, for example because it reads
    values, which the meta device does not have.
    """
    return count_call(module, inputs, named_inputs)


def count_call(
    module: nn.Module,
    args: Sequence[Any] = (),
    named: Mapping[str, Any] | None = None,
    *,
    method: str = "forward",
    on: On = "auto",
    kernels: Sequence[Any] = (),
    rebuild: Callable[[], nn.Module] | None = None,
    witness: Witness = "trace",
) -> Count:
    """Count one call of a module's method, as `count` does."""
    check_countable(module)
    names = layers_by_module(module)
    recorder = Recorder(names)
    try:
        twin = structural_copy(module, on_meta)
        parameters = [(name, one) for name, child in twin.named_modules() for one in child.parameters(recurse=False)]
        dtype = next((p.dtype for _, p in parameters if p.is_floating_point()), torch.get_default_dtype())
        given, by_name = placed(args, named or {}, dtype)
        recorder.start((one for _, one in parameters), tensors((given, by_name)))
        if witness == "trace":
            shorten(twin, recorder)
        name_modules(twin, recorder)
        with ExitStack() as modes:
            modes.enter_context(torch.no_grad())
            if witness == "trace":
                modes.enter_context(tracing(recorder))
            else:
                # Its presence keeps MultiheadAttention from its fused path, which hides the matrix products.
                modes.enter_context(BaseTorchFunctionMode())
                modes.enter_context(DispatchCounter(recorder))
            out = getattr(twin, method)(*given, **by_name) if method != "forward" else twin(*given, **by_name)
        result = recorder.finish(parameters, out)
        result.own_params = _own_params(module)
        return result
    except FlopcalcError:
        raise
    except Exception as error:
        where = recorder.failed.get(id(error)) or type(module).__name__
        why = reason(error)
        values = isinstance(error, NotImplementedError) or "meta" in why or "item" in why
        raise _uncountable(
            f"the forward pass of {where} failed: {type(error).__name__}: {why}",
            "a forward that reads values (.item(), masks) cannot be counted"
            if values
            else "check the number, shape and dtype of the inputs",
        ) from error


def check_countable(module: object) -> None:
    """Raise FlopcalcError (uncountable-module) for what is not a module, and for scripted modules."""
    if not isinstance(module, nn.Module):
        raise _uncountable(f"{clip(module)} is not an nn.Module", "give an instance of nn.Module, not a class")
    if scripted := [child for child in module.modules() if isinstance(child, torch.jit.ScriptModule)]:
        name = type(scripted[0]).__name__
        raise _uncountable(f"{name} is scripted, and cannot be observed", "count the module that was scripted")


def _uncountable(message: str, hint: str) -> FlopcalcError:
    return FlopcalcError("uncountable-module", message, hint)


def _own_params(module: nn.Module) -> dict[str, int]:
    """Parameters of each module without its children; a shared tensor counts for the first module."""
    seen: set[int] = set()
    params: dict[str, int] = {}
    for name, child in module.named_modules():
        for tensor in child.parameters(recurse=False):
            if isinstance(tensor, nn.parameter.UninitializedParameter):
                raise _uncountable(
                    f"{name or type(module).__name__} is lazy: its parameters have no shape yet",
                    "run the module once on real data before counting it",
                )
            if id(tensor) not in seen:
                seen.add(id(tensor))
                params[name] = params.get(name, 0) + tensor.numel()
    return params
