"""CondConv: a kernel for each sample, mixed from experts with the weights of a sigmoid."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.operators._dynamic import MODE, NOT_FIRST, TRAINING, mixed, overhead, ungrouped
from flopcalc.operators._most import MOST_COPIES
from flopcalc.spec.operator import Limit, Operator, Param
from flopcalc.spec.rules import GROUPS_DIVIDE
from flopcalc.spec.source import Equation, Paper

CONDCONV = Paper(
    key="yang2019condconv",
    authors=("Yang, Brandon", "Bender, Gabriel", "Le, Quoc V.", "Ngiam, Jiquan"),
    title="CondConv: Conditionally Parameterized Convolutions for Efficient Inference",
    venue="NeurIPS",
    year=2019,
    arxiv="1904.04971",
)


def formula(g: Geometry, experts: Dim, bias: bool, training: bool) -> Iterable[Part]:
    """Routing sigmoid(fc(mean of each channel)), then the mixing of the experts, then the convolution."""
    yield parts.global_avg_pool("routing.pool", g.c_in, g.p_in, g.batch)
    yield parts.linear("routing.fc", g.c_in, experts, g.batch)
    yield parts.called("Sigmoid", parts.act("routing.gate", experts, g.batch))
    yield from mixed(g, experts, bias, training, ready="routing.gate")


_LETTERS = {"n": "experts", "k": "k", "c_in": "c_in", "c_out": "c_out"}

OPERATOR = Operator(
    name="condconv",
    title="CondConv: conditionally parameterized convolution",
    family="dynamic convolutions",
    paper=CONDCONV,
    formula=formula,
    params=(
        Param("experts", "int", 8, "kernels that are mixed", 1, MOST_COPIES, letter="e", samples=(1, 3)),
        MODE,
        Param("bias", "bool", False, "a bias in every expert, mixed like the kernels", samples=(True,)),
    ),
    derived=(TRAINING,),
    rules=(GROUPS_DIVIDE,),
    limits=(Limit({"experts": 1}, "conv", surviving=("routing.pool", "routing.fc", "routing.gate", "aggregation")),),
    policy=NOT_FIRST,
    equations=(
        Equation(
            "prose: one multiply-add for each kernel parameter",
            "n * k^2 * c_in * c_out",
            _LETTERS,
            "macs of aggregation",
            given={"mode": "inference", "bias": False},
            domain=ungrouped,
            domain_text="one group",
        ),
        Equation(
            "routing function, the matrix R",
            "c_in * n",
            _LETTERS,
            "params of routing",
            status="corrected",
            right="c_in * n + n",
            why="The printed equation has no bias. The authors' code has one for each expert, and only with it does "
            "EfficientNet-B0 with 8 experts have its 24,013,284 parameters.",
        ),
    ),
    notes=overhead,
    samples=({"mode": "training", "bias": True, "experts": 3},),
)
