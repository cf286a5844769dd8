"""The convolution along one axis: sequences. The length is the width; height and k_h are 1."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.spec.operator import Limit, Named, Operator, Param, Policy
from flopcalc.spec.rules import GROUPS_DIVIDE
from flopcalc.spec.source import Paper

TDNN = Paper(
    key="waibel1989phoneme",
    authors=("Waibel, Alexander", "Hanazawa, Toshiyuki", "Hinton, Geoffrey", "Shikano, Kiyohiro", "Lang, Kevin J."),
    title="Phoneme Recognition Using Time-Delay Neural Networks",
    venue="IEEE Transactions on Acoustics, Speech, and Signal Processing",
    year=1989,
    doi="10.1109/29.21701",
    pages="328-339",
)


def formula(g: Geometry, bias: bool) -> Iterable[Part]:
    """c_out * c_in / groups filters of k taps, at every output position."""
    one = parts.conv("conv", g.c_in, g.c_out, g.area, g.p_in, g.p_out, groups=g.groups, bias=bias)
    yield parts.after_padding(g, one)


def sequence_in(g: Geometry, named: Named) -> tuple[int, ...]:
    """Channels and length of the input."""
    return g.c_in, g.w


def sequence_out(g: Geometry, named: Named) -> tuple[int, ...]:
    """Channels and length of the output."""
    return g.c_out, g.w_out


NO_IMAGE = Policy("no convolution", lambda site: "it works on sequences, not on images")

OPERATOR = Operator(
    name="conv1d",
    title="One-dimensional convolution",
    family="convolutions",
    paper=TDNN,
    formula=formula,
    params=(Param("bias", "bool", False, "one bias for each output channel", samples=(True,)),),
    rules=(GROUPS_DIVIDE,),
    limits=(Limit({}, equals="conv"),),
    policy=NO_IMAGE,
    axes=1,
    baseline_text="plain conv1d",
    in_shape=sequence_in,
    out_shape=sequence_out,
    pads_unevenly=True,
)
