"""Shared by the attention operators on maps: heads and rules."""

from flopcalc.cost.arith import exact_div
from flopcalc.cost.geometry import Geometry
from flopcalc.spec.operator import Derived, Named, Param, Policy, Rule
from flopcalc.spec.rules import EQUAL_CHANNELS, ONE_GROUP, single_tap


def _heads_divide(g: Geometry, named: Named) -> str | None:
    heads = named["heads"]
    return f"heads = {heads} does not divide the {g.c_in} channels" if g.c_in % heads else None


HEADS = Param("heads", "int", 4, "heads; each has c_in / heads channels", 1, letter="m", samples=(1, 2, 8))
BIAS = Param("bias", "bool", True, "a bias in each projection", samples=(False,))
WIDTH = Derived(
    "width", lambda g, heads: exact_div(g.c_in, heads), lambda g, v: f"c_in / heads = {g.c_in} / {v['heads']}"
)
TOKENS = Derived("tokens", lambda g: g.h_out * g.w_out, lambda g, v: f"all positions: {g.h_out} * {g.w_out}")
HEADS_DIVIDE = Rule(
    "heads divides the channels", _heads_divide, "choose a number of heads that divides the channels, such as 1"
)
ON_A_MAP = (single_tap("attention has kernel 1, stride 1 and no padding"), EQUAL_CHANNELS, ONE_GROUP)
NO_CONVOLUTION = Policy("no convolution", lambda site: "its paper does not replace a convolution by attention")
