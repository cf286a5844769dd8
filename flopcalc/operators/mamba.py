"""The Mamba block: a state space layer with steps that depend on the input (selective scan); tokens along the width."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, ceil_div
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.cost.parts import INPUT, NOTHING
from flopcalc.operators._recurrent import linear_layer
from flopcalc.operators.conv1d import NO_IMAGE
from flopcalc.spec.operator import AUTO, Derived, Evaluation, Named, Operator, Param
from flopcalc.spec.rules import EQUAL_CHANNELS, ONE_GROUP, single_tap
from flopcalc.spec.source import Equation, Paper

MAMBA = Paper(
    key="gu2024mamba",
    authors=("Gu, Albert", "Dao, Tri"),
    title="Mamba: Linear-Time Sequence Modeling with Selective State Spaces",
    venue="COLM",
    year=2024,
    arxiv="2312.00752",
)


def _scan(g: Geometry, inner: Dim, state: Dim) -> Iterable[Part]:
    """The recurrence h = exp(dt A) h + dt x B with y = C h, step by step; h has inner x state elements."""
    values, matrix = inner * g.p_out, inner * state
    size = values * state
    # The exponential of the matrix, with its sign changed.
    rates = Part("scan", "other", matrix, other=2 * matrix, reads=2 * matrix, writes=2 * matrix, after=NOTHING)
    yield rates._replace(steps=2, call="exp", extra=(matrix,))
    yield Part("scan.decay", "mul", muls=size, reads=values + matrix, writes=size, after=("dt_proj.act", "scan"))
    yield Part("scan.exp", "other", other=size, reads=size, writes=size, call="exp")
    yield Part(
        "scan.drive",
        "mul",
        muls=values + size,
        reads=3 * values + state * g.p_out,
        writes=values + size,
        steps=2,
        after=("conv.act", "dt_proj.act"),
    )
    # Each step keeps a share of the state, then adds to it, and waits for the step before.
    yield Part("scan.keep", "mul", muls=size, reads=2 * size, writes=size, steps=g.w_out, after=("scan.exp",))
    both = ("scan.keep", "scan.drive")
    yield Part("scan.add", "add", adds=size, reads=2 * size, writes=size, steps=g.w_out, after=both)
    yield parts.called(
        "torch.bmm", parts.parallel(g.w_out, parts.matmul("scan.output", inner, state, 1, batch=g.batch))
    )
    yield parts.copy("scan.join", values)


def formula(g: Geometry, inner: Dim, state: Dim, taps: Dim, rank: Dim, bias: bool) -> Iterable[Part]:
    """Two branches of `inner` channels; one passes a short convolution and the scan, the other one gates it."""
    c, p = g.c_in, g.p_out
    longer = g.batch * (g.w_out + taps - 1)
    values = inner * p
    yield parts.conv("in_proj", c, 2 * inner, 1, p, p, bias=bias, after=INPUT)
    yield Part("conv.pad", "move", reads=values, writes=inner * longer)
    yield parts.conv("conv", inner, inner, taps, longer, p, groups=inner, bias=True)
    yield parts.called("SiLU", parts.act("conv.act", inner, p))
    yield parts.conv("x_proj", inner, rank + 2 * state, 1, p, p)
    yield parts.conv("dt_proj", rank, inner, 1, p, p, bias=True)
    yield parts.called("Softplus", parts.act("dt_proj.act", inner, p))
    yield from _scan(g, inner, state)
    # A trained share of the scan's input is added.
    yield Part("share", "mul", inner, muls=values, reads=values + inner, writes=values, after=("conv.act",))
    yield parts.add("skip", inner, p, after=("scan.join", "share"))
    yield parts.called("SiLU", parts.act("gate.act", inner, p, after=("in_proj",)))
    yield Part("gate", "mul", muls=values, reads=2 * values, writes=values, after=("skip", "gate.act"))
    yield parts.conv("out_proj", inner, g.c_out, 1, p, p, bias=bias)


def _rank(g: Geometry, dt_rank: int | None) -> Dim:
    return ceil_div(g.c_in, 16) if dt_rank is None else dt_rank


def _row_in(g: Geometry, named: Named) -> tuple[int, ...]:
    return g.c_in, 1, g.w_out


def _row_out(g: Geometry, named: Named) -> tuple[int, ...]:
    return g.c_out, 1, g.w_out


def _notes(e: Evaluation) -> Iterable[str]:
    scan = [part for part in e.cost if part.name.startswith("scan.")]
    elementwise = sum(part.adds + part.muls + part.other for part in scan)
    flops = 2 * sum(part.macs for part in scan) + elementwise
    yield (
        f"The scan has {flops:,} FLOPs: 7 for each token and element of the state (3 products, an exponential, a sum, "
        "a multiply-add), and a product for each channel. Counters do not see it where it is one custom kernel."
    )
    yield (
        "Counted in the recurrent form, with the kernels of each step, one by one; fused and parallel scans change "
        "traffic and steps, and a parallel scan does more arithmetic."
    )


OPERATOR = Operator(
    name="mamba",
    title="Mamba block: selective scan",
    family="recurrent layers",
    paper=MAMBA,
    formula=formula,
    params=(
        Param("expansion", "int", 2, "inner channels over c_in", 1, letter="E", samples=(1, 3)),
        Param("state", "int", 16, "elements of the state of each inner channel", 1, letter="N", samples=(4,)),
        Param("taps", "int", 4, "taps of the convolution before the scan", 1, letter="q", samples=(3,)),
        Param(
            "dt_rank", "int", AUTO, "channels from which the step sizes are computed", 1, auto="c_in / 16, rounded up"
        ),
        Param("bias", "bool", False, "a bias in the first and in the last projection", samples=(True,)),
    ),
    derived=(
        Derived(
            "inner",
            lambda g, expansion: expansion * g.c_in,
            lambda g, v: f"inner channels: {v['expansion']} * {g.c_in}",
        ),
        Derived(
            "rank",
            _rank,
            lambda g, v: f"ceil({g.c_in} / 16)" if v["dt_rank"] is None else "set by the option dt_rank",
        ),
    ),
    rules=(
        single_tap("a Mamba block has kernel 1, stride 1 and no padding; its convolution is set by taps"),
        EQUAL_CHANNELS,
        ONE_GROUP,
    ),
    policy=NO_IMAGE,
    equations=(
        Equation(
            "sec. 3.4, input projections",
            "2 * E * D^2",
            {"E": "expansion", "D": "c_in"},
            "params of in_proj",
            given={"bias": False},
        ),
        Equation(
            "sec. 3.4, output projection",
            "E * D^2",
            {"E": "expansion", "D": "c_in"},
            "params of out_proj",
            given={"bias": False},
        ),
    ),
    notes=_notes,
    baseline=linear_layer,
    baseline_text="linear",
    shape={"k": 1},
    axes=1,
    in_shape=_row_in,
    out_shape=_row_out,
    samples=({"expansion": 1, "state": 3, "dt_rank": 2}, {"state": 5, "taps": 2, "bias": True}),
)
