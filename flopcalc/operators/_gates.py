"""Shared by modules that only weight a map (CBAM, ECA, coordinate attention): their rules, baseline and policy."""

from flopcalc.cost import parts
from flopcalc.cost.cost import Cost
from flopcalc.cost.geometry import Geometry
from flopcalc.spec.operator import Named, Policy
from flopcalc.spec.rules import EQUAL_CHANNELS, ONE_GROUP, single_tap


def conv3x3(g: Geometry, named: Named) -> Cost:
    """The baseline: a plain 3 x 3 convolution with as many channels."""
    return Cost((parts.conv("conv", g.c_in, g.c_out, 9, g.p_in, g.p_out),))


RULES = (EQUAL_CHANNELS, ONE_GROUP, single_tap("it has no kernel, no stride and no padding of its own"))
POLICY = Policy("no convolution", lambda site: "it only weights a map")
