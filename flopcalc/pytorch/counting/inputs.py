"""The inputs of a forward: from text, shapes and tensors to the arguments that it is called with."""

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_origin

import torch
from torch import Tensor, nn

from flopcalc.cost.whole import as_int
from flopcalc.errors import FlopcalcError, clip
from flopcalc.networks.inputs import FORWARD, ForwardCall, Input, parse_input

_HOW = "give a shape without the batch: (3, 224, 224), '3x224x224', or '77:int64' for token ids"


class Values(tuple[Any, ...]):
    """A tuple that the forward gets as it is: its integers are not a shape."""

    __slots__ = ()


class GivenShape(tuple[Any, ...]):
    """A tuple that is a shape, whatever the other inputs are."""

    __slots__ = ()


def as_shape(value: object) -> tuple[int, ...] | None:
    """The ints of a tuple or a list of integers of any type, else None; None also for an empty one and for `Values`."""
    if not isinstance(value, tuple | list) or not value or isinstance(value, Values):
        return None
    sizes = tuple(size for size in map(as_int, value) if size is not None)
    return sizes if len(sizes) == len(value) else None


def read_inputs(given: Any) -> list[Input]:
    """Inputs without the batch, from one of these or a sequence of these: an `Input`, text, a shape.

    A mapping gives inputs by keyword. Raises FlopcalcError (bad-dimension).
    """
    if isinstance(given, Mapping):
        return [_read_input(value)._replace(name=str(name)) for name, value in given.items()]
    if isinstance(given, Input | str) or as_shape(given) is not None:
        return [_read_input(given)]
    if isinstance(given, Sequence):
        return [_read_input(one) for one in given]
    raise _not_an_input(given)


def _read_input(given: Any) -> Input:
    if isinstance(given, str):
        return parse_input(given)
    shape = given.shape if isinstance(given, Input) else given
    sizes = () if isinstance(given, Input) and not shape else as_shape(shape)
    if sizes is None or not all(1 <= size <= 10**9 for size in sizes):
        raise _not_an_input(given)
    return given._replace(shape=sizes) if isinstance(given, Input) else Input(sizes)


def _not_an_input(given: object) -> FlopcalcError:
    return FlopcalcError("bad-dimension", f"{clip(given)} is not the shape of an input, each size from 1 to 10^9", _HOW)


def read_batch(batch: Any) -> int:
    """The batch as an int. Raises FlopcalcError (bad-dimension)."""
    size = as_int(batch)
    if size is None or not 1 <= size <= 10**9:
        raise FlopcalcError(
            "bad-dimension",
            f"batch is {clip(batch)}, not a whole number from 1 to 10^9",
            "write --batch 1, in Python batch=1",
        )
    return size


def arguments(
    inputs: Sequence[Input], batch: int, module: nn.Module | None = None, call: ForwardCall = FORWARD
) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of the forward, by position and by name: shapes with the batch, or meta tensors.

    Where the first parameter of the module's forward is a list of tensors, as in torchvision's detectors, the inputs
    by position are the images of that list, `batch` of each, and so is an input with its name. call: adds its
    keywords. Raises FlopcalcError (bad-option) for a keyword that is an input as well.
    """
    listed = _list_parameter(module, call.method) if module is not None else None
    positional = [one for one in inputs if one.name is None]
    named: dict[str, Any] = {}
    for one in inputs:
        if one.name is not None:
            named[one.name] = _images([one], batch) if one.name == listed else _tensor(one, (batch, *one.shape))
    for name, value in call.arguments.items():
        if name in named:
            raise FlopcalcError("bad-option", f"{name} is given by --input and by --arg", "give it once")
        named[name] = Values(value) if isinstance(value, tuple) else value
    if listed is not None and positional:
        return [_images(positional, batch)], named
    return [_tensor(one, (batch, *one.shape)) for one in positional], named


def is_list_of_images(inputs: Sequence[Input], module: nn.Module, call: ForwardCall = FORWARD) -> bool:
    """Whether the batch is the length of a list, as in torchvision's detectors, and not an axis of the inputs."""
    listed = _list_parameter(module, call.method)
    return listed is not None and any(one.name in (None, listed) for one in inputs)


def _images(inputs: Sequence[Input], batch: int) -> list[Any]:
    return [_tensor(one, one.shape) for one in inputs for _ in range(batch)]


def _tensor(one: Input, shape: tuple[int, ...]) -> Any:
    """A shape, or a meta tensor where the dtype is known, or where there is no axis."""
    if one.dtype is None and shape:
        return GivenShape(shape)
    return torch.empty(shape, dtype=getattr(torch, one.dtype or "float32"), device="meta")


def _list_parameter(module: nn.Module, method: str) -> str | None:
    """The name of the method's first parameter if it takes a list of tensors."""
    try:
        first = next(iter(inspect.signature(getattr(module, method)).parameters.values()), None)
    except (AttributeError, TypeError, ValueError):
        return None
    return first.name if first is not None and _is_list_of_tensors(first.annotation) else None


_LIST_TEXT = re.compile(r"(?:typing\.)?(?:list|List|Sequence)\[(?:torch\.)?Tensor\]")


def _is_list_of_tensors(annotation: Any) -> bool:
    if isinstance(annotation, str):
        return _LIST_TEXT.fullmatch(annotation.replace(" ", "").strip("\"'")) is not None
    return get_origin(annotation) in (list, Sequence) and get_args(annotation) == (Tensor,)


def forward_arguments(inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of the forward, from one shape or tensor, a sequence of these, or a mapping of names to these.

    Shapes here have the batch. Raises FlopcalcError (bad-inputs).
    """
    if isinstance(inputs, Mapping):
        return (), dict(inputs)
    if isinstance(inputs, Tensor):
        return (inputs,), {}
    if (shape := as_shape(inputs)) is not None:
        return (shape,), {}
    if isinstance(inputs, tuple | list):
        return tuple(inputs), {}
    raise FlopcalcError(
        "bad-inputs",
        f"inputs is {clip(inputs)}, not a shape, a tensor, or several of them",
        "write for example inputs=(1, 3, 224, 224)",
    )
