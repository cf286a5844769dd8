"""Axial attention: self-attention along the columns, then along the rows."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.operators import _heads as shared
from flopcalc.operators._conv3x3 import conv3x3_with_their_bias
from flopcalc.spec.operator import Derived, Evaluation, Operator
from flopcalc.spec.source import Equation, Paper

AXIAL = Paper(
    key="ho2019axial",
    authors=("Ho, Jonathan", "Kalchbrenner, Nal", "Weissenborn, Dirk", "Salimans, Tim"),
    title="Axial Attention in Multidimensional Transformers",
    venue="arXiv",
    year=2019,
    arxiv="1912.12180",
)
# It prints the number of pairs along one axis.
AXIAL_DEEPLAB = Paper(
    key="wang2020axial",
    authors=(
        "Wang, Huiyu",
        "Zhu, Yukun",
        "Green, Bradley",
        "Adam, Hartwig",
        "Yuille, Alan",
        "Chen, Liang-Chieh",
    ),
    title="Axial-DeepLab: Stand-Alone Axial-Attention for Panoptic Segmentation",
    venue="ECCV",
    year=2020,
    arxiv="2003.07853",
)


def _along(name: str, g: Geometry, heads: Dim, width: Dim, length: Dim, lines: Dim, bias: bool) -> Iterable[Part]:
    """Multi-head self-attention within each of `lines` lines of `length` positions."""
    c, p = g.c_in, g.p_out
    size = c * p
    yield parts.conv(f"{name}.qkv", c, 3 * c, 1, p, p, bias=bias)
    yield parts.copy(f"{name}.arrange", 3 * size)
    yield Part(f"{name}.scale", "mul", muls=size, reads=size, writes=size)
    yield parts.called("torch.bmm", parts.matmul(f"{name}.scores", length, width, length, batch=lines * heads))
    yield parts.called("Softmax", parts.softmax(f"{name}.softmax", lines * heads * length**2, lines * heads * length))
    yield parts.called("torch.bmm", parts.matmul(f"{name}.mix", width, length, length, batch=lines * heads))
    yield parts.copy(f"{name}.arrange_back", size)
    yield parts.conv(f"{name}.projection", c, c, 1, p, p, bias=bias)


def formula(g: Geometry, heads: Dim, width: Dim, bias: bool) -> Iterable[Part]:
    """Two layers of self-attention with weights of their own, one for each axis."""
    yield from _along("columns", g, heads, width, g.h_out, g.batch * g.w_out, bias)
    yield from _along("rows", g, heads, width, g.w_out, g.batch * g.h_out, bias)


def _notes(e: Evaluation) -> Iterable[str]:
    g = e.geometry
    products = sum(part.macs for part in e.cost if part.work == "matmul")
    yield (
        f"Products of positions with positions: {products:,} MACs; one layer in which each position attends to all "
        f"would have {2 * (g.h_out * g.w_out) ** 2 * g.c_in:,}."
    )
    yield "Without position terms, normalisation and residual sums."


OPERATOR = Operator(
    name="axial_attention",
    title="Axial attention: along columns, then along rows",
    family="attention",
    paper=AXIAL,
    formula=formula,
    params=(shared.HEADS, shared.BIAS),
    derived=(
        shared.WIDTH,
        Derived(
            "column_pairs",
            lambda g: g.h_out**2 * g.w_out,
            lambda g, v: f"pairs along the columns: {g.h_out}^2 * {g.w_out}",
        ),
        Derived(
            "row_pairs", lambda g: g.h_out * g.w_out**2, lambda g, v: f"pairs along the rows: {g.h_out} * {g.w_out}^2"
        ),
    ),
    rules=(*shared.ON_A_MAP, shared.HEADS_DIVIDE),
    policy=shared.NO_CONVOLUTION,
    equations=(
        Equation(
            "sec. 3.2", "h * w * m", {"h": "h_out", "w": "w_out", "m": "h_out"}, "column_pairs", paper=AXIAL_DEEPLAB
        ),
        Equation("sec. 3.2", "h * w * m", {"h": "h_out", "w": "w_out", "m": "w_out"}, "row_pairs", paper=AXIAL_DEEPLAB),
    ),
    notes=_notes,
    baseline=conv3x3_with_their_bias,
    baseline_text="conv 3x3",
    shape={"k": 1},
    shapes=({"c_in": 32, "hw": 7}, {"c_in": 24, "hw": (5, 9), "batch": 2}),
)
