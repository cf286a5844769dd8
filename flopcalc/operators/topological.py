"""Topological subdivisioning: channels are on a torus, and each output reads one neighbourhood of them.

dims are the sizes of the torus, neighbourhood the number of channels that an output reads along each. The
convolution itself is k x k, so its cost is that of a plain one times connected / c_in.
"""

from collections.abc import Iterable
from math import prod
from typing import Any

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.operators._topology import (
    LARGEST_SEARCHED,
    Sizes,
    channels_of,
    default_connections,
    halves,
    misfit,
    near_factors,
    text,
)
from flopcalc.operators.sic import WANG
from flopcalc.spec.channel_map import on_torus
from flopcalc.spec.operator import AUTO, Derived, Evaluation, Limit, Named, Operator, Param, Policy, Rule, spatial
from flopcalc.spec.rules import EQUAL_CHANNELS, ONE_GROUP
from flopcalc.spec.source import Equation


def torus(g: Geometry, dims: Sizes | None) -> Sizes | None:
    """The dims given, or the two factors of c_in nearest to each other; None where c_in is not a number."""
    return near_factors(g.c_in) if dims is None and type(g.c_in) is int else dims


def neighbours(g: Geometry, torus: Sizes | None, neighbourhood: Any) -> Any:
    """The neighbourhood given, or half of each dimension, rounded up."""
    return halves(torus) if neighbourhood is None and torus is not None else neighbourhood


def connections(g: Geometry, near: Any) -> Dim:
    """Input channels that each output reads. In closed forms `near` is that number, as a symbol."""
    if near is None:
        return default_connections(g.c_in)
    return prod(near) if isinstance(near, tuple) else near


def formula(g: Geometry, connected: Dim) -> Iterable[Part]:
    """A gather of the neighbours of each output, then one filter over them for each output."""
    seen = g.c_in * connected
    yield parts.copy("gather", seen * g.p_in, index=seen)
    yield parts.conv("conv", seen, g.c_in, g.area, g.p_in, g.p_out, groups=g.c_in)


def _fits(g: Geometry, named: Named) -> str | None:
    if named["dims"] is None and g.c_in > LARGEST_SEARCHED:
        return f"dims are not given, and {g.c_in} channels are too many to factor"
    return misfit(named["torus"], named["near"], g.c_in)


def _why_connected(g: Geometry, named: Named) -> str:
    return f"the neighbourhood {text(named['near'])} in the torus {text(named['torus'])}"


def _notes(e: Evaluation) -> Iterable[str]:
    yield "Cyclic and one-sided, as in the paper's algorithm; its text describes a centred one, which costs the same."
    gathered = e.geometry.c_in * e.named["connected"]
    yield f"The neighbours are gathered first: {gathered:,} channels are written and read, which MACs do not show."


OPERATOR = Operator(
    name="topological",
    title="Topological subdivisioning",
    family="compact convolutions",
    paper=WANG,
    formula=formula,
    params=(
        Param("dims", "ints", AUTO, "shape of the channel torus", auto="the two factors of c_in nearest to each other"),
        Param(
            "neighbourhood",
            "ints",
            AUTO,
            "channels that an output reads along each of dims",
            auto="half of each of dims, rounded up",
            letter="c_near",
            stands_for="connected",
        ),
    ),
    derived=(Derived("torus", torus), Derived("near", neighbours), Derived("connected", connections, _why_connected)),
    rules=(
        EQUAL_CHANNELS,
        ONE_GROUP,
        Rule(
            "the product of dims is c_in, and neighbourhood fits in dims",
            _fits,
            "give dims with the product --cin, and one neighbourhood size for each, not larger than the dim",
        ),
    ),
    limits=(Limit({"neighbourhood": (1, 1)}, equals="depthwise"),),
    policy=Policy("every convolution with a kernel larger than 1x1 and as many channels out as in", spatial),
    equations=(
        Equation(
            "cost, not numbered",
            "n * c * k^2 * h * w",
            {"n": "c_in", "c": "connected", "k": "k", "h": "h_out", "w": "w_out"},
            "macs",
        ),
        Equation("share of the standard cost", "c / n", {"n": "c_in", "c": "connected"}, "macs_ratio"),
    ),
    notes=_notes,
    default_c_in=channels_of,
    channel_map=lambda g, named, channel: on_torus(named["torus"], named["near"], channel),
    samples=(
        {"dims": (4, 6)},
        {"dims": (2, 3, 4), "neighbourhood": (1, 2, 3)},
        {"dims": (24,), "neighbourhood": (24,)},
    ),
)
