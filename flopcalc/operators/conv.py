"""The plain convolution: groups, dilation, stride and non-square kernels included."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.operators._slides import SLIDES
from flopcalc.spec.channel_map import of_group
from flopcalc.spec.operator import Limit, Named, Operator, Param, Policy
from flopcalc.spec.rules import GROUPS_DIVIDE
from flopcalc.spec.source import Equation


def formula(g: Geometry, bias: bool) -> Iterable[Part]:
    """c_out * c_in / groups filters of k_h * k_w taps, at every output position."""
    # Not a generator: most layers of most networks are convolutions.
    one = parts.conv("conv", g.c_in, g.c_out, g.area, g.p_in, g.p_out, groups=g.groups, bias=bias)
    return (parts.after_padding(g, one),)


def _ungrouped(g: Geometry, named: Named) -> bool:
    return bool(g.groups == 1)


def _stride_divides(g: Geometry, named: Named) -> bool:
    return bool(g.groups == 1 and g.h_out * g.stride_h == g.h and g.w_out * g.stride_w == g.w)


_LETTERS = {"K": "k", "C": "c_in", "D": "c_out", "M": "h", "N": "w", "s": "stride"}

OPERATOR = Operator(
    name="conv",
    title="Plain convolution",
    family="convolutions",
    paper=SLIDES,
    formula=formula,
    params=(Param("bias", "bool", False, "one bias for each output channel", samples=(True,)),),
    rules=(GROUPS_DIVIDE,),
    limits=(Limit({}, equals="conv"),),
    policy=Policy("every convolution"),
    equations=(
        Equation(
            number="layer size",
            text="K * K * C * D",
            letters=_LETTERS,
            gives="params",
            given={"bias": False},
            domain=_ungrouped,
            domain_text="one group",
        ),
        Equation(
            number="layer size with bias",
            text="(K * K * C + 1) * D",
            letters=_LETTERS,
            gives="params",
            given={"bias": True},
            domain=_ungrouped,
            domain_text="one group",
        ),
        Equation(
            number="computational cost",
            text="K * K * C * (M / s) * (N / s) * D",
            letters=_LETTERS,
            gives="macs",
            domain=_stride_divides,
            domain_text="one group, output size = input size / s",
        ),
        Equation(number="ratio of M groups", text="1 / M", letters={"M": "groups"}, gives="macs_ratio"),
    ),
    channel_map=lambda g, named, channel: of_group(g, channel),
    pads_unevenly=True,
)
