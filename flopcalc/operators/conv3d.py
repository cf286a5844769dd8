"""The convolution of volumes (videos, scans).

Kernel, stride, padding and dilation are one size for all axes, two (height and depth, width) or three (depth, height,
width).
"""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim
from flopcalc.cost.cost import Cost, Part
from flopcalc.cost.geometry import Geometry
from flopcalc.operators._volume import DEEP_ENOUGH, DEPTH, NO_IMAGE, VOLUME, volume_in, volume_out
from flopcalc.spec.operator import Limit, Named, Operator, Param
from flopcalc.spec.rules import GROUPS_DIVIDE
from flopcalc.spec.source import Paper

C3D = Paper(
    key="tran2015learning",
    authors=("Tran, Du", "Bourdev, Lubomir", "Fergus, Rob", "Torresani, Lorenzo", "Paluri, Manohar"),
    title="Learning Spatiotemporal Features with 3D Convolutional Networks",
    venue="ICCV",
    year=2015,
    arxiv="1412.0767",
    pages="4489-4497",
)


def formula(g: Geometry, taps: Dim, d_in: Dim, d_out: Dim, bias: bool) -> Iterable[Part]:
    """c_out * c_in / groups filters of taps * k_h * k_w, at every output position."""
    one = parts.conv("conv", g.c_in, g.c_out, taps * g.area, d_in * g.p_in, d_out * g.p_out, groups=g.groups, bias=bias)
    yield parts.after_padding(g, one, d_in + g.depth.more)


def ungrouped(g: Geometry, named: Named) -> Cost:
    """The plain convolution of the same volume."""
    area, bias = named["taps"] * g.area, named["bias"]
    grids = named["d_in"] * g.p_in, named["d_out"] * g.p_out
    one = parts.conv("conv", g.c_in, g.c_out, area, *grids, bias=bias)
    return Cost((parts.after_padding(g, one, named["d_in"] + g.depth.more),))


OPERATOR = Operator(
    name="conv3d",
    title="Three-dimensional convolution",
    family="convolutions",
    paper=C3D,
    formula=formula,
    params=(DEPTH, Param("bias", "bool", False, "one bias for each output channel", samples=(True,))),
    derived=VOLUME,
    rules=(GROUPS_DIVIDE, DEEP_ENOUGH),
    limits=(Limit({"taps": 1, "d_in": 1, "d_out": 1}, equals="conv"),),
    policy=NO_IMAGE,
    baseline=ungrouped,
    baseline_text="plain conv3d",
    in_shape=volume_in,
    out_shape=volume_out,
    samples=({"depth": 5}, {"depth": 16, "bias": True}),
    pads_unevenly=True,
    volume=True,
)
