"""Dynamic convolution: a kernel for each sample, mixed from K kernels with the weights of an attention over them."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, floor_div
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.operators._dynamic import MODE, NOT_FIRST, TRAINING, mixed, overhead, ungrouped
from flopcalc.operators._most import MOST_COPIES
from flopcalc.spec.operator import Derived, Evaluation, Limit, Named, Operator, Param, Rule
from flopcalc.spec.rules import GROUPS_DIVIDE
from flopcalc.spec.source import Equation, Paper

DYNAMIC = Paper(
    key="chen2020dynamic",
    authors=("Chen, Yinpeng", "Dai, Xiyang", "Liu, Mengchen", "Chen, Dongdong", "Yuan, Lu", "Liu, Zicheng"),
    title="Dynamic Convolution: Attention over Convolution Kernels",
    venue="CVPR",
    year=2020,
    arxiv="1912.03458",
    pages="11030-11039",
)


def formula(g: Geometry, kernels: Dim, squeezed: Dim, bias: bool, training: bool) -> Iterable[Part]:
    """Attention softmax(fc(relu(fc(mean of each channel)))), then the mixing of the kernels, then the convolution."""
    yield parts.global_avg_pool("routing.pool", g.c_in, g.p_in, g.batch)
    yield parts.linear("routing.squeeze", g.c_in, squeezed, g.batch)
    yield parts.act("routing.act", squeezed, g.batch)
    yield parts.linear("routing.excite", squeezed, kernels, g.batch)
    yield parts.called("Softmax", parts.softmax("routing.softmax", kernels * g.batch, g.batch))
    yield from mixed(g, kernels, bias, training, ready="routing.softmax")


def attention_cost(g: Geometry, squeezed: Dim, kernels: Dim) -> Dim:
    """The attention as its paper counts it: the additions of the pooling also count as Mult-Adds."""
    return g.h * g.w * g.c_in + g.c_in * squeezed + squeezed * kernels


def _enough_channels(g: Geometry, named: Named) -> str | None:
    if named["squeezed"] < 1:
        return f"c_in // reduction = {g.c_in} // {named['reduction']} is 0, and the attention needs a channel"
    return None


def _notes(e: Evaluation) -> Iterable[str]:
    yield from overhead(e)
    yield (
        "Both fully connected layers have biases here; the paper's formula of the attention has none. With them "
        "ResNet-18, dynamic except for its first convolution, has 45.472M parameters (45.471M without)."
    )


def _reduction_divides(g: Geometry, named: Named) -> bool:
    return bool(g.c_in % named["reduction"] == 0)


_LETTERS = {"C_in": "c_in", "C_out": "c_out", "D_k": "k", "K": "kernels", "H": "h", "W": "w"}
_GRID = {**_LETTERS, "H": "h_out", "W": "w_out"}

OPERATOR = Operator(
    name="dynamic_conv",
    title="Dynamic convolution: attention over kernels",
    family="dynamic convolutions",
    paper=DYNAMIC,
    formula=formula,
    params=(
        Param("kernels", "int", 4, "kernels that are mixed", 1, MOST_COPIES, letter="K", samples=(1, 3)),
        Param("reduction", "int", 4, "the attention squeezes c_in to c_in // reduction", 1, letter="r", samples=(1, 3)),
        MODE,
        Param("bias", "bool", False, "a bias in every kernel, mixed like the weights", samples=(True,)),
    ),
    derived=(
        TRAINING,
        Derived(
            "squeezed",
            lambda g, reduction: floor_div(g.c_in, reduction),
            lambda g, v: f"channels inside the attention: c_in // reduction = {g.c_in} // {v['reduction']}",
        ),
        Derived(
            "attention",
            attention_cost,
            lambda g, v: "Mult-Adds of the attention as its paper counts them, with those of the pooling",
        ),
    ),
    rules=(
        GROUPS_DIVIDE,
        Rule("c_in is at least reduction", _enough_channels, "choose a smaller reduction (--set reduction=1)"),
    ),
    limits=(
        Limit(
            {"kernels": 1},
            "conv",
            surviving=(
                "routing.pool",
                "routing.squeeze",
                "routing.act",
                "routing.excite",
                "routing.softmax",
                "aggregation",
            ),
        ),
    ),
    policy=NOT_FIRST,
    equations=(
        Equation(
            "attention, not numbered",
            "H * W * C_in + C_in^2 / 4 + C_in * K / 4",
            _LETTERS,
            "attention",
            given={"reduction": 4},
            domain=_reduction_divides,
            domain_text="reduction divides c_in",
        ),
        Equation(
            "kernel aggregation, not numbered",
            "K * C_in * C_out * D_k^2 + K * C_out",
            _LETTERS,
            "macs of aggregation",
            given={"mode": "inference", "bias": True},
            domain=ungrouped,
            domain_text="one group",
        ),
        Equation(
            "convolution, not numbered",
            "H * W * C_in * C_out * D_k^2",
            _GRID,
            "macs of convolution",
            given={"mode": "inference"},
            domain=ungrouped,
            domain_text="one group",
        ),
    ),
    notes=_notes,
    shapes=({"c_in": 24, "c_out": 30, "hw": 9},),
    samples=({"mode": "training", "bias": True, "kernels": 3},),
)
