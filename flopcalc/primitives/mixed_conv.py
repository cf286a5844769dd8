"""A convolution whose kernel is mixed for each sample by coefficients, its second input."""

from collections.abc import Sequence
from math import prod
from typing import Any

from flopcalc.cost.geometry import Geometry, geometry
from flopcalc.errors import FlopcalcError
from flopcalc.operators._dynamic import fuse_kernels, mix_kernels
from flopcalc.primitives.record import Primitive, Settings
from flopcalc.primitives.shapes import Result, Shape, ShapeError, flag, text, two
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
    """A convolution with a kernel for each sample: the sum of several kernels, weighted by coefficients.

    There is one coefficient for each kernel; with per_channel, one for each kernel and output channel.
    Other layers compute the coefficients, so that several convolutions may share them.
    """
    x, coefficients = two(shapes, "a map and the coefficients")
    if len(x) != 3:
        raise ShapeError(f"its first input is {text(x)}, it needs channels x height x width")
    sizes = {"k": k, "stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    try:
        g = _geometry(x, {"out": out, **sizes})._replace(batch=n)
    except FlopcalcError as error:
        raise ShapeError(error.message) from None
    if problem := GROUPS_DIVIDE.check(g, {}):
        raise ShapeError(problem)
    count = _kernels(prod(coefficients), g.c_out, flag("per_channel", per_channel))
    made = fuse_kernels if per_channel else mix_kernels
    *mixing, conv = made(g, count, "input1")
    return (g.c_out, g.h_out, g.w_out), (*mixing, conv._replace(after=(*(conv.after or ()), "input0")))


def _kernels(coefficients: int, out: int, per_channel: bool) -> int:
    """The number of kernels that the coefficients mix (for each output channel)."""
    if not per_channel:
        return coefficients
    if coefficients % out:
        raise ShapeError(f"{coefficients} coefficients do not divide by its {out} output channels")
    return coefficients // out


def _geometry(shape: Shape, settings: Settings) -> Geometry:
    """Of one sample: the module is built without a batch."""
    sizes = {key: settings[key] for key in ("k", "stride", "padding", "dilation", "groups")}
    return geometry(shape[0], settings["out"], hw=(shape[1], shape[2]), **sizes)


def _arguments(shapes: Sequence[Shape], settings: Settings) -> Settings:
    g, per_channel = _geometry(shapes[0], settings), settings["per_channel"]
    return {"g": g, "count": _kernels(prod(shapes[1]), g.c_out, per_channel), "per_channel": per_channel}


MIXED_CONV = Primitive(
    "mixed_conv",
    "two inputs, a map and coefficients: a convolution whose kernel is, for each sample, the sum of several kernels "
    "weighted by the coefficients; `per_channel: true`: each output channel has its own kernels and coefficients",
    mixed_conv,
    "flopcalc.pytorch.layers._mixed_conv.MixedConv2d",
    _arguments,
    has_tensors=True,
)
