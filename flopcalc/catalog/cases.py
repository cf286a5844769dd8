"""Shapes and options that checks use, the same for every operator.

Chosen to find mistakes in formulas: odd sizes, strides, dilation, groups, non-square kernels, batches, channel
counts that are not divisible. The rules of an operator exclude those to which it does not apply.
"""

from collections.abc import Iterator
from typing import Any

from flopcalc.cost.geometry import Geometry
from flopcalc.errors import FlopcalcError
from flopcalc.spec.operator import Evaluation, Named, Operator

SHAPES: tuple[dict[str, Any], ...] = (
    {"c_in": 64},
    {"c_in": 24, "hw": 20},
    {"c_in": 256, "hw": 14},
    {"c_in": 64, "c_out": 128, "hw": 28},
    {"c_in": 128, "c_out": 48, "hw": (19, 31)},
    {"c_in": 3, "c_out": 64, "k": 7, "hw": 33, "stride": 2},
    {"c_in": 64, "c_out": 96, "hw": 57, "stride": 2},
    {"c_in": 96, "hw": (15, 22), "stride": (2, 1), "batch": 3},
    {"c_in": 48, "c_out": 72, "hw": 16, "stride": 3},
    {"c_in": 48, "k": 1, "hw": 9},
    {"c_in": 40, "c_out": 60, "k": (1, 5), "hw": (12, 17)},
    {"c_in": 36, "k": (5, 3), "hw": 13, "batch": 2},
    {"c_in": 50, "c_out": 70, "hw": 11},
    {"c_in": 37, "c_out": 53, "hw": 11},
    {"c_in": 32, "hw": 23, "dilation": 2},
    {"c_in": 32, "hw": 23, "dilation": (3, 1), "stride": 2},
    {"c_in": 64, "c_out": 32, "hw": 10, "groups": 4},
    {"c_in": 30, "hw": 10, "groups": 30},
    {"c_in": 16, "hw": 12, "padding": 0},
    {"c_in": 16, "k": 4, "hw": 12, "padding": 1, "stride": 2},
    {"c_in": 16, "k": 2, "hw": 8},
    {"c_in": 32, "k": 5, "hw": 9, "batch": 4},
    {"c_in": 24, "c_out": 40, "k": 5, "hw": (12, 18), "batch": 2},
    {"c_in": 20, "c_out": 36, "k": (3, 1), "hw": (6, 12)},
    {"c_in": 18, "k": 3, "hw": 12, "dilation": 2},
)


def along_axes(operator: Operator, sizes: dict[str, Any]) -> dict[str, Any]:
    """The sizes for the axes of an operator: of (height, width) the width, if it works on sequences."""
    if operator.axes == 2:
        return sizes
    return {name: size[-1] if isinstance(size, tuple) else size for name, size in sizes.items()}


def shapes_for(operator: Operator, options: Named) -> Iterator[Geometry]:
    """SHAPES and the operator's own as geometries, with the sizes that the operator fixes."""
    for shape in (*SHAPES, *operator.shapes):
        sizes = dict(shape)
        if "k" in operator.shape:
            # The kernel is fixed; the stride and padding of another kernel do not fit.
            sizes = {key: value for key, value in sizes.items() if key not in ("k", "stride", "padding", "dilation")}
        sizes = along_axes(operator, sizes)
        c_in = sizes.pop("c_in")
        c_out = sizes.pop("c_out", None)
        yield operator.geometry(c_in, c_out, options, **sizes)


def option_sets(operator: Operator) -> Iterator[dict[str, Any]]:
    """The defaults, each option's samples one at a time, and the operator's own combinations."""
    yield {}
    for param in operator.params:
        for value in param.samples:
            yield {param.name: value}
    yield from map(dict, operator.samples)


def cases(operator: Operator) -> Iterator[Evaluation]:
    """Every shape with every set of options that the operator's rules allow."""
    for options in option_sets(operator):
        for g in shapes_for(operator, options):
            try:
                yield operator.evaluate(g, options)
            except FlopcalcError as error:
                if error.code != "cannot-stand":
                    raise
