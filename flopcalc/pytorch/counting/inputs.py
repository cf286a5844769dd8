"""The inputs of a forward: from text, shapes and tensors to the arguments that it is called with."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from flopcalc.cost.whole import as_int
from flopcalc.errors import FlopcalcError, clip
from flopcalc.networks.inputs import Input, parse_input

_HOW = "give a shape without the batch: (3, 224, 224), '3x224x224', or '77:int64' for token ids"


def as_shape(value: object) -> tuple[int, ...] | None:
    """The ints of a tuple or a list of integers of any type, else None; None also for an empty one."""
    if not isinstance(value, tuple | list) or not value:
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


def arguments(inputs: Sequence[Input], batch: int) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of the forward, by position and by name: shapes with the batch, or meta tensors."""
    named = {one.name: _tensor(one, batch) for one in inputs if one.name is not None}
    return [_tensor(one, batch) for one in inputs if one.name is None], named


def _tensor(one: Input, batch: int) -> Any:
    shape = (batch, *one.shape)
    return shape if one.dtype is None else torch.empty(shape, dtype=getattr(torch, one.dtype), device="meta")


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
