"""AdderNet's layer: the output is minus the L1 distance between filter and patch, - sum |w - x|.

A subtraction and an addition replace each multiply-accumulate; the absolute value is free.

The kernels are those of the module, not of an ideal adder kernel: PyTorch does not have one. Patches are
first unfolded (part `unfold`, k^2 times the input is written), then compared with the filters (part
`distance`, by torch.cdist), then negated (part `negate`, or `bias`, which subtracts instead). An ideal
kernel would have the traffic of a convolution and run as one kernel; the additions are the same.
"""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.spec.operator import Derived, Evaluation, Operator, Param, Policy, Site
from flopcalc.spec.rules import ONE_GROUP
from flopcalc.spec.source import Equation, Paper

ADDERNET = Paper(
    key="chen2020addernet",
    authors=("Chen, Hanting", "Wang, Yunhe", "Xu, Chunjing", "Shi, Boxin", "Xu, Chao", "Tian, Qi", "Xu, Chang"),
    title="AdderNet: Do We Really Need Multiplications in Deep Learning?",
    venue="CVPR",
    year=2020,
    arxiv="1912.13200",
)


def formula(g: Geometry, bias: bool, no_bias: bool) -> Iterable[Part]:
    """Unfold, distances, sign."""
    inner, size = g.c_in * g.area, g.c_out * g.p_out
    yield Part("unfold", "move", reads=g.c_in * g.p_in, writes=inner * g.p_out)
    yield parts.called("own module", parts.distances("distance", inner, g.c_out, g.p_out))
    yield from parts.when(no_bias, lambda: (Part("negate", "other", other=size, reads=size, writes=size),))
    yield from parts.when(
        bias,
        lambda: (Part("bias", "add", g.c_out, adds=size, reads=size + g.c_out, writes=size, call="own module, -"),),
    )


def _not_first(site: Site) -> str | None:
    return "the first convolution stays a convolution, as in AdderNet" if site.first else None


def _notes(e: Evaluation) -> Iterable[str]:
    steps = e.baseline.macs
    yield (
        f"No MACs, but {2 * steps:,} additions: two for each of the convolution's {steps:,} MACs. "
        "Its paper does not count batch norms, though they multiply."
    )
    yield (
        f"Traffic and critical path are those of the module (unfold, distances, sign); one adder kernel would move "
        f"{e.baseline.total('traffic'):,} elements, as a convolution does."
    )


OPERATOR = Operator(
    name="adder",
    title="AdderNet layer: additions instead of multiplications",
    family="convolutions",
    paper=ADDERNET,
    formula=formula,
    params=(Param("bias", "bool", False, "one bias for each output channel", samples=(True,)),),
    derived=(Derived("no_bias", lambda g, bias: not bias),),
    rules=(ONE_GROUP,),
    policy=Policy("every convolution except the first; the classifier also stays", _not_first),
    equations=(
        Equation(
            "filter F, Sec. 3.1",
            "d * d * c_in * c_out",
            {"d": "k", "c_in": "c_in", "c_out": "c_out"},
            "params",
            given={"bias": False},
        ),
    ),
    notes=_notes,
)
