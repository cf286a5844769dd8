"""Why a forward could not be counted, in words."""

import inspect
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import nn

from flopcalc.errors import FlopcalcError, reason
from flopcalc.pytorch.loading.user_errors import place_of

CHECK_INPUTS = "check the number, shape and dtype of the inputs"


class NeedsAutogradError(Exception):
    """The forward asks for gradients, for which it must run with autograd on."""


class Failure(NamedTuple):
    """A pass that failed: its device, the error, and the innermost module that raised it."""

    on: str
    error: Exception
    module: str


def asks_for_gradients(error: Exception) -> bool:
    """Whether a forward failed because gradients were switched off."""
    why = str(error)
    if isinstance(error, NeedsAutogradError):
        return True
    return isinstance(error, RuntimeError) and ("does not require grad" in why or "not have been used in the" in why)


def is_compiled_whole(error: Exception) -> bool:
    """Whether a forward failed because a function that was compiled with fullgraph=True ran plain."""
    return isinstance(error, RuntimeError) and "found no compiled frames" in str(error)


def lacks_operators(error: Exception) -> bool:
    """Whether a forward failed because torchvision's compiled part does not fit this torch."""
    return isinstance(error, RuntimeError) and "load custom C++ ops" in str(error)


def needs_values(error: Exception) -> bool:
    """Whether a forward failed because the meta device has no values."""
    why = str(error)
    return isinstance(error, NotImplementedError) or any(
        sign in why for sign in ("meta", "item()", "fake impl", "same device", "expected device", "writes a result")
    )


def failed(module: nn.Module, failures: Sequence[Failure]) -> FlopcalcError:
    """The error to raise after all passes failed."""
    # Real values show what the forward itself would say; the first way to read the inputs is the likeliest.
    on_cpu = [one for one in failures if one.on == "cpu"]
    too_large = next((one.error for one in failures if getattr(one.error, "code", "") == "too-large"), None)
    shown = failures[0] if too_large or not on_cpu else on_cpu[0]
    if isinstance(shown.error, FlopcalcError):
        return shown.error
    where = shown.module or type(module).__name__
    error = shown.error
    what = f"the forward pass of {where} failed: {type(error).__name__}: {reason(error)}{place_of(error)}"
    made = FlopcalcError("uncountable-module", what, _arguments(module, error) or _hint(shown, too_large))
    made.__cause__ = error
    return made


_CALL = re.compile(r"(\S+)\(\) (?:got|takes|missing) .*argument")


def _arguments(module: nn.Module, error: Exception) -> str:
    """The arguments that the method takes, where the call of the module itself did not fit them; else empty."""
    found = _CALL.match(str(error)) if isinstance(error, TypeError) else None
    method: Any = getattr(type(module), found[1].rpartition(".")[2], None) if found else None
    if found is None or getattr(method, "__qualname__", "") != found[1]:
        return ""
    try:
        whole = inspect.signature(method)
        _, *takes = (one.replace(annotation=one.empty) for one in whole.parameters.values())
        shown = str(whole.replace(parameters=takes, return_annotation=whole.empty))
    except Exception:
        # A decorated method without a signature, or a default value that cannot be shown.
        return ""
    return f"the inputs are the arguments of {found[1]}{reason(shown)}"


def _hint(shown: Failure, too_large: object) -> str:
    why = str(shown.error)
    if shown.on == "meta" and needs_values(shown.error):
        if isinstance(too_large, FlopcalcError):
            return f"it reads values, but {too_large.message}: {too_large.hint}"
        return "it needs values, which the meta device does not have: count it on the CPU (--on cpu)"
    if isinstance(shown.error, NotImplementedError) and ("Could not run" in why or "not implemented for" in why):
        return "it calls an operator that does not run on the CPU"
    if "CUDA" in why or "NVIDIA" in why:
        return "it asks for a GPU by name: use the device of the input instead"
    if "more than 1 value per channel" in why:
        return "batch norm is trained on several values for each channel: give a larger batch"
    return CHECK_INPUTS
