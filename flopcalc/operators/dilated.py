"""The dilated convolution: taps `dilation` pixels apart. It has a larger receptive field at the same cost."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.operators._slides import SLIDES
from flopcalc.spec.channel_map import of_group
from flopcalc.spec.operator import Derived, Limit, Named, Operator, Param, Policy, Site
from flopcalc.spec.rules import GROUPS_DIVIDE
from flopcalc.spec.source import Equation


def formula(g: Geometry, bias: bool) -> Iterable[Part]:
    """A convolution; dilation moves its taps and does not add any."""
    one = parts.conv("conv", g.c_in, g.c_out, g.area, g.p_in, g.p_out, groups=g.groups, bias=bias)
    yield parts.after_padding(g, one)


def reach(kernel: Dim, dilation: Dim) -> Dim:
    """Pixels from the first to the last tap along one axis, both included."""
    return kernel + (kernel - 1) * (dilation - 1)


def _why_height(g: Geometry, named: Named) -> str:
    return f"k + (k - 1) (dilation - 1) = {g.k_h} + {g.k_h - 1} * {g.dilation_h - 1}, along the height"


def _why_width(g: Geometry, named: Named) -> str:
    return f"{g.k_w} + {g.k_w - 1} * {g.dilation_w - 1}, along the width"


def _dilated(site: Site) -> str | None:
    if site.geometry.dilation == (1, 1):
        return "it is not dilated, and a replacement keeps the dilation of the network"
    return None


OPERATOR = Operator(
    name="dilated",
    title="Dilated convolution",
    family="convolutions",
    paper=SLIDES,
    formula=formula,
    params=(Param("bias", "bool", False, "one bias for each output channel", samples=(True,)),),
    derived=(
        Derived("rate", lambda g: g.dilation_h),
        Derived("field_h", lambda g: reach(g.k_h, g.dilation_h), _why_height),
        Derived("field_w", lambda g: reach(g.k_w, g.dilation_w), _why_width),
    ),
    rules=(GROUPS_DIVIDE,),
    limits=(Limit({}, equals="conv"),),
    policy=Policy("every convolution that is dilated", _dilated),
    equations=(
        Equation(
            number="receptive field", text="k + (k - 1) * (d - 1)", letters={"k": "k", "d": "rate"}, gives="field_h"
        ),
    ),
    shape={"dilation": 2},
    channel_map=lambda g, named, channel: of_group(g, channel),
    pads_unevenly=True,
)
