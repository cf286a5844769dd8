"""The 3x3 convolution that operators without a window are compared with: channels and positions stay as they are."""

from flopcalc.cost import parts
from flopcalc.cost.cost import Cost
from flopcalc.cost.geometry import Geometry
from flopcalc.spec.operator import Named


def conv3x3(g: Geometry, named: Named) -> Cost:
    """Without a bias."""
    return _conv3x3(g, False)


def conv3x3_with_their_bias(g: Geometry, named: Named) -> Cost:
    """With a bias where the projections of the operator have one."""
    return _conv3x3(g, bool(named.get("bias", False)))


def _conv3x3(g: Geometry, bias: bool) -> Cost:
    c, p = g.c_in, g.p_in
    return Cost((parts.conv("conv", c, c, 9, p, p, bias=bias),))
