"""The pointwise convolution: a 1x1 kernel, which mixes the channels of one position."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.operators.dsc import MOBILENETS
from flopcalc.spec.channel_map import of_group
from flopcalc.spec.operator import Limit, Named, Operator, Param, Policy, Rule, Site
from flopcalc.spec.rules import GROUPS_DIVIDE
from flopcalc.spec.source import Equation


def formula(g: Geometry, bias: bool) -> Iterable[Part]:
    """c_out * c_in / groups weights, each used at every output position."""
    yield parts.conv("conv", g.c_in, g.c_out, 1, g.p_in, g.p_out, groups=g.groups, bias=bias)


def single_tap(g: Geometry, named: Named) -> str | None:
    """Why a kernel does not fit, in words; None for 1x1."""
    return None if g.kernel == (1, 1) else f"the kernel is {g.k_h}x{g.k_w}"


def only_1x1(site: Site) -> str | None:
    """The policy: 1x1 convolutions only."""
    problem = single_tap(site.geometry, {})
    return f"{problem}; a 1x1 kernel would not read neighbours" if problem else None


def _square(g: Geometry, named: Named) -> bool:
    return bool(g.h_out == g.w_out and g.groups == 1)


SINGLE_TAP = Rule("kernel is 1x1", single_tap, "leave the kernel at 1, or use the operator conv")

OPERATOR = Operator(
    name="pointwise",
    title="Pointwise convolution",
    family="convolutions",
    paper=MOBILENETS,
    formula=formula,
    params=(Param("bias", "bool", False, "one bias for each output channel", samples=(True,)),),
    rules=(SINGLE_TAP, GROUPS_DIVIDE),
    limits=(Limit({}, equals="conv"),),
    policy=Policy("every 1x1 convolution", only_1x1),
    equations=(
        Equation(
            number="5, second term",
            text="M * N * D_F * D_F",
            letters={"M": "c_in", "N": "c_out", "D_F": "h_out"},
            gives="macs",
            domain=_square,
            domain_text="one group and a square feature map",
        ),
    ),
    shape={"k": 1},
    channel_map=lambda g, named, channel: of_group(g, channel),
)
