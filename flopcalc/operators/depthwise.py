"""The depthwise convolution: each channel has `multiplier` filters of its own."""

from collections.abc import Iterable
from typing import Any

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.operators.dsc import MOBILENETS
from flopcalc.spec.channel_map import of_group
from flopcalc.spec.operator import Named, Operator, Param, Policy, Rule, spatial
from flopcalc.spec.source import Equation


def formula(g: Geometry, multiplier: Dim, bias: bool) -> Iterable[Part]:
    """c_in * multiplier filters of one channel each, at every output position."""
    one = parts.conv("conv", g.c_in, g.c_in * multiplier, g.area, g.p_in, g.p_out, groups=g.c_in, bias=bias)
    yield parts.after_padding(g, one)


def multiplied(c_in: int, options: Named) -> int:
    """Output channels: c_in * multiplier."""
    channels: int = c_in * options["multiplier"]
    return channels


def _channels_follow(g: Geometry, named: Named) -> str | None:
    if g.c_out != multiplied(g.c_in, named):
        return f"c_out = {g.c_out} is not c_in * multiplier = {g.c_in} * {named['multiplier']}"
    return None


def _own_groups(g: Geometry, named: Named) -> str | None:
    return None if g.groups in (1, g.c_in) else f"groups = {g.groups}, and a depthwise convolution has c_in groups"


CHANNELS_FOLLOW = Rule(
    "c_out is c_in * multiplier", _channels_follow, "leave --cout out, or set multiplier to c_out / c_in"
)
OWN_GROUPS = Rule(
    "groups is not given, or c_in", _own_groups, "leave --groups out; there is one group for each channel"
)
MULTIPLIER = Param("multiplier", "int", 1, "filters for each input channel", 1, letter="m", samples=(2, 3))


def _square_map(g: Geometry, named: Any) -> bool:
    return bool(g.h_out == g.w_out)


OPERATOR = Operator(
    name="depthwise",
    title="Depthwise convolution",
    family="convolutions",
    paper=MOBILENETS,
    formula=formula,
    params=(MULTIPLIER, Param("bias", "bool", False, "one bias for each output channel", samples=(True,))),
    rules=(CHANNELS_FOLLOW, OWN_GROUPS),
    policy=Policy("every convolution with a kernel larger than 1x1 and as many channels out as in", spatial),
    equations=(
        Equation(
            number="4",
            text="D_K * D_K * M * D_F * D_F",
            letters={"D_K": "k", "M": "c_in", "D_F": "h_out"},
            gives="macs",
            given={"multiplier": 1},
            domain=_square_map,
            domain_text="a square feature map",
        ),
    ),
    default_c_out=multiplied,
    channel_map=lambda g, named, channel: of_group(g._replace(groups=g.c_in), channel),
    pads_unevenly=True,
)
