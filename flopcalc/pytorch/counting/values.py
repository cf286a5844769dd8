"""The arguments of a forward: shapes become tensors, tensors are copied, and what is ambiguous is read both ways."""

import inspect
import re
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from flopcalc.pytorch.counting.copying import Copier
from flopcalc.pytorch.counting.inputs import GivenShape, Values, as_shape
from flopcalc.pytorch.counting.objects import holds_tensors
from flopcalc.pytorch.counting.twins import Twin
from flopcalc.pytorch.named_class import file_of


class Reading(NamedTuple):
    """One way to read the arguments: those at `shapes`, positions and names, are shapes. notes: what to say of it."""

    args: Sequence[Any]
    named: Mapping[str, Any]
    shapes: frozenset[int | str]
    notes: tuple[str, ...] = ()


def readings(args: Sequence[Any], named: Mapping[str, Any], forward: Any) -> Iterator[Reading]:
    """The ways to read the arguments of a forward, the likeliest first.

    A tuple of integers is a shape, unless the forward's annotation says that it takes a tuple. It may also be a value,
    such as a size to interpolate to. Values are tried first where a tensor is among the arguments, since shapes are
    not needed then; shapes are tried first where none is.
    """
    if len(args) == 1 and not named and (shape := as_shape(args[0])):
        # A list of integers is a value of the forward, unless it is the only input.
        args = (shape,)
    given: dict[int | str, Any] = dict(enumerate(args))
    given.update(named.items())
    tuples = [place for place, value in given.items() if _may_be_shape(value)]
    known = {place: _takes_tensor(forward, place) for place in tuples}
    values = {place for place in tuples if known[place] is False}
    sure = {place for place in tuples if known[place] or isinstance(given[place], GivenShape)} - values
    unsure = [place for place in tuples if place not in sure | values]
    both = frozenset(sure.union(unsure)), frozenset(sure)
    some_tensor = any(holds_tensors(value) for value in given.values())
    if not some_tensor and unsure and unsure[0] == 0 and not sure:
        # Some argument is a tensor; the first is the likeliest.
        both = both[0], frozenset({0})
    # An annotation may say less than the forward takes: `CTCLoss` takes its lengths as tuples too.
    ways = (both[1], both[0], frozenset[int | str]()) if some_tensor else both
    seen = set()
    for shapes in ways:
        if shapes not in seen:
            seen.add(shapes)
            taken = [place for place in tuples if place not in shapes | values]
            notes = tuple(f"{_name(place)} was taken as a value, {given[place]}, not as a shape" for place in taken)
            yield Reading(args, named, shapes, notes)


def _may_be_shape(value: Any) -> bool:
    shape = as_shape(value) if isinstance(value, tuple) else None
    return shape is not None and min(shape) >= 0


def _name(place: int | str) -> str:
    return f"argument {place + 1}" if isinstance(place, int) else place


def _takes_tensor(forward: Any, place: int | str) -> bool | None:
    """Whether a forward's annotation says that an argument is a tensor, or is none; None where it does not say."""
    try:
        parameters = inspect.signature(forward).parameters
    except (TypeError, ValueError):
        return None
    if isinstance(place, int):
        one = list(parameters.values())[place] if place < len(parameters) else None
    else:
        one = parameters.get(place)
    if one is None or one.kind in {one.VAR_POSITIONAL, one.VAR_KEYWORD} or one.annotation is one.empty:
        return None
    words = set(re.findall(r"\w+", one.annotation if isinstance(one.annotation, str) else _text(one.annotation)))
    sizes = not words.isdisjoint({"tuple", "Tuple", "int", "Size"})
    if "Tensor" in words:
        return None if sizes else True
    return False if sizes else None


def _text(annotation: Any) -> str:
    parts = typing.get_args(annotation)
    name = getattr(annotation, "__name__", str(annotation))
    return f"{typing.get_origin(annotation)} {name} {' '.join(map(_text, parts))}" if parts else str(name)


def placed(
    reading: Reading, copier: Copier, twin: Twin, new: Callable[[tuple[int, ...]], Tensor]
) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of the copy. twin: makes a tensor in the place of a given one; new: one of a shape."""
    copier.twin = twin
    # Identity of a list or dict -> what is made of it, which may be among what it holds.
    memo: dict[int, Any] = {}

    def made(place: int | str, value: Any) -> Any:
        shape = as_shape(value) if place in reading.shapes else None
        return new(shape) if shape is not None else _made(value, copier, new, memo, outermost=True)

    given = [made(place, value) for place, value in enumerate(reading.args)]
    return given, {name: made(name, value) for name, value in reading.named.items()}


def _made(
    value: Any, copier: Copier, new: Callable[[tuple[int, ...]], Tensor], memo: dict[int, Any], *, outermost: bool
) -> Any:
    kind = tuple if isinstance(value, GivenShape) else type(value)
    if id(value) in memo:
        return memo[id(value)]
    if kind is Values:
        return tuple(value)
    if kind is tuple and not outermost and _may_be_shape(value):
        return new(tuple(map(int, value)))
    if kind is tuple:
        return tuple(_made(item, copier, new, memo, outermost=False) for item in value)
    if kind is list:
        items = memo[id(value)] = []
        items += (_made(item, copier, new, memo, outermost=False) for item in value)
        return items
    if kind is dict:
        named = memo[id(value)] = {}
        named.update((key, _made(item, copier, new, memo, outermost=False)) for key, item in value.items())
        return named
    if isinstance(value, PackedSequence):
        # The lengths of its steps are values that decide what runs.
        return PackedSequence(
            copier.copy(value.data),
            value.batch_sizes.clone(),
            copier.copy(value.sorted_indices),
            copier.copy(value.unsorted_indices),
        )
    if file_of(kind) == "numpy" and kind.__name__ == "ndarray" and value.dtype != object:
        return copier.copy(torch.from_numpy(value.copy()))
    return copier.copy(value)
