"""One file for each operator, with its module as its authors built it. Found by name, not listed.

    from flopcalc.pytorch.layers import SPConv2d

Each class takes the arguments of `nn.Conv2d` and the operator's options as keywords. The children of
a module bear the names of the parts of the formula, so that a count can be compared part by part.
"""

from importlib import import_module
from types import ModuleType
from typing import Any

from torch import nn

from flopcalc import registry
from flopcalc.operator import Evaluation


def _file(operator: str) -> ModuleType:
    return import_module(f"{__name__}.{operator}")


def build_layer(evaluation: Evaluation, **factory: Any) -> nn.Module:
    """The module of an operator at its shape and options. factory: device, dtype."""
    file, g = _file(evaluation.operator.name), evaluation.geometry
    module: nn.Module
    if hasattr(file, "build"):
        module = file.build(evaluation, **factory)
    else:
        module = file.LAYER(
            g.c_in,
            g.c_out,
            g.kernel,
            stride=g.stride,
            padding=g.padding,
            dilation=g.dilation,
            groups=g.groups,
            **evaluation.options,
            **factory,
        )
    return module


def input_shape(evaluation: Evaluation) -> tuple[Any, ...]:
    """The shape of the tensor that the operator's module takes, batch first; a tuple of shapes for several."""
    file = _file(evaluation.operator.name)
    if hasattr(file, "input_shape"):
        shape: tuple[Any, ...] = file.input_shape(evaluation)
        return shape
    return (evaluation.geometry.n, *evaluation.in_shape)


def __getattr__(name: str) -> Any:
    if not name.startswith("_"):
        for operator in registry.names():
            found = getattr(_file(operator), name, None)
            if isinstance(found, type) and issubclass(found, nn.Module):
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
