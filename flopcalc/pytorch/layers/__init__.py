"""The PyTorch modules of the operators: one file each, found by name, with the module as its authors built it.

    from flopcalc.pytorch.layers import SPConv2d

Each class takes the arguments of `nn.Conv2d`, and the operator's options as keywords. The children of
a module have the names of the parts of the formula, so that a count can be compared part by part.
"""

from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

from torch import nn

from flopcalc.catalog import lookup
from flopcalc.cost.geometry import SAME
from flopcalc.errors import FlopcalcError, clip
from flopcalc.pytorch import recognition
from flopcalc.spec.containment import contained, contained_import
from flopcalc.spec.operator import Evaluation, Operator


def _file(operator: Operator) -> ModuleType:
    if not operator.layer_file:
        return _import(operator)
    with contained_import(_plug_in(operator)):
        return _import(operator)


def _plug_in(operator: Operator) -> str:
    return f"the plug-in {operator.name} ({operator.layer_file})"


def _import(operator: Operator) -> ModuleType:
    path = operator.layer_file or f"{recognition.LAYERS}.{operator.name}"
    try:
        found = import_module(path)
    except ModuleNotFoundError as error:
        if error.name != path:
            raise
        why = f"the operator {operator.name} has no PyTorch module that could be counted"
        raise FlopcalcError("no-module", why, "`flopcalc layer` gives its cost by formula") from None
    recognition.register(operator.name, found)
    return found


def check_module(operator: Operator) -> None:
    """Raise FlopcalcError (no-module) for an operator without a module."""
    _file(operator)


def build_layer(evaluation: Evaluation, **factory: Any) -> nn.Module:
    """The module of an operator at its shape and options. factory: device, dtype.

    Raises FlopcalcError where the operator has no module, or where PyTorch cannot build it.
    """
    _check(evaluation)
    operator = evaluation.operator
    if not operator.layer_file:
        return _built(evaluation, **factory)
    with contained(_plug_in(operator)):
        module = _built(evaluation, **factory)
        # The module of a plug-in may be of any class, torch's own included.
        recognition.mark(module, evaluation.label())
        return module


def _built(evaluation: Evaluation, **factory: Any) -> nn.Module:
    file = _file(evaluation.operator)
    build: Callable[..., nn.Module] = file.build if hasattr(file, "build") else _build(file.LAYER)
    try:
        return build(evaluation, **factory)
    except FlopcalcError:
        raise
    except (RuntimeError, TypeError, OverflowError, MemoryError) as error:
        why = " ".join(str(error).split())[:150]
        message = f"PyTorch cannot build {evaluation.label()} {evaluation.geometry}: {why}"
        if "keyword argument" in why or "positional argument" in why:
            # The size is not the cause: the module does not take the arguments.
            place = file.__name__.replace(".", "/") + ".py"
            hint = f"{place}: the module takes the arguments of nn.Conv2d, and the operator's options as keywords"
            raise FlopcalcError("cannot-build", message, hint) from error
        raise FlopcalcError("cannot-build", message, "`flopcalc layer` gives the cost of any size by formula") from None


def _check(evaluation: object) -> None:
    if not isinstance(evaluation, Evaluation):
        hint = 'write build_layer(flopcalc.layer("ghost", 64))'
        raise FlopcalcError("bad-usage", f"{clip(evaluation)} is not an evaluated operator", hint)


def _build(layer: type[nn.Module]) -> Callable[..., nn.Module]:
    def build(evaluation: Evaluation, **factory: Any) -> nn.Module:
        g = evaluation.geometry
        return layer(
            g.c_in,
            g.c_out,
            g.kernel,
            stride=g.stride,
            padding=SAME if g.uneven else g.padding,
            dilation=g.dilation,
            groups=g.groups,
            **evaluation.options,
            **factory,
        )

    return build


def input_shape(evaluation: Evaluation) -> tuple[Any, ...]:
    """The shape of the tensor that the operator's module takes, batch first; a tuple of shapes for several."""
    file = _file(evaluation.operator)
    if hasattr(file, "input_shape"):
        shape: tuple[Any, ...] = file.input_shape(evaluation)
        return shape
    return (evaluation.geometry.batch, *evaluation.in_shape)


def __getattr__(name: str) -> Any:
    if not name.startswith("_"):
        for operator in lookup.every():
            found = getattr(_file(operator), name, None)
            if isinstance(found, type) and issubclass(found, nn.Module):
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
