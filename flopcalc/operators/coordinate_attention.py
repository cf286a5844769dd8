"""Coordinate attention: a weight for each channel and row, and one for each channel and column."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, floor_div, maximum
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.cost.parts import GIVEN, INPUT
from flopcalc.operators._conv3x3 import conv3x3
from flopcalc.operators._gates import POLICY, RULES
from flopcalc.spec.operator import Derived, Evaluation, Operator, Param
from flopcalc.spec.source import Equation, Paper

COORDINATE = Paper(
    key="hou2021coordinate",
    authors=("Hou, Qibin", "Zhou, Daquan", "Feng, Jiashi"),
    title="Coordinate Attention for Efficient Mobile Network Design",
    venue="CVPR",
    year=2021,
    arxiv="2103.02907",
    doi="10.1109/CVPR46437.2021.01350",
    pages="13713-13722",
)


def formula(g: Geometry, m: Dim, bias: bool, norm: bool) -> Iterable[Part]:
    """Means of rows and of columns, a 1x1 convolution of all of them, and one back for rows and for columns."""
    c, p = g.c_in, g.p_in
    rows, columns = g.batch * g.h, g.batch * g.w
    yield _means("pool_h", c, p, rows)
    yield _means("pool_w", c, p, columns)
    yield parts.copy("join", c * (rows + columns), after=("pool_h", "pool_w"))
    yield parts.conv("reduce", c, m, 1, rows + columns, rows + columns, bias=bias)
    yield from parts.when(norm, lambda: (parts.norm("norm", m, rows + columns),))
    yield parts.called("Hardswish", parts.act("act", m, rows + columns))
    for name, lines in (("height", rows), ("width", columns)):
        yield parts.conv(name, m, c, 1, lines, lines, bias=bias, after=("act",))
        yield parts.called("Sigmoid", parts.act(f"{name}.gate", c, lines))
    yield parts.scale("scale_w", c, p, columns, after=(GIVEN, "width.gate"))
    yield parts.scale("scale_h", c, p, rows, after=("scale_w", "height.gate"))


def _means(name: str, c: Dim, p: Dim, lines: Dim) -> Part:
    means = Part(name, "gap", adds=c * p, other=c * lines, reads=c * p, writes=c * lines, after=INPUT)
    return parts.called("AdaptiveAvgPool to cells", means)


def _notes(e: Evaluation) -> Iterable[str]:
    g = e.geometry
    yield (
        f"{e.cost.macs:,} MACs on {g.h} + {g.w} rows and columns: they grow with the side of the map, not with "
        "its area. The products with the map are element-wise work."
    )
    yield "h-swish is counted as one activation; the authors' code writes it as five element-wise kernels."
    if not e.named["norm"]:
        yield "Counted without the batch norm after the first convolution: --set norm=true adds it."


OPERATOR = Operator(
    name="coordinate_attention",
    title="Coordinate attention",
    family="blocks",
    paper=COORDINATE,
    formula=formula,
    params=(
        Param(
            "reduction", "int", 32, "c_in over the channels between the convolutions", 1, letter="r", samples=(4, 16)
        ),
        Param("least", "int", 8, "at least as many channels between them", 1, letter="b", samples=(1, 16)),
        Param("bias", "bool", True, "a bias in all three convolutions", samples=(False,)),
        Param(
            "norm", "bool", False, "batch norm after the first convolution, as in the authors' code", samples=(True,)
        ),
    ),
    derived=(
        Derived(
            "m",
            lambda g, reduction, least: maximum(floor_div(g.c_in, reduction), least),
            lambda g, v: (
                "channels between the convolutions: max(floor(c_in / reduction), least) = "
                f"max({g.c_in} // {v['reduction']}, {v['least']})"
            ),
        ),
    ),
    rules=RULES,
    policy=POLICY,
    equations=(
        Equation(
            "channels of f, Sec. 3.2",
            "C / r",
            {"C": "c_in", "r": "reduction", "b": "least"},
            "m",
            status="corrected",
            right="max(floor(C / r), b)",
            why="The authors' code takes at least 8 channels: with r = 32 the printed form holds from 256 channels on.",
        ),
    ),
    notes=_notes,
    baseline=conv3x3,
    baseline_text="conv 3x3",
    shape={"k": 1},
)
