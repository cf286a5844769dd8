"""MobileNetV4's universal inverted bottleneck: two 1x1 convolutions, with depthwise ones before or between them."""

from collections.abc import Iterable
from fractions import Fraction

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.operators._most import MOST_TAPS, MOST_TIMES
from flopcalc.operators.mbconv import adds_input, why_adds
from flopcalc.spec.operator import AUTO, NOWHERE, Derived, Evaluation, Limit, Named, Operator, Param, Rule
from flopcalc.spec.rules import ONE_GROUP, SAME_PADDING
from flopcalc.spec.source import Paper

MOBILENETV4 = Paper(
    key="qin2024mobilenetv4",
    authors=(
        "Qin, Danfeng",
        "Leichner, Chas",
        "Delakis, Manolis",
        "Fornoni, Marco",
        "Luo, Shixin",
        "Yang, Fan",
        "Wang, Weijun",
        "Banbury, Colby",
        "Ye, Chengxi",
        "Akin, Berkin",
        "Aggarwal, Vaibhav",
        "Zhu, Tenghui",
        "Moro, Daniele",
        "Howard, Andrew",
    ),
    title="MobileNetV4: Universal Models for the Mobile Ecosystem",
    venue="ECCV",
    year=2024,
    arxiv="2404.10518",
)


def formula(
    g: Geometry,
    start: Dim,
    hidden: Dim,
    extra: bool,
    convnext: bool,
    middle: bool,
    norm: bool,
    activation: bool,
    layer_scale: bool,
    adds: bool,
) -> Iterable[Part]:
    """The stride is that of the middle depthwise convolution, or of the first one where there is no middle one."""
    grid = g.p_out
    # The grid of the expansion: only without a middle convolution that of the output.
    wide = g.batch * {True: g.h, False: g.h_out}[middle] * {True: g.w, False: g.w_out}[middle]
    yield from parts.when(extra, lambda: _depthwise("start", g.c_in, start**2, g.p_in, g.p_in, norm, False))
    yield from parts.when(convnext, lambda: _depthwise("start", g.c_in, g.area, g.p_in, grid, norm, False))
    yield parts.conv("expand", g.c_in, hidden, 1, wide, wide)
    yield from parts.finish("expand", hidden, wide, norm, activation)
    yield from parts.when(middle, lambda: _depthwise("middle", hidden, g.area, g.p_in, grid, norm, activation))
    yield parts.conv("project", hidden, g.c_out, 1, grid, grid)
    yield from parts.finish("project", g.c_out, grid, norm, False)
    yield from parts.when(layer_scale, lambda: (parts.layer_scale("scale", g.c_out, grid),))
    yield from parts.when(adds, lambda: (parts.add("sum", g.c_out, grid),))


def _depthwise(name: str, c: Dim, area: Dim, p_in: Dim, p_out: Dim, norm: bool, activation: bool) -> Iterable[Part]:
    yield parts.conv(name, c, c, area, p_in, p_out, groups=c)
    yield from parts.finish(name, c, p_out, norm, activation)


def _odd_start(g: Geometry, named: Named) -> str | None:
    start = named["start"]
    return f"start = {start} is even, and has no centre" if named["extra"] and start % 2 == 0 else None


def _has_stride(g: Geometry, named: Named) -> str | None:
    if named["variant"] == "ffn" and g.strided:
        return "variant=ffn has no depthwise convolution, and so no stride"
    return None


def _notes(e: Evaluation) -> Iterable[str]:
    costs = []
    for variant in e.operator.param["variant"].choices:
        if variant != e.named["variant"] and not (variant == "ffn" and e.geometry.strided):
            options = {**e.options, "variant": variant}
            cost = e.operator.cost(e.geometry, e.operator.derive(e.geometry, options))
            costs.append(f"{variant} {cost.macs:,}")
    yield f"MACs of the other variants here: {', '.join(costs)}."
    if e.named["hidden"] % 8:
        yield "The authors' code rounds the inner channels to a multiple of 8; here they are expansion * c_in."
    if not e.named["norm"]:
        yield (
            "Counted without the batch norm after each convolution and the ReLU after the expansion and the middle "
            "one: --set norm=true adds them."
        )


OPERATOR = Operator(
    name="uib",
    title="Universal inverted bottleneck (MobileNetV4)",
    family="blocks",
    paper=MOBILENETV4,
    formula=formula,
    params=(
        Param(
            "variant",
            "choice",
            "extra_dw",
            "depthwise convolutions: extra_dw, before and between the 1x1; ib, between; convnext, before; ffn, none",
            choices=("extra_dw", "ib", "convnext", "ffn"),
            samples=("ib", "convnext", "ffn"),
        ),
        Param("expansion", "int", 4, "inner channels over c_in", 1, MOST_TIMES, letter="t", samples=(1, 6)),
        Param(
            "start",
            "int",
            3,
            "kernel of the first depthwise convolution of extra_dw",
            1,
            MOST_TAPS,
            letter="f",
            samples=(5,),
        ),
        Param("residual", "bool", True, "the input is added where shapes allow", samples=(False,)),
        Param("norm", "bool", False, "batch norm after each convolution", samples=(True,)),
        Param(
            "activation",
            "bool",
            AUTO,
            "ReLU after the expansion and after the middle convolution",
            same_as="norm",
            samples=(True, False),
        ),
        Param("layer_scale", "bool", False, "a trained factor for each channel before the sum", samples=(True,)),
    ),
    derived=(
        Derived("extra", lambda g, variant: variant == "extra_dw"),
        Derived("convnext", lambda g, variant: variant == "convnext"),
        Derived("middle", lambda g, variant: variant in ("extra_dw", "ib")),
        Derived(
            "hidden",
            lambda g, expansion: expansion * g.c_in,
            lambda g, v: f"inner channels: expansion * c_in = {v['expansion']} * {g.c_in}",
        ),
        Derived("adds", adds_input, why_adds),
    ),
    rules=(
        ONE_GROUP,
        SAME_PADDING,
        Rule("start is odd", _odd_start, "choose an odd start: 3, 5, ..."),
        Rule("ffn has stride 1", _has_stride, "leave --stride at 1, or choose another variant"),
    ),
    limits=(
        Limit({"variant": "ib", "expansion": 6}, equals="mbconv", equals_options={"se": Fraction(0)}),
        Limit({"variant": "convnext", "expansion": 1}, equals="dsc", surviving=("expand",)),
    ),
    policy=NOWHERE,
    notes=_notes,
    baseline_text="conv k x k",
    samples=(
        {"variant": "extra_dw", "start": 5, "norm": True},
        {"variant": "convnext", "norm": True, "layer_scale": True, "expansion": 2},
        {"variant": "ffn", "norm": True, "expansion": 2},
        {"variant": "ib", "norm": True, "expansion": 6},
    ),
)
