"""Shared by the operators on volumes: the depth axis, which has the settings of the height axis."""

from typing import Any

from flopcalc.cost.arith import Dim, floor_div
from flopcalc.cost.geometry import Geometry
from flopcalc.spec.operator import AUTO, Derived, Named, Param, Policy, Rule

DEPTH = Param("depth", "int", AUTO, "depth of the input", 1, auto="the height")
NO_IMAGE = Policy("no convolution", lambda site: "it works on volumes, not on images")


def _depth_in(g: Geometry, depth: Dim) -> Dim:
    return g.h if depth is None else depth


def _depth_out(g: Geometry, d_in: Dim) -> Dim:
    return floor_div(d_in + 2 * g.padding_h - g.dilation_h * (g.k_h - 1) - 1, g.stride_h) + 1


def _why_in(g: Geometry, named: Named) -> str:
    return "as the height" if named["depth"] is None else "set by the option depth"


def _why_out(g: Geometry, named: Named) -> str:
    return f"by kernel {g.k_h}, stride {g.stride_h}, padding {g.padding_h}, dilation {g.dilation_h} of the height axis"


# taps: of the kernel along the depth; d_in, d_out: the depth of input and output.
VOLUME: tuple[Derived, ...] = (
    Derived("taps", lambda g: g.k_h),
    Derived("d_in", _depth_in, _why_in),
    Derived("d_out", _depth_out, _why_out),
)


def _deep_enough(g: Geometry, named: Named) -> str | None:
    if named["d_out"] < 1:
        return f"a kernel of {g.k_h} (dilation {g.dilation_h}) does not fit the depth {named['d_in']}"
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
        "kernel_size": (g.k_h, *g.kernel),
        "stride": (g.stride_h, *g.stride),
        "padding": (g.padding_h, *g.padding),
        "dilation": (g.dilation_h, *g.dilation),
    }
