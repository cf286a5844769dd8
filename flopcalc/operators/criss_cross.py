"""Criss-cross attention: each position attends to its row and its column; repeated, every position sees all."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, floor_div
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.cost.parts import INPUT, NOTHING
from flopcalc.operators import _heads as shared
from flopcalc.operators._conv3x3 import conv3x3_with_their_bias
from flopcalc.spec.operator import Derived, Evaluation, Named, Operator, Param, Rule
from flopcalc.spec.source import Equation, Paper

CCNET = Paper(
    key="huang2019ccnet",
    authors=(
        "Huang, Zilong",
        "Wang, Xinggang",
        "Huang, Lichao",
        "Huang, Chang",
        "Wei, Yunchao",
        "Liu, Wenyu",
    ),
    title="CCNet: Criss-Cross Attention for Semantic Segmentation",
    venue="ICCV",
    year=2019,
    arxiv="1811.11721",
)


def _one_round(g: Geometry, mid: Dim, bias: bool) -> Iterable[Part]:
    c, p = g.c_in, g.p_out
    size, arranged = c * p, (2 * mid + c) * p
    along_h, along_w = p * g.h_out, p * g.w_out
    yield parts.conv("query", c, mid, 1, p, p, bias=bias)
    yield parts.conv("key", c, mid, 1, p, p, bias=bias, after=INPUT)
    yield parts.conv("value", c, c, 1, p, p, bias=bias, after=INPUT)
    # Each column, then each row, as a sequence of its own.
    yield parts.copy("columns.arrange", arranged, after=("query", "key", "value"))
    yield parts.called("torch.bmm", parts.matmul("columns.scores", g.h_out, mid, g.h_out, batch=g.batch * g.w_out))
    # A position is in its row and in its column: its place in the column is masked.
    yield Part("columns.mask", "move", reads=g.h_out, writes=g.h_out**2, after=NOTHING)
    yield Part(
        "columns.mask.add",
        "add",
        adds=along_h,
        reads=along_h + g.h_out**2,
        writes=along_h,
        after=("columns.scores", "columns.mask"),
    )
    yield parts.copy("rows.arrange", arranged, after=("query", "key", "value"))
    yield parts.called("torch.bmm", parts.matmul("rows.scores", g.w_out, mid, g.w_out, batch=g.batch * g.h_out))
    yield parts.copy("join", along_h + along_w, after=("columns.mask.add", "rows.scores"))
    yield parts.called("Softmax", parts.softmax("softmax", along_h + along_w, p))
    yield parts.copy("columns.split", along_h)
    yield parts.called("torch.bmm", parts.matmul("columns.mix", c, g.h_out, g.h_out, batch=g.batch * g.w_out))
    yield parts.copy("rows.split", along_w, after=("softmax",))
    yield parts.called("torch.bmm", parts.matmul("rows.mix", c, g.w_out, g.w_out, batch=g.batch * g.h_out))
    yield parts.add("sum", c, p, after=("columns.mix", "rows.mix"))
    yield Part("scale", "mul", 1, muls=size, reads=size + 1, writes=size)
    yield parts.add("residual", c, p)


def formula(g: Geometry, mid: Dim, recurrence: Dim, bias: bool) -> Iterable[Part]:
    """Attention along columns and rows with one softmax, a trained factor and a residual sum, `recurrence` times."""
    for part in _one_round(g, mid, bias):
        yield parts.times(recurrence, part)._replace(params=part.params)


def _channels_left(g: Geometry, named: Named) -> str | None:
    if named["mid"] < 1:
        return f"c_in / reduction = {g.c_in} / {named['reduction']} is less than one channel"
    return None


def _notes(e: Evaluation) -> Iterable[str]:
    g, v = e.geometry, e.named
    products = sum(part.macs for part in e.cost if part.work == "matmul")
    whole = (g.h_out * g.w_out) ** 2 * (g.c_in + v["mid"])
    yield (
        f"Products of positions with positions: {products:,} MACs; one round in which each position attends to all "
        f"would have {whole:,}."
    )
    yield (
        f"As in the authors' code, {g.h_out} + {g.w_out} scores are computed for each position, its own twice, one of "
        f"which is masked; the paper counts {g.h_out} + {g.w_out} - 1. The rounds share their weights."
    )


OPERATOR = Operator(
    name="criss_cross",
    title="Criss-cross attention",
    family="attention",
    paper=CCNET,
    formula=formula,
    params=(
        Param(
            "reduction",
            "int",
            8,
            "channels of queries and keys: c_in / reduction, rounded down",
            1,
            letter="r",
            samples=(4, 1),
        ),
        Param("recurrence", "int", 2, "rounds, which share their weights", 1, letter="R", samples=(1, 3)),
        shared.BIAS,
    ),
    derived=(
        Derived(
            "mid",
            lambda g, reduction: floor_div(g.c_in, reduction),
            lambda g, v: f"floor(c_in / reduction) = floor({g.c_in} / {v['reduction']})",
        ),
        Derived(
            "pairs",
            lambda g: g.h_out * g.w_out * (g.h_out + g.w_out - 1),
            lambda g, v: f"pairs of positions: {g.h_out} * {g.w_out} * ({g.h_out} + {g.w_out} - 1)",
        ),
    ),
    rules=(
        *shared.ON_A_MAP,
        Rule("reduction leaves at least one channel", _channels_left, "choose a smaller reduction"),
    ),
    policy=shared.NO_CONVOLUTION,
    equations=(
        Equation(
            "Sec. 1 of the ICCV version, as notes on it quote it",
            "(H * W) * (H + W - 1)",
            {"H": "h_out", "W": "w_out"},
            "pairs",
        ),
    ),
    notes=_notes,
    baseline=conv3x3_with_their_bias,
    baseline_text="conv 3x3",
    shape={"k": 1},
    shapes=({"c_in": 32, "hw": 7}, {"c_in": 24, "hw": (5, 9), "batch": 2}),
)
