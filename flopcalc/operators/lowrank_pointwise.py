"""The low-rank pointwise convolution: 1x1 to `mid` channels, then 1x1 to all, with nothing in between.

A 1x1 convolution whose matrix has rank `mid` at most.
"""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, floor_div
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.operators._slides import SLIDES
from flopcalc.operators.pointwise import SINGLE_TAP, only_1x1
from flopcalc.spec.operator import AUTO, Derived, Evaluation, Named, Operator, Param, Policy, Rule
from flopcalc.spec.rules import ONE_GROUP
from flopcalc.spec.source import Equation


def middle(g: Geometry, mid: Dim) -> Dim:
    """Channels between the two convolutions."""
    return floor_div(g.c_out, 4) if mid is None else mid


def formula(g: Geometry, m: Dim) -> Iterable[Part]:
    """c_in * m weights at the layer's stride, then m * c_out on the output grid."""
    yield parts.conv("reduce", g.c_in, m, 1, g.p_in, g.p_out)
    yield parts.conv("expand", m, g.c_out, 1, g.p_out, g.p_out)


def _some_channels(g: Geometry, named: Named) -> str | None:
    return f"mid = c_out // 4 = {g.c_out} // 4 is 0, and at least one channel is needed" if named["m"] < 1 else None


def _why_middle(g: Geometry, named: Named) -> str:
    if named["mid"] is not None:
        return "set by the option mid"
    return f"c_out // 4 = {g.c_out} // 4"


def _notes(e: Evaluation) -> Iterable[str]:
    g, m = e.geometry, e.named["m"]
    limit = g.c_in * g.c_out / (g.c_in + g.c_out)
    yield (
        f"Cheaper than the 1x1 convolution for m < c_in c_out / (c_in + c_out) = {limit:.2f}, which is N / 2 for "
        f"N channels in and out, as in the paper. Here m = {m} is {'cheaper' if m < limit else 'not cheaper'}."
    )


_LETTERS = {"N": "c_in", "M": "m"}

OPERATOR = Operator(
    name="lowrank_pointwise",
    title="Low-rank pointwise convolution",
    family="compact convolutions",
    paper=SLIDES,
    formula=formula,
    params=(Param("mid", "int", AUTO, "channels in the middle: the rank", 1, auto="c_out // 4", samples=(8, 3)),),
    derived=(Derived("m", middle, _why_middle),),
    rules=(
        SINGLE_TAP,
        ONE_GROUP,
        Rule("at least one channel in the middle", _some_channels, "set mid, or use more output channels"),
    ),
    policy=Policy("every 1x1 convolution", only_1x1),
    equations=(
        Equation("parameters of the bottleneck", "2 * N * M", _LETTERS, "params", sizes={"c_out": "c_in"}),
        Equation("parameters without it", "N^2", {"N": "c_in"}, "baseline_params", sizes={"c_out": "c_in"}),
        Equation(
            "ratio of the bottleneck",
            "2 * N / M",
            _LETTERS,
            "params_ratio",
            status="corrected",
            right="2 * M / N",
            sizes={"c_out": "c_in"},
            why="Inverted: 2 N M over N^2 is 2 M / N. As printed, it is more than 2 for every M < N; the condition "
            "next to it, M < 0.5 N, is that of 2 M / N < 1.",
        ),
    ),
    notes=_notes,
    shape={"k": 1},
)
