"""RepLKNet's block: a depthwise convolution with a very large kernel between two 1x1, one kernel at inference."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.cost.parts import INPUT
from flopcalc.operators._most import MOST_TAPS
from flopcalc.spec.operator import AUTO, NOWHERE, Derived, Evaluation, Limit, Named, Operator, Param, Rule
from flopcalc.spec.rules import EQUAL_CHANNELS, ONE_GROUP, SAME_PADDING, UNIT_STRIDE
from flopcalc.spec.source import Paper

REPLKNET = Paper(
    key="ding2022replknet",
    authors=("Ding, Xiaohan", "Zhang, Xiangyu", "Zhou, Yizhuang", "Han, Jungong", "Ding, Guiguang", "Sun, Jian"),
    title="Scaling Up Your Kernels to 31x31: Revisiting Large Kernel Design in CNNs",
    venue="CVPR",
    year=2022,
    arxiv="2203.06717",
    doi="10.1109/CVPR52688.2022.01166",
    pages="11953-11965",
)

# What the large kernel reads; without the block around it, the input.
_BEFORE = ("expand", "expand.norm", "expand.act")


def formula(
    g: Geometry, small: Dim, block: bool, trains: bool, has_small: bool, norm: bool, activation: bool
) -> Iterable[Part]:
    """In a block: batch norm, 1x1, the large kernel, ReLU, 1x1, and the sum with the input."""
    c, grid = g.c_in, g.p_out
    yield from parts.when(block and norm, lambda: (parts.norm("norm", c, grid, after=INPUT),))
    yield from parts.when(block, lambda: _point(g, "expand", ("norm",), norm, activation))
    yield from parts.when(not trains, lambda: (_depthwise(g, "large", g.area, True),))
    yield from parts.when(trains, lambda: _branches(g, small, has_small))
    yield from parts.when(activation, lambda: (parts.act("act", c, grid),))
    large = ("large", "large.norm", "sum", "act")
    yield from parts.when(block, lambda: _point(g, "project", large, norm, False))
    yield from parts.when(block, lambda: (parts.add("residual", c, grid),))


def _point(g: Geometry, name: str, after: tuple[str, ...], norm: bool, activation: bool) -> Iterable[Part]:
    yield parts.conv(name, g.c_in, g.c_in, 1, g.p_out, g.p_out, after=after)
    yield from parts.finish(name, g.c_in, g.p_out, norm, activation)


def _depthwise(g: Geometry, name: str, area: Dim, bias: bool) -> Part:
    return parts.conv(name, g.c_in, g.c_in, area, g.p_in, g.p_out, groups=g.c_in, bias=bias, after=_BEFORE)


def _branches(g: Geometry, small: Dim, has_small: bool) -> Iterable[Part]:
    c, grid = g.c_in, g.p_out
    yield _depthwise(g, "large", g.area, False)
    yield parts.norm("large.norm", c, grid)
    yield from parts.when(has_small, lambda: (_depthwise(g, "small", small**2, False),))
    yield from parts.when(has_small, lambda: (parts.norm("small.norm", c, grid),))
    yield from parts.when(has_small, lambda: (parts.add("sum", c, grid, after=("large.norm", "small.norm")),))


def _small_fits(g: Geometry, named: Named) -> str | None:
    small = named["small"]
    if not named["trains"] or not small:
        return None
    if small % 2 == 0:
        return f"small = {small} is even, and has no centre in the large kernel"
    if small > g.k_h or small > g.k_w:
        return f"small = {small} does not fit into a kernel of {g.k_h}x{g.k_w}"
    return None


def _notes(e: Evaluation) -> Iterable[str]:
    named = e.named
    other = {"inference": "training", "training": "inference"}[named["mode"]]
    cost = e.operator.cost(e.geometry, e.operator.derive(e.geometry, {**e.options, "mode": other}))
    yield f"With mode={other}: {cost.params:,} parameters, {cost.macs:,} MACs, critical path {cost.steps}."
    large = next(part.macs for part in e.cost if part.name == "large")
    yield f"The large kernel has {100 * large / e.cost.macs:.1f} % of the MACs, and c_in times fewer than a plain one."
    yield "RepLKNet has kernels of 31, 29, 27 and 13 in its four stages; the default here is small, for quick looks."
    if named["block"] and not named["norm"]:
        yield (
            "Counted without ReLU and without the batch norm before the block and after both 1x1 convolutions, which "
            "the authors keep at inference: --set norm=true adds them."
        )


OPERATOR = Operator(
    name="replk",
    title="RepLK block: large-kernel depthwise convolution",
    family="blocks",
    paper=REPLKNET,
    formula=formula,
    params=(
        Param(
            "small",
            "int",
            5,
            "kernel of the second branch in training; 0: none",
            0,
            MOST_TAPS,
            letter="q",
            samples=(0, 3),
        ),
        Param(
            "mode",
            "choice",
            "inference",
            "inference: one large kernel with a bias; training: two branches (only the forward pass is counted)",
            choices=("inference", "training"),
        ),
        Param(
            "form",
            "choice",
            "block",
            "block: with two 1x1 convolutions and the residual sum; conv: the large kernel by itself",
            choices=("block", "conv"),
            samples=("conv",),
        ),
        Param("norm", "bool", False, "batch norm before the block and after both 1x1 convolutions", samples=(True,)),
        Param(
            "activation",
            "bool",
            AUTO,
            "ReLU after the first 1x1 convolution and after the large kernel",
            same_as="norm",
            samples=(True, False),
        ),
    ),
    derived=(
        Derived("block", lambda g, form: form == "block"),
        Derived("trains", lambda g, mode: mode == "training"),
        Derived("has_small", lambda g, small: bool(small != 0)),
    ),
    rules=(
        EQUAL_CHANNELS,
        ONE_GROUP,
        UNIT_STRIDE,
        SAME_PADDING,
        Rule("small is odd and fits into the kernel", _small_fits, "choose an odd small, at most k (--set small=0)"),
    ),
    limits=(Limit({"form": "conv"}, equals="depthwise", equals_options={"bias": True}),),
    policy=NOWHERE,
    notes=_notes,
    baseline_text="conv k x k",
    shape={"k": 7},
    samples=(
        {"mode": "training", "norm": True, "small": 3},
        {"mode": "training", "small": 0},
        {"mode": "training", "form": "conv", "small": 3},
    ),
)
