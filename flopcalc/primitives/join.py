"""Joins: several inputs become one output."""

from collections.abc import Sequence
from math import prod

from flopcalc.cost import parts
from flopcalc.cost.cost import Part
from flopcalc.primitives.record import Primitive
from flopcalc.primitives.shapes import Result, Shape, ShapeError, text, two


def _several(shapes: Sequence[Shape]) -> tuple[Shape, Sequence[Shape]]:
    """The first input and the others."""
    first, *others = shapes
    if not others:
        raise ShapeError("it needs two inputs: from: [one, other]")
    return first, others


def add(shapes: Sequence[Shape], n: int) -> Result:
    """The sum of inputs of equal shape."""
    first, others = _several(shapes)
    c, *sizes = first
    result, sums = "input0", []
    # One after the other, as a + b + c is evaluated.
    for i, shape in enumerate(others, 1):
        if shape != first:
            raise ShapeError(f"its inputs differ in shape: {text(first)} and {text(shape)}")
        sums.append(parts.add(f"add{i}", c, n * prod(sizes), after=(result, f"input{i}")))
        result = f"add{i}"
    return first, tuple(sums)


def concat(shapes: Sequence[Shape], n: int) -> Result:
    """The channels of all inputs, one after the other."""
    first, others = _several(shapes)
    size = first[1:]
    for shape in others:
        if shape[1:] != size:
            raise ShapeError(f"its inputs differ in size: {text(first)} and {text(shape)}")
    out = (sum([shape[0] for shape in shapes]), *size)
    return out, (parts.copy("concat", n * prod(out)),)


def _is_factor(shape: Shape) -> bool:
    """Whether a shape has one number for each channel; a symbolic size is not taken for 1, and need not be."""
    return all(type(size) is int and size == 1 for size in shape[1:])


def mul(shapes: Sequence[Shape], n: int) -> Result:
    """The product of two inputs; one of size 1x1 is a factor for each channel of the other."""
    one, other = two(shapes, "from: [one, other]")
    large, small = (one, other) if _is_factor(other) else (other, one)
    if large[0] != small[0] or (not _is_factor(small) and small != large):
        raise ShapeError(f"its inputs differ in shape: {text(one)} and {text(other)}")
    size = n * prod(large)
    # The larger factor is named first.
    factors = ("input0", "input1") if large is one else ("input1", "input0")
    return large, (Part("mul", "mul", muls=size, reads=size + n * prod(small), writes=size, after=factors),)


JOIN = (
    Primitive("add", "the sum of two or more inputs of equal shape", add, "flopcalc.pytorch.layers._blocks.Add"),
    Primitive(
        "concat",
        "the channels of two or more inputs, one after the other",
        concat,
        "flopcalc.pytorch.layers._primitives.Join",
    ),
    Primitive(
        "mul",
        "the product of two maps, or of a map and one factor for each channel",
        mul,
        "flopcalc.pytorch.layers._primitives.Product",
    ),
)
