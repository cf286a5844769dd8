"""Arguments that a call leaves out: the rules of kernels and of functions have the defaults of torch."""

import inspect
from collections.abc import Iterator
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from flopcalc.pytorch.tracing.functions import RULES
from flopcalc.pytorch.tracing.net import SHAPES

from .function_calls import name_of

FUNCTIONS = [(func, rule) for func, rule in RULES.items() if callable(rule)]
# Torch has numbers for these.
CODED = ("dtype", "memory_format")


def _schemas(name: str) -> Iterator[Any]:
    packet = getattr(torch.ops.aten, name, None)
    for overload in () if packet is None else packet.overloads():
        schema = getattr(packet, overload)._schema
        if not any(one.is_out for one in schema.arguments):
            yield schema


def _form(value: Any) -> Any:
    """One number for all axes is the same as a list of it; and nothing as an empty list."""
    values = list(value) if isinstance(value, list | tuple) else [value]
    return values[0] if values and all(one == values[0] for one in values) else values or None


def _optional(rule: Any) -> list[tuple[int, inspect.Parameter]]:
    """The arguments of a rule that may be left out, each with its place."""
    parameters = inspect.signature(rule).parameters.values()
    return [(place, one) for place, one in enumerate(parameters) if one.default is not inspect.Parameter.empty]


def _of_schemas(name: str, place: int, own: inspect.Parameter) -> list[Any]:
    """The defaults of an argument in the forms of a kernel: by its name, or else by its place."""
    forms = [schema.arguments for schema in _schemas(name)]
    named = [one for form in forms for one in form if one.name == own.name]
    placed = [] if own.kind is inspect.Parameter.KEYWORD_ONLY else [one for form in forms for one in form[place:][:1]]
    return [one.default_value for one in named or placed if one.has_default_value()]


def _compare(own: inspect.Parameter, values: list[Any]) -> None:
    if values and own.name not in CODED:
        assert _form(own.default) in map(_form, values), own


@pytest.mark.parametrize("name", SHAPES)
def test_kernels(name: str) -> None:
    """Those of one of the forms that the kernel has."""
    for place, own in _optional(SHAPES[name]):
        _compare(own, _of_schemas(name.removeprefix("aten::"), place, own))


def _written(func: Any) -> dict[str, Any]:
    """The defaults of a function that is written in Python."""
    try:
        given = inspect.signature(func).parameters.values()
    except ValueError:
        return {}
    return {one.name: one.default for one in given if one.default is not inspect.Parameter.empty}


@pytest.mark.parametrize("place", range(len(FUNCTIONS)), ids=lambda place: f"{place} {name_of(FUNCTIONS[place][0])}")
def test_functions(place: int) -> None:
    """Those of its Python form, or of one of the kernels of its name; the first argument is the recorder."""
    func, rule = FUNCTIONS[place]
    written = _written(func)
    for at, own in _optional(rule):
        if own.name in written:
            _compare(own, [written[own.name]])
        elif not written:
            _compare(own, _of_schemas(name_of(func), at - 1, own))
