"""The ConvNeXt block: depthwise 7x7, layer norm, 1x1 up, GELU, 1x1 down, layer scale, residual."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.operators._most import MOST_TIMES
from flopcalc.spec.operator import NOWHERE, Derived, Evaluation, Limit, Operator, Param
from flopcalc.spec.rules import EQUAL_CHANNELS, ONE_GROUP, SAME_PADDING, UNIT_STRIDE
from flopcalc.spec.source import Paper

CONVNEXT = Paper(
    key="liu2022convnet",
    authors=(
        "Liu, Zhuang",
        "Mao, Hanzi",
        "Wu, Chao-Yuan",
        "Feichtenhofer, Christoph",
        "Darrell, Trevor",
        "Xie, Saining",
    ),
    title="A ConvNet for the 2020s",
    venue="CVPR",
    year=2022,
    arxiv="2201.03545",
    pages="11976-11986",
)


def formula(g: Geometry, hidden: Dim, bias: bool, activation: bool, layer_scale: bool) -> Iterable[Part]:
    """The 1x1 convolutions are linear layers with channels last, as in the authors' code."""
    c, grid = g.c_in, g.p_out
    yield parts.conv("depthwise", c, c, g.area, g.p_in, grid, groups=c, bias=bias)
    yield parts.layer_norm("norm", c, grid)
    yield parts.linear("expand", c, hidden, grid, bias=bias)
    yield from parts.when(activation, lambda: (parts.act("act", hidden, grid),))
    yield parts.linear("project", hidden, c, grid, bias=bias)
    yield from parts.when(layer_scale, lambda: (parts.layer_scale("scale", c, grid),))
    yield parts.add("sum", c, grid)


def _notes(e: Evaluation) -> Iterable[str]:
    linear = sum(part.macs for part in e.cost if part.work == "linear")
    share = f"{100 * linear / e.cost.macs:.1f} %"
    yield f"The two linear layers have {share} of the MACs, the depthwise convolution the rest."


OPERATOR = Operator(
    name="convnext_block",
    title="ConvNeXt block",
    family="blocks",
    paper=CONVNEXT,
    formula=formula,
    params=(
        Param(
            "expansion",
            "int",
            4,
            "inner channels of the two linear layers over c_in",
            1,
            MOST_TIMES,
            letter="t",
            samples=(1, 2),
        ),
        Param("bias", "bool", True, "a bias in the convolution and both linear layers", samples=(False,)),
        Param("activation", "bool", True, "GELU between the linear layers", samples=(False,)),
        Param("layer_scale", "bool", True, "a trained factor for each channel before the sum", samples=(False,)),
    ),
    derived=(
        Derived(
            "hidden",
            lambda g, expansion: expansion * g.c_in,
            lambda g, v: f"inner channels: expansion * c_in = {v['expansion']} * {g.c_in}",
        ),
    ),
    rules=(EQUAL_CHANNELS, UNIT_STRIDE, ONE_GROUP, SAME_PADDING),
    limits=(
        # Without the second linear layer a depthwise and a pointwise convolution remain.
        Limit({"expansion": 1}, equals="dsc", surviving=("norm", "project", "scale"), equals_options={"bias": True}),
    ),
    policy=NOWHERE,
    notes=_notes,
    baseline_text="conv k x k",
    shape={"k": 7},
    samples=({"bias": False, "layer_scale": False, "activation": False},),
)
