"""CP factorisation: 1x1 to r channels, k x 1 and 1 x k depthwise on them, 1x1 to c_out.

The filters as a sum of r products of four vectors: over input channels, height, width and output
channels. Each axis has its own stride in its own depthwise convolution.
"""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.spec.operator import AUTO, Derived, Named, Operator, Param, Policy, spatial
from flopcalc.spec.rules import ONE_GROUP
from flopcalc.spec.source import Equation, Paper

LEBEDEV = Paper(
    key="lebedev2015speeding",
    authors=("Lebedev, Vadim", "Ganin, Yaroslav", "Rakhuba, Maksim", "Oseledets, Ivan", "Lempitsky, Victor"),
    title="Speeding-up Convolutional Neural Networks Using Fine-tuned CP-Decomposition",
    venue="ICLR",
    year=2015,
    arxiv="1412.6553",
)


def formula(g: Geometry, r: Dim, bias: bool) -> Iterable[Part]:
    """Four convolutions in a row; between the two depthwise ones, only the height is reduced."""
    between = g.n * g.h_out * g.w
    yield parts.conv("reduce", g.c_in, r, 1, g.p_in, g.p_in)
    yield parts.conv("vertical", r, r, g.k_h, g.p_in, between, groups=r)
    yield parts.conv("horizontal", r, r, g.k_w, between, g.p_out, groups=r)
    yield parts.conv("expand", r, g.c_out, 1, g.p_out, g.p_out, bias=bias)


def _rank(g: Geometry, rank: Dim) -> Dim:
    return g.c_out if rank is None else rank


def _why(g: Geometry, named: Named) -> str:
    return "rank: c_out; the paper sets it layer by layer" if named["rank"] is None else "set by the option rank"


_LETTERS = {"R": "r", "S": "c_in", "T": "c_out", "d": "k"}
_NO_BIAS = {"bias": False}

OPERATOR = Operator(
    name="cp",
    title="CP factorisation: 1x1, k x 1, 1 x k, 1x1",
    family="factorisations",
    paper=LEBEDEV,
    formula=formula,
    params=(
        Param("rank", "int", AUTO, "terms of the decomposition", 1, auto="c_out", samples=(1, 8, 200)),
        Param(
            "bias", "bool", False, "the bias of the convolution that is factorised, after the last 1x1", samples=(True,)
        ),
    ),
    derived=(Derived("r", _rank, _why),),
    rules=(ONE_GROUP,),
    policy=Policy("every convolution with a kernel larger than 1x1", spatial),
    equations=(
        Equation("parameters before, Sec. 3", "S * T * d^2", _LETTERS, "baseline_params", given=_NO_BIAS),
        Equation("parameters after, Sec. 3", "R * (S + 2 * d + T)", _LETTERS, "params", given=_NO_BIAS),
    ),
)
