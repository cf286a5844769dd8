"""The group convolution: channels in groups that are convolved separately. `--groups` is their number."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.operators._slides import SLIDES
from flopcalc.spec.channel_map import of_group
from flopcalc.spec.operator import Limit, Operator, Param, Policy, Site
from flopcalc.spec.rules import GROUPS_DIVIDE
from flopcalc.spec.source import Equation


def formula(g: Geometry, bias: bool) -> Iterable[Part]:
    """c_out filters, each over the c_in / groups channels of its group."""
    one = parts.conv("conv", g.c_in, g.c_out, g.area, g.p_in, g.p_out, groups=g.groups, bias=bias)
    yield parts.after_padding(g, one)


def _grouped(site: Site) -> str | None:
    if site.geometry.groups == 1:
        return "it has one group, and a replacement keeps the groups of the network"
    return None


OPERATOR = Operator(
    name="group",
    title="Group convolution",
    family="convolutions",
    paper=SLIDES,
    formula=formula,
    params=(Param("bias", "bool", False, "one bias for each output channel", samples=(True,)),),
    rules=(GROUPS_DIVIDE,),
    limits=(Limit({}, equals="conv"),),
    policy=Policy("every convolution that has groups", _grouped),
    equations=(Equation(number="ratio of M groups", text="1 / M", letters={"M": "groups"}, gives="macs_ratio"),),
    shape={"groups": 2},
    channel_map=lambda g, named, channel: of_group(g, channel),
    pads_unevenly=True,
)
