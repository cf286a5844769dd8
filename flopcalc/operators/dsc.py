"""Depthwise separable convolution (MobileNets): k x k filters for each channel, then a 1x1 convolution."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.spec.operator import AUTO, Named, Operator, Param, Policy, Site, spatial
from flopcalc.spec.rules import ONE_GROUP
from flopcalc.spec.source import Equation, Paper

MOBILENETS = Paper(
    key="howard2017mobilenets",
    authors=(
        "Howard, Andrew G.",
        "Zhu, Menglong",
        "Chen, Bo",
        "Kalenichenko, Dmitry",
        "Wang, Weijun",
        "Weyand, Tobias",
        "Andreetto, Marco",
        "Adam, Hartwig",
    ),
    title="MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications",
    venue="arXiv preprint",
    year=2017,
    arxiv="1704.04861",
)


def formula(g: Geometry, multiplier: Dim, bias: bool, norm: bool, activation: bool) -> Iterable[Part]:
    """Depthwise k x k at the layer's stride, then pointwise on the output grid."""
    mid = g.c_in * multiplier
    yield parts.conv("depthwise", g.c_in, mid, g.area, g.p_in, g.p_out, groups=g.c_in, bias=bias)
    yield from parts.finish("depthwise", mid, g.p_out, norm, activation)
    yield parts.conv("pointwise", mid, g.c_out, 1, g.p_out, g.p_out, bias=bias)
    yield from parts.finish("pointwise", g.c_out, g.p_out, norm, activation)


def _not_first(site: Site) -> str | None:
    return "the first convolution stays plain, as in MobileNet" if site.first else spatial(site)


_LETTERS = {"D_K": "k", "M": "c_in", "N": "c_out", "D_F": "h_out"}


def _square(g: Geometry, named: Named) -> bool:
    return bool(g.h_out == g.w_out)


OPERATOR = Operator(
    name="dsc",
    title="Depthwise separable convolution",
    family="convolutions",
    paper=MOBILENETS,
    formula=formula,
    params=(
        Param("multiplier", "int", 1, "depthwise filters for each input channel", 1, letter="m", samples=(2, 3)),
        Param("bias", "bool", False, "a bias in both convolutions", samples=(True,)),
        Param("norm", "bool", False, "batch norm after both convolutions, as in MobileNet", samples=(True,)),
        Param("activation", "bool", AUTO, "ReLU after both convolutions", same_as="norm", samples=(True, False)),
    ),
    rules=(ONE_GROUP,),
    policy=Policy("every convolution with a kernel larger than 1x1, except the first", _not_first),
    equations=(
        Equation(
            number="5",
            text="D_K * D_K * M * D_F * D_F + M * N * D_F * D_F",
            letters=_LETTERS,
            gives="macs",
            given={"multiplier": 1},
            domain=_square,
            domain_text="a square feature map",
        ),
        Equation(
            number="5, divided by the cost of a convolution",
            text="1 / N + 1 / D_K^2",
            letters=_LETTERS,
            gives="macs_ratio",
            given={"multiplier": 1},
        ),
    ),
)
