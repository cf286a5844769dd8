"""Tucker-2 factorisation: 1x1 from c_in to r1, k x k from r1 to r2, 1x1 from r2 to c_out.

The filters are decomposed along their input and output channels. The stride is that of the k x k
convolution, so the first 1x1 works on the input grid.
"""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, floor_div
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.spec.operator import AUTO, Derived, Named, Operator, Param, Policy, Rule, spatial
from flopcalc.spec.rules import ONE_GROUP
from flopcalc.spec.source import Equation, Paper

KIM = Paper(
    key="kim2016compression",
    authors=("Kim, Yong-Deok", "Park, Eunhyeok", "Yoo, Sungjoo", "Choi, Taelim", "Yang, Lu", "Shin, Dongjun"),
    title="Compression of Deep Convolutional Neural Networks for Fast and Low Power Mobile Applications",
    venue="ICLR",
    year=2016,
    arxiv="1511.06530",
)


def formula(g: Geometry, r1: Dim, r2: Dim, bias: bool) -> Iterable[Part]:
    """Three convolutions in a row."""
    yield parts.conv("reduce", g.c_in, r1, 1, g.p_in, g.p_in)
    yield parts.conv("core", r1, r2, g.area, g.p_in, g.p_out)
    yield parts.conv("expand", r2, g.c_out, 1, g.p_out, g.p_out, bias=bias)


def _rank1(g: Geometry, rank1: Dim) -> Dim:
    return floor_div(g.c_in, 4) if rank1 is None else rank1


def _rank2(g: Geometry, rank2: Dim) -> Dim:
    return floor_div(g.c_out, 4) if rank2 is None else rank2


def _why1(g: Geometry, named: Named) -> str:
    return f"input rank: floor({g.c_in} / 4)" if named["rank1"] is None else "set by the option rank1"


def _why2(g: Geometry, named: Named) -> str:
    return f"output rank: floor({g.c_out} / 4)" if named["rank2"] is None else "set by the option rank2"


def _ranks_fit(g: Geometry, named: Named) -> str | None:
    for name, r, c in (("rank1", named["r1"], g.c_in), ("rank2", named["r2"], g.c_out)):
        if not 1 <= r <= c:
            return f"{name} = {r} is not between 1 and {c} channels"
    return None


# The paper's D is the kernel, S and T the channels, R_3 and R_4 the ranks, H' W' the output.
_LETTERS = {
    "D": "k",
    "S": "c_in",
    "T": "c_out",
    "R_3": "r1",
    "R_4": "r2",
    "H": "h",
    "W": "w",
    "Hp": "h_out",
    "Wp": "w_out",
}
_SIZES = {letter: name for letter, name in _LETTERS.items() if letter not in ("H", "W", "Hp", "Wp")}

OPERATOR = Operator(
    name="tucker2",
    title="Tucker-2 factorisation: 1x1, k x k, 1x1",
    family="factorisations",
    paper=KIM,
    formula=formula,
    params=(
        Param(
            "rank1", "int", AUTO, "channels between the first 1x1 and the k x k", 1, auto="c_in // 4", samples=(1, 8)
        ),
        Param(
            "rank2", "int", AUTO, "channels between the k x k and the last 1x1", 1, auto="c_out // 4", samples=(1, 8)
        ),
        Param(
            "bias", "bool", False, "the bias of the convolution that is factorised, after the last 1x1", samples=(True,)
        ),
    ),
    derived=(Derived("r1", _rank1, _why1), Derived("r2", _rank2, _why2)),
    rules=(
        ONE_GROUP,
        Rule("1 <= rank1 <= c_in, 1 <= rank2 <= c_out", _ranks_fit, "choose smaller ranks, or more channels"),
    ),
    policy=Policy("every convolution with a kernel larger than 1x1", spatial),
    equations=(
        Equation(
            "compression ratio M, Sec. 3",
            "D^2 * S * T / (S * R_3 + D^2 * R_3 * R_4 + T * R_4)",
            _SIZES,
            "compression",
            given={"bias": False},
        ),
        Equation(
            "speed-up ratio E, Sec. 3",
            "D^2 * S * T * Hp * Wp / (S * R_3 * H * W + D^2 * R_3 * R_4 * Hp * Wp + T * R_4 * Hp * Wp)",
            _LETTERS,
            "speedup",
        ),
    ),
)
