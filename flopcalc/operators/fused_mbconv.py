"""Fused-MBConv: as MBConv, with the 1x1 expansion and the depthwise k x k fused into one k x k convolution."""

from collections.abc import Iterable
from fractions import Fraction

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.operators._excitation import excitation, excitation_of_input
from flopcalc.operators.mbconv import DERIVED, SOME_CHANNEL, notes, options
from flopcalc.spec.operator import NOWHERE, Limit, Operator
from flopcalc.spec.rules import ONE_GROUP, SAME_PADDING
from flopcalc.spec.source import Paper

EFFICIENTNETV2 = Paper(
    key="tan2021efficientnetv2",
    authors=("Tan, Mingxing", "Le, Quoc V."),
    title="EfficientNetV2: Smaller Models and Faster Training",
    venue="ICML",
    year=2021,
    arxiv="2104.00298",
    pages="10096-10106",
)


def formula(
    g: Geometry, hidden: Dim, m: Dim, norm: bool, activation: bool, adds: bool, expands: bool, excites: bool
) -> Iterable[Part]:
    """K x k up and 1x1 down; at expansion 1 a single k x k convolution."""
    yield from parts.when(expands, lambda: _expanded(g, hidden, m, norm, activation, excites))
    yield from parts.when(not expands, lambda: _single(g, m, norm, activation, excites))
    yield from parts.when(adds, lambda: (parts.add("sum", g.c_out, g.p_out),))


def _expanded(g: Geometry, hidden: Dim, m: Dim, norm: bool, activation: bool, excites: bool) -> Iterable[Part]:
    grid = g.p_out
    yield parts.conv("expand", g.c_in, hidden, g.area, g.p_in, grid)
    yield from parts.finish("expand", hidden, grid, norm, activation, "SiLU")
    yield from parts.when(excites, lambda: excitation("se.", hidden, m, grid, g.batch, True, "SiLU"))
    yield parts.conv("project", hidden, g.c_out, 1, grid, grid)
    yield from parts.finish("project", g.c_out, grid, norm, False)


def _single(g: Geometry, m: Dim, norm: bool, activation: bool, excites: bool) -> Iterable[Part]:
    # The excitation comes before the only convolution, on the input grid, as in the authors' code.
    yield from parts.when(excites, lambda: excitation_of_input("se.", g.c_in, m, g.p_in, g.batch, True, "SiLU"))
    yield parts.conv("project", g.c_in, g.c_out, g.area, g.p_in, g.p_out)
    yield from parts.finish("project", g.c_out, g.p_out, norm, activation, "SiLU")


OPERATOR = Operator(
    name="fused_mbconv",
    title="Fused-MBConv: k x k up, 1x1 down",
    family="blocks",
    paper=EFFICIENTNETV2,
    formula=formula,
    params=options(Fraction(0)),
    derived=DERIVED,
    rules=(ONE_GROUP, SAME_PADDING, SOME_CHANNEL),
    limits=(Limit({"expansion": 1}, equals="conv"),),
    policy=NOWHERE,
    notes=notes,
    baseline_text="conv k x k",
    samples=({"norm": True, "expansion": 1, "se": Fraction(1, 4)}, {"norm": True, "se": Fraction(1, 4)}),
)
