"""The RepVGG block: three branches in training, one convolution with a bias when deployed."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.cost.parts import INPUT
from flopcalc.spec.operator import Derived, Evaluation, Limit, Named, Operator, Param, Policy, Site
from flopcalc.spec.rules import GROUPS_DIVIDE, SAME_PADDING
from flopcalc.spec.source import Paper

REPVGG = Paper(
    key="ding2021repvgg",
    authors=("Ding, Xiaohan", "Zhang, Xiangyu", "Ma, Ningning", "Han, Jungong", "Ding, Guiguang", "Sun, Jian"),
    title="RepVGG: Making VGG-style ConvNets Great Again",
    venue="CVPR",
    year=2021,
    arxiv="2101.03697",
    pages="13733-13742",
)


def has_identity(g: Geometry, trains: bool) -> bool:
    """Whether the third branch, a batch norm of the input, is there."""
    return trains and bool(g.c_in == g.c_out) and not g.strided


def formula(g: Geometry, trains: bool, identity: bool, sums: Dim, activation: bool) -> Iterable[Part]:
    """`conv` alone, or the branches `dense`, `point` and `identity`, each with its batch norm."""
    yield from parts.when(not trains, lambda: (_kxk(g, "conv", True),))
    yield from parts.when(trains, lambda: _branches(g, identity, sums))
    yield from parts.when(activation, lambda: (parts.act("act", g.c_out, g.p_out),))


def _kxk(g: Geometry, name: str, bias: bool) -> Part:
    return parts.conv(name, g.c_in, g.c_out, g.area, g.p_in, g.p_out, groups=g.groups, bias=bias, after=INPUT)


def _branches(g: Geometry, identity: bool, sums: Dim) -> Iterable[Part]:
    grid = g.p_out
    yield _kxk(g, "dense", False)
    yield parts.norm("dense.norm", g.c_out, grid)
    yield parts.conv("point", g.c_in, g.c_out, 1, g.p_in, grid, groups=g.groups, after=INPUT)
    yield parts.norm("point.norm", g.c_out, grid)
    yield from parts.when(identity, lambda: (parts.norm("identity", g.c_in, grid, after=INPUT),))
    branches = ("dense.norm", "point.norm", "identity")
    yield parts.times(sums, parts.add("sum", g.c_out, grid, after=branches))


def _only_3x3(site: Site) -> str | None:
    kernel = site.geometry.kernel
    return None if kernel == (3, 3) else f"{kernel[0]}x{kernel[1]} kernel; RepVGG has 3x3 convolutions"


def _why_identity(g: Geometry, named: Named) -> str:
    if not named["trains"]:
        return "fused into the convolution"
    return "c_in = c_out and stride 1" if named["identity"] else "none: input and output differ in shape"


def _notes(e: Evaluation) -> Iterable[str]:
    other = {"inference": "training", "training": "inference"}[e.named["mode"]]
    cost = e.operator.cost(e.geometry, e.operator.derive(e.geometry, {**e.options, "mode": other}))
    yield f"With mode={other}: {cost.params:,} parameters, {cost.macs:,} MACs, critical path {cost.steps}."


OPERATOR = Operator(
    name="repvgg",
    title="RepVGG block",
    family="blocks",
    paper=REPVGG,
    formula=formula,
    params=(
        Param(
            "mode",
            "choice",
            "inference",
            "inference: one convolution with a bias; training: three branches (only the forward pass is counted)",
            choices=("inference", "training"),
        ),
        Param("activation", "bool", True, "ReLU after the block", samples=(False,)),
    ),
    derived=(
        Derived("trains", lambda g, mode: mode == "training"),
        Derived("identity", has_identity, _why_identity),
        Derived("sums", lambda g, identity: {True: 2, False: 1}[identity]),
    ),
    rules=(GROUPS_DIVIDE, SAME_PADDING),
    limits=(Limit({}, equals="conv", equals_options={"bias": True}),),
    policy=Policy("every 3x3 convolution", _only_3x3),
    notes=_notes,
    baseline_text="conv k x k",
    samples=({"mode": "training"}, {"mode": "training", "activation": False}),
)
