"""The depthwise convolution of volumes: each channel has filters of its own along three axes."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.operators._volume import DEEP_ENOUGH, DEPTH, NO_IMAGE, VOLUME, volume_in, volume_out
from flopcalc.operators.conv3d import ungrouped
from flopcalc.operators.depthwise import CHANNELS_FOLLOW, MULTIPLIER, OWN_GROUPS, multiplied
from flopcalc.spec.operator import Limit, Operator, Param
from flopcalc.spec.source import Paper

CSN = Paper(
    key="tran2019video",
    authors=("Tran, Du", "Wang, Heng", "Torresani, Lorenzo", "Feiszli, Matt"),
    title="Video Classification with Channel-Separated Convolutional Networks",
    venue="ICCV",
    year=2019,
    arxiv="1904.02811",
)


def formula(g: Geometry, multiplier: Dim, taps: Dim, d_in: Dim, d_out: Dim, bias: bool) -> Iterable[Part]:
    """c_in * multiplier filters of taps * k_h * k_w, at every output position."""
    one = parts.conv(
        "conv", g.c_in, g.c_in * multiplier, taps * g.area, d_in * g.p_in, d_out * g.p_out, groups=g.c_in, bias=bias
    )
    yield parts.after_padding(g, one, d_in + g.depth.more)


OPERATOR = Operator(
    name="depthwise3d",
    title="Three-dimensional depthwise convolution",
    family="convolutions",
    paper=CSN,
    formula=formula,
    params=(MULTIPLIER, DEPTH, Param("bias", "bool", False, "one bias for each output channel", samples=(True,))),
    derived=VOLUME,
    rules=(CHANNELS_FOLLOW, OWN_GROUPS, DEEP_ENOUGH),
    limits=(Limit({"taps": 1, "d_in": 1, "d_out": 1}, equals="depthwise"),),
    policy=NO_IMAGE,
    baseline=ungrouped,
    baseline_text="plain conv3d",
    default_c_out=multiplied,
    in_shape=volume_in,
    out_shape=volume_out,
    samples=({"depth": 5}, {"depth": 16, "multiplier": 2}),
    pads_unevenly=True,
    volume=True,
)
