"""The depthwise convolution along one axis: each channel of a sequence has filters of its own."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.operators.conv1d import NO_IMAGE, sequence_in, sequence_out
from flopcalc.operators.depthwise import CHANNELS_FOLLOW, MULTIPLIER, OWN_GROUPS, multiplied
from flopcalc.spec.operator import Limit, Operator, Param
from flopcalc.spec.source import Paper

SLICENET = Paper(
    key="kaiser2018depthwise",
    authors=("Kaiser, Lukasz", "Gomez, Aidan N.", "Chollet, Francois"),
    title="Depthwise Separable Convolutions for Neural Machine Translation",
    venue="ICLR",
    year=2018,
    arxiv="1706.03059",
)


def formula(g: Geometry, multiplier: Dim, bias: bool) -> Iterable[Part]:
    """c_in * multiplier filters of k taps, at every output position."""
    one = parts.conv("conv", g.c_in, g.c_in * multiplier, g.area, g.p_in, g.p_out, groups=g.c_in, bias=bias)
    yield parts.after_padding(g, one)


OPERATOR = Operator(
    name="depthwise1d",
    title="One-dimensional depthwise convolution",
    family="convolutions",
    paper=SLICENET,
    formula=formula,
    params=(MULTIPLIER, Param("bias", "bool", False, "one bias for each output channel", samples=(True,))),
    rules=(CHANNELS_FOLLOW, OWN_GROUPS),
    limits=(Limit({}, equals="depthwise"),),
    policy=NO_IMAGE,
    axes=1,
    baseline_text="plain conv1d",
    default_c_out=multiplied,
    in_shape=sequence_in,
    out_shape=sequence_out,
    pads_unevenly=True,
)
