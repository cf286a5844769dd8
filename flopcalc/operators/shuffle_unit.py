"""The ShuffleNet unit: grouped 1x1, channel shuffle, depthwise k x k, grouped 1x1, shortcut."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, floor_div
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.cost.parts import INPUT
from flopcalc.operators._slides import SLIDES
from flopcalc.spec.operator import AUTO, NOWHERE, Derived, Evaluation, Named, Operator, Param, Rule
from flopcalc.spec.rules import SAME_PADDING
from flopcalc.spec.source import Equation, Paper

SHUFFLENET = Paper(
    key="zhang2018shufflenet",
    authors=("Zhang, Xiangyu", "Zhou, Xinyu", "Lin, Mengxiao", "Sun, Jian"),
    title="ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices",
    venue="CVPR",
    year=2018,
    arxiv="1707.01083",
    doi="10.1109/CVPR.2018.00716",
    pages="6848-6856",
)


def narrow(g: Geometry, mid: Dim) -> Dim:
    """Channels of the depthwise convolution."""
    return floor_div(g.c_out, 4) if mid is None else mid


def branch(g: Geometry) -> Dim:
    """Output channels of the convolutions: at a stride the pooled input is concatenated, else it is added."""
    return {True: g.c_out - g.c_in, False: g.c_out}[g.strided]


def formula(
    g: Geometry, m: Dim, made: Dim, bias: bool, norm: bool, activation: bool, shuffles: bool, strided: bool
) -> Iterable[Part]:
    """The first 1x1 works on the input grid, the depthwise convolution has the stride."""
    grid = g.p_out
    # The pooling window is 3x3 whatever k is.
    yield from parts.when(strided, lambda: (parts.avg_pool("pool", g.c_in, g.p_in, grid, 9),))
    yield parts.conv("compress", g.c_in, m, 1, g.p_in, g.p_in, groups=g.groups, bias=bias, after=INPUT)
    yield from parts.finish("compress", m, g.p_in, norm, activation)
    yield from parts.when(shuffles, lambda: (parts.copy("shuffle", m * g.p_in),))
    yield parts.conv("depthwise", m, m, g.area, g.p_in, grid, groups=m, bias=bias)
    yield from parts.finish("depthwise", m, grid, norm, False)
    yield parts.conv("expand", m, made, 1, grid, grid, groups=g.groups, bias=bias)
    yield from parts.finish("expand", made, grid, norm, False)
    both = ("pool", "expand", "expand.norm")
    yield from parts.when(strided, lambda: (parts.copy("join", g.c_out * grid, after=both),))
    yield from parts.when(not strided, lambda: (parts.add("sum", g.c_out, grid),))
    yield from parts.when(activation, lambda: (parts.act("act", g.c_out, grid),))


def _shapes(g: Geometry, named: Named) -> str | None:
    if not g.strided and g.c_in != g.c_out:
        return f"at stride 1 the input is added, and c_in = {g.c_in} is not c_out = {g.c_out}"
    if g.strided and g.c_out <= g.c_in:
        return f"at a stride the input is concatenated, and c_out = {g.c_out} is not more than c_in = {g.c_in}"
    return None


def _groups(g: Geometry, named: Named) -> str | None:
    m, made = named["m"], named["made"]
    if m < 1:
        return f"c_out // 4 = {g.c_out} // 4 is 0, and at least one channel is needed"
    for text, channels in (("c_in", g.c_in), ("mid", m), ("the channels of the last 1x1,", made)):
        if channels % g.groups:
            return f"groups = {g.groups} does not divide {text} = {channels}"
    return None


def _why_made(g: Geometry, named: Named) -> str:
    return (
        f"c_out - c_in = {g.c_out} - {g.c_in}, joined with the pooled input"
        if g.strided
        else "c_out: the input is added"
    )


def _notes(e: Evaluation) -> Iterable[str]:
    if not e.named["norm"] and not e.named["activation"]:
        yield "Counted without batch norm and ReLU: --set norm=true adds them, as in the authors' code."
    if e.named["bias"]:
        yield "A grouped convolution still has one bias for each output channel: grouping reduces only the weights."


_LETTERS = {"h": "h", "w": "w", "c": "c_in", "m": "m", "g": "groups"}
_SLIDES = {"c": "c_in", "m": "m", "g": "groups"}
_UNIT = {"c_out": "c_in", "k": 3, "stride": 1}

OPERATOR = Operator(
    name="shuffle_unit",
    title="ShuffleNet unit",
    family="blocks",
    paper=SHUFFLENET,
    formula=formula,
    params=(
        Param("mid", "int", AUTO, "channels of the depthwise convolution", 1, auto="c_out // 4", samples=(12,)),
        Param("bias", "bool", False, "a bias in all three convolutions, as in the slides' example", samples=(True,)),
        Param("norm", "bool", False, "batch norm after each convolution", samples=(True,)),
        Param(
            "activation", "bool", AUTO, "ReLU after the first 1x1 and at the end", same_as="norm", samples=(True, False)
        ),
    ),
    derived=(
        Derived(
            "m", narrow, lambda g, v: f"c_out // 4 = {g.c_out} // 4" if v["mid"] is None else "set by the option mid"
        ),
        Derived("made", branch, _why_made),
        Derived("strided", lambda g: g.strided),
        # With one group, or one channel in each group, there is nothing to shuffle.
        Derived("shuffles", lambda g, m: bool(g.groups != 1) and bool(m != g.groups)),
    ),
    rules=(
        SAME_PADDING,
        Rule(
            "stride 1 and c_in = c_out, or a stride and c_out > c_in",
            _shapes,
            "at stride 1 leave --cout out; at a stride give a --cout larger than --cin",
        ),
        Rule(
            "groups divides c_in, mid and the channels of the last 1x1",
            _groups,
            "choose a --groups that divides them, or set mid",
        ),
    ),
    policy=NOWHERE,
    equations=(
        Equation(
            "FLOPs of a ShuffleNet unit, Sec. 3.2", "h * w * (2 * c * m / g + 9 * m)", _LETTERS, "macs", sizes=_UNIT
        ),
        Equation(
            "slides, example of 240 channels, in letters",
            "(c + 1) * m / g + (9 + 1) * m + (m + 1) * c / g",
            _SLIDES,
            "params",
            status="corrected",
            right="c * m / g + m + (9 + 1) * m + m * c / g + c",
            why="Grouping does not halve the bias: a grouped convolution has one for each output channel. At "
            "c = 240, m = 80, g = 2 the printed equation gives 20160 and the module has 20320. Also, 240 / 4 is 60, "
            "not 80.",
            given={"bias": True, "norm": False},
            sizes=_UNIT,
            paper=SLIDES,
        ),
    ),
    notes=_notes,
    baseline_text="conv k x k",
    shape={"groups": 2},
    samples=({"norm": True, "bias": True}, {"mid": 8, "norm": True}),
)
