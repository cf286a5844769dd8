"""Low-rank factorisation of a convolution: r filters of k x k, then a 1x1 convolution to c_out.

The c_out x (c_in k^2) matrix of the filters as a product of rank r, which a singular value decomposition
gives, as in Denton et al. 2014 and Zhang et al. 2016.
"""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, floor_div
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.spec.operator import AUTO, Derived, Evaluation, Named, Operator, Param, Policy, Rule, spatial
from flopcalc.spec.rules import ONE_GROUP
from flopcalc.spec.source import Equation, Paper

ZHANG = Paper(
    key="zhang2016accelerating",
    authors=("Zhang, Xiangyu", "Zou, Jianhua", "He, Kaiming", "Sun, Jian"),
    title="Accelerating Very Deep Convolutional Networks for Classification and Detection",
    venue="TPAMI",
    year=2016,
    arxiv="1505.06798",
)


def formula(g: Geometry, r: Dim, bias: bool) -> Iterable[Part]:
    """K x k at the layer's stride, then 1x1 on the output grid."""
    yield parts.conv("basis", g.c_in, r, g.area, g.p_in, g.p_out)
    yield parts.conv("mix", r, g.c_out, 1, g.p_out, g.p_out, bias=bias)


def _rank(g: Geometry, rank: Dim) -> Dim:
    return floor_div(g.c_out, 4) if rank is None else rank


def _why(g: Geometry, named: Named) -> str:
    return f"rank: floor({g.c_out} / 4)" if named["rank"] is None else "set by the option rank"


def _rank_fits(g: Geometry, named: Named) -> str | None:
    r, full = named["r"], min(g.c_out, g.c_in * g.area)
    return None if 1 <= r <= full else f"rank {r} of a {g.c_out} x {g.c_in * g.area} matrix"


def _notes(e: Evaluation) -> Iterable[str]:
    g = e.geometry
    limit = g.c_out * g.c_in * g.area / (g.c_in * g.area + g.c_out)
    yield f"Cheaper than the convolution for r < c_out c_in k^2 / (c_in k^2 + c_out) = {limit:.2f}; r = {e.named['r']}."


_LETTERS = {"dp": "r", "k": "k", "c": "c_in", "d": "c_out"}
_NO_BIAS = {"bias": False}

OPERATOR = Operator(
    name="svd",
    title="Low-rank factorisation: k x k to rank r, then 1x1",
    family="factorisations",
    paper=ZHANG,
    formula=formula,
    params=(
        Param("rank", "int", AUTO, "filters of the k x k convolution", 1, auto="c_out // 4", samples=(1, 8)),
        Param("bias", "bool", False, "the bias of the convolution that is factorised, after the 1x1", samples=(True,)),
    ),
    derived=(Derived("r", _rank, _why),),
    rules=(
        ONE_GROUP,
        Rule("1 <= rank <= min(c_out, c_in k^2)", _rank_fits, "choose a rank within the matrix, such as --set rank=8"),
    ),
    policy=Policy("every convolution with a kernel larger than 1x1", spatial),
    equations=(
        # The paper writes d' for the rank and gives complexities per output position.
        Equation("complexity before, Sec. 3.1", "d * k^2 * c", _LETTERS, "baseline_params", given=_NO_BIAS),
        Equation("complexity after, Sec. 3.1", "dp * k^2 * c + d * dp", _LETTERS, "params", given=_NO_BIAS),
    ),
    notes=_notes,
)
