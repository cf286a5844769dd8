"""Primitives that join inputs of different kinds: a map and coefficients of kernels, maps and boxes."""

from collections.abc import Sequence
from math import prod
from typing import Any

from flopcalc.cost import parts
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry, geometry
from flopcalc.errors import FlopcalcError
from flopcalc.operators._dynamic import fuse_kernels, mix_kernels
from flopcalc.primitives.shapes import Result, Shape, ShapeError, flag, text, two, whole
from flopcalc.spec.rules import GROUPS_DIVIDE


def mixed_conv(
    shapes: Sequence[Shape],
    n: int,
    out: Any = None,
    k: Any = 3,
    stride: Any = 1,
    padding: Any = None,
    dilation: Any = 1,
    groups: int = 1,
    per_channel: bool = False,
) -> Result:
    """A convolution with a kernel for each sample, mixed from several by coefficients, its second input.

    There are as many kernels as coefficients; per_channel: every output channel mixes its own, so that
    there are coefficients / out. Where the coefficients come from is for other layers to say, so that
    several convolutions may share them.
    """
    x, coefficients = two(shapes, "a map and the coefficients")
    if len(x) != 3:
        raise ShapeError(f"its first input is {text(x)}, it needs channels x height x width")
    try:
        g = geometry(
            x[0], out, k=k, hw=(x[1], x[2]), stride=stride, padding=padding, dilation=dilation, groups=groups, n=n
        )
    except FlopcalcError as error:
        raise ShapeError(error.message) from None
    if problem := GROUPS_DIVIDE.check(g, {}):
        raise ShapeError(problem)
    count = kernels(prod(coefficients), g.c_out, flag("per_channel", per_channel))
    made = fuse_kernels if per_channel else mix_kernels
    *mixing, conv = made(g, count, "input1")
    return (g.c_out, g.h_out, g.w_out), (*mixing, conv._replace(after=(*(conv.after or ()), "input0")))


def kernels(coefficients: int, out: int, per_channel: bool) -> int:
    """How many kernels so many coefficients mix (for each output channel)."""
    if not per_channel:
        return coefficients
    if coefficients % out:
        raise ShapeError(f"{coefficients} coefficients do not divide by its {out} output channels")
    return coefficients // out


def mixed_geometry(shape: Shape, settings: dict[str, Any], n: int = 1) -> Geometry:
    """The shape of a mixed_conv's convolution, from its settings."""
    sizes = {key: settings[key] for key in ("k", "stride", "padding", "dilation", "groups") if key in settings}
    return geometry(shape[0], settings.get("out"), hw=(shape[1], shape[2]), n=n, **sizes)


def roi_align(shapes: Sequence[Shape], n: int, boxes: int = 1, size: int = 7, sampling: int = 2) -> Result:
    """RoIAlign: `size` x `size` cells of every box as channels of a token, (c size^2) x 1 x boxes.

    Each cell is the mean of sampling^2 points, each point interpolated between four positions of one of
    the maps that are given: for each channel and point four products and three additions, and an
    addition for the mean; one product for each cell. What does not depend on the channel is not
    counted: to find the map, the positions and the weights of each box. The boxes are the same for
    all samples of a batch.
    """
    for shape in shapes:
        if len(shape) != 3 or shape[0] != shapes[0][0]:
            raise ShapeError(f"its inputs are no maps of equal channels: {', '.join(map(text, shapes))}")
    count, cells, points = whole("boxes", boxes), whole("size", size) ** 2, whole("sampling", sampling) ** 2
    c = shapes[0][0]
    table, out = 4 * points * cells * count, n * c * cells * count
    picked = n * c * table
    steps = [
        parts.copy("pick", picked, index=2 * table),
        Part("weigh", "mul", muls=picked, reads=picked + table, writes=picked),
        Part("sum", "add", adds=picked, reads=picked, writes=out),
        Part("mean", "mul", muls=out, reads=out, writes=out),
    ]
    if min(len(shapes), count) > 1:
        steps.append(parts.copy("levels", out))
    return (c * cells, 1, count), tuple(steps)
