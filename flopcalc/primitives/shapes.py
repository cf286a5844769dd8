"""Checks of the shapes and settings of primitives."""

from collections.abc import Sequence
from typing import Any

from flopcalc.cost.cost import Part
from flopcalc.cost.whole import as_int
from flopcalc.errors import clip

Shape = tuple[int, ...]
Result = tuple[Shape, tuple[Part, ...]]


class ShapeError(ValueError):
    """The inputs do not fit; the message names both shapes."""


def text(shape: Shape) -> str:
    """A shape as people write it: 64x56x56."""
    return "x".join(map(str, shape))


def one(shapes: Sequence[Shape]) -> Shape:
    """The only input."""
    if len(shapes) != 1:
        raise ShapeError(f"it takes one input, not {len(shapes)}")
    return shapes[0]


def image(shapes: Sequence[Shape]) -> tuple[int, int, int]:
    """Channels, height and width of the only input, a map."""
    shape = one(shapes)
    if len(shape) != 3:
        raise ShapeError(f"it needs channels x height x width, and its input is {text(shape)}")
    return shape[0], shape[1], shape[2]


def two(shapes: Sequence[Shape], what: str) -> tuple[Shape, Shape]:
    """Both inputs. what: their names, for the error."""
    if len(shapes) != 2:
        raise ShapeError(f"it takes two inputs, {what}, not {len(shapes)}")
    return shapes[0], shapes[1]


def maps_of(shape: Shape, per_map: Any) -> int:
    """The number of maps, where each has `per_map` neighbouring channels."""
    if shape[0] % whole("per_map", per_map):
        raise ShapeError(f"its {shape[0]} channels do not divide by per_map = {per_map}")
    return shape[0] // int(per_map)


def whole(name: str, value: Any, least: int = 1) -> int:
    """A setting that is a whole number."""
    if (type(value) is not int and as_int(value) is None) or value < least:
        raise ShapeError(f"{name} is {clip(value)}, not a whole number, {least} or more")
    found: int = value
    return found


def pair(name: str, value: Any, least: int = 1) -> tuple[int, int]:
    """A setting that is one whole number or two, [height, width]."""
    if isinstance(value, tuple) and len(value) == 2:
        return whole(name, value[0], least), whole(name, value[1], least)
    return whole(name, value, least), value


def flag(name: str, value: Any) -> bool:
    """A setting that is true or false."""
    if type(value) is not bool:
        raise ShapeError(f"{name} is {clip(value)}, not true or false")
    return value
