"""Shared by the operators on volumes: the depth axis."""

from typing import Any

from flopcalc.cost.arith import Dim, floor_div
from flopcalc.cost.geometry import SAME, Geometry
from flopcalc.spec.operator import AUTO, Derived, Named, Param, Policy, Rule

DEPTH = Param("depth", "int", AUTO, "depth of the input", 1, auto="the height")
NO_IMAGE = Policy("no convolution", lambda site: "it works on volumes, not on images")


def _depth_in(g: Geometry, depth: Dim) -> Dim:
    return g.h if depth is None else depth


def _depth_out(g: Geometry, d_in: Dim) -> Dim:
    along = g.depth
    return floor_div(d_in + along.more + 2 * along.padding - along.dilation * (along.k - 1) - 1, along.stride) + 1


def _why_in(g: Geometry, named: Named) -> str:
    return "as the height" if named["depth"] is None else "set by the option depth"


def _why_out(g: Geometry, named: Named) -> str:
    along = g.depth
    if not g.own_depth:
        return (
            f"by kernel {along.k}, stride {along.stride}, padding {along.padding}, dilation {along.dilation} of the "
            "height axis"
        )
    padding = f"{along.padding} and {along.padding + 1}" if along.more else along.padding
    return f"by kernel {along.k}, stride {along.stride}, padding {padding}, dilation {along.dilation} along the depth"


# taps: of the kernel along the depth; d_in, d_out: the depth of input and output.
VOLUME: tuple[Derived, ...] = (
    Derived("taps", lambda g: g.depth.k),
    Derived("d_in", _depth_in, _why_in),
    Derived("d_out", _depth_out, _why_out),
)


def _deep_enough(g: Geometry, named: Named) -> str | None:
    if named["d_out"] < 1:
        return f"a kernel of {g.depth.k} (dilation {g.depth.dilation}) does not fit the depth {named['d_in']}"
    return None


DEEP_ENOUGH = Rule("the kernel fits the depth", _deep_enough, "set a larger depth, or a smaller kernel")


def volume_in(g: Geometry, named: Named) -> tuple[int, ...]:
    """Channels, depth, height and width of the input."""
    return g.c_in, named["d_in"], g.h, g.w


def volume_out(g: Geometry, named: Named) -> tuple[int, ...]:
    """Channels, depth, height and width of the output."""
    return g.c_out, named["d_out"], g.h_out, g.w_out


def volume_settings(g: Geometry) -> dict[str, Any]:
    """Kernel, stride, padding and dilation in the order of torch's Conv3d: depth, height, width."""
    return {
        "kernel_size": (g.depth.k, *g.kernel),
        "stride": (g.depth.stride, *g.stride),
        "padding": SAME if g.uneven else (g.depth.padding, *g.padding),
        "dilation": (g.depth.dilation, *g.dilation),
    }
