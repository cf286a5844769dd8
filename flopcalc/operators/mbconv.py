"""MBConv, the inverted residual: 1x1 up, depthwise k x k, squeeze and excitation, 1x1 down, residual."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, share
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.operators._excitation import excitation
from flopcalc.operators._most import MOST_TIMES
from flopcalc.spec.operator import AUTO, NOWHERE, Derived, Evaluation, Limit, Named, Operator, Param, Rule
from flopcalc.spec.rules import ONE_GROUP, SAME_PADDING
from flopcalc.spec.source import Equation, Erratum, Evidence, Paper

MOBILENETV2 = Paper(
    key="sandler2018mobilenetv2",
    authors=("Sandler, Mark", "Howard, Andrew", "Zhu, Menglong", "Zhmoginov, Andrey", "Chen, Liang-Chieh"),
    title="MobileNetV2: Inverted Residuals and Linear Bottlenecks",
    venue="CVPR",
    year=2018,
    arxiv="1801.04381",
    doi="10.1109/CVPR.2018.00474",
    pages="4510-4520",
)

EFFICIENTNET = Paper(
    key="tan2019efficientnet",
    authors=("Tan, Mingxing", "Le, Quoc V."),
    title="EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
    venue="ICML",
    year=2019,
    arxiv="1905.11946",
    pages="6105-6114",
)

_BLOCK_80: Mapping[str, Any] = {"operator": "mbconv", "field": "macs"}


def options(default_se: Fraction) -> tuple[Param, ...]:
    """The options that both kinds of MBConv have. Where se is 0 by default, closed forms leave it out."""
    return (
        Param(
            "expansion",
            "int",
            6,
            "inner channels over c_in; at 1 the expansion is left out",
            1,
            MOST_TIMES,
            letter="t",
            samples=(1, 4),
        ),
        Param(
            "se",
            "fraction",
            default_se,
            "channels inside squeeze and excitation, as a share of c_in; 0: none",
            Fraction(0),
            Fraction(1),
            letter="r" if default_se else "",
            samples=(Fraction(1, 4) - default_se, Fraction(1, 8)),
        ),
        Param("residual", "bool", True, "the input is added where shapes allow", samples=(False,)),
        Param("norm", "bool", False, "batch norm after each convolution", samples=(True,)),
        Param(
            "activation",
            "bool",
            AUTO,
            "SiLU after each convolution except the last",
            same_as="norm",
            samples=(True, False),
        ),
    )


def adds_input(g: Geometry, residual: bool) -> bool:
    """Whether the input is added: only where it has the output's shape."""
    return residual and bool(g.c_in == g.c_out) and not g.strided


def why_adds(g: Geometry, named: Named) -> str:
    """Why the input is added, or why it is not."""
    if named["adds"]:
        return "c_in = c_out and stride 1: the input is added"
    return "no residual: " + ("switched off" if not named["residual"] else "input and output differ in shape")


DERIVED = (
    Derived(
        "hidden",
        lambda g, expansion: expansion * g.c_in,
        lambda g, v: f"inner channels: expansion * c_in = {v['expansion']} * {g.c_in}",
    ),
    Derived(
        "m",
        lambda g, se: share(se, g.c_in),
        lambda g, v: f"inside squeeze and excitation: floor(se * c_in) = floor({v['se']} * {g.c_in})",
    ),
    Derived("adds", adds_input, why_adds),
    Derived("expands", lambda g, expansion: bool(expansion != 1)),
    Derived("excites", lambda g, se: bool(se != 0)),
)


def formula(
    g: Geometry, hidden: Dim, m: Dim, norm: bool, activation: bool, adds: bool, expands: bool, excites: bool
) -> Iterable[Part]:
    """The expansion works on the input grid, all other parts on the output grid."""
    grid = g.p_out
    yield from parts.when(expands, lambda: _expansion(g, hidden, norm, activation))
    yield parts.conv("depthwise", hidden, hidden, g.area, g.p_in, grid, groups=hidden)
    yield from parts.finish("depthwise", hidden, grid, norm, activation, "SiLU")
    yield from parts.when(excites, lambda: excitation("se.", hidden, m, grid, g.batch, True, "SiLU"))
    yield parts.conv("project", hidden, g.c_out, 1, grid, grid)
    yield from parts.finish("project", g.c_out, grid, norm, False)
    yield from parts.when(adds, lambda: (parts.add("sum", g.c_out, grid),))


def _expansion(g: Geometry, hidden: Dim, norm: bool, activation: bool) -> Iterable[Part]:
    yield parts.conv("expand", g.c_in, hidden, 1, g.p_in, g.p_in)
    yield from parts.finish("expand", hidden, g.p_in, norm, activation, "SiLU")


def _some_channel(g: Geometry, named: Named) -> str | None:
    if named["excites"] and named["m"] < 1:
        return f"se * c_in = {named['se']} * {g.c_in} is less than one channel"
    return None


SOME_CHANNEL = Rule(
    "se * c_in is at least 1, or se is 0", _some_channel, "set a larger se, or se=0, or use more channels"
)


def notes(e: Evaluation) -> Iterable[str]:
    """The parts that both kinds leave out by default."""
    if not e.named["norm"] and not e.named["activation"]:
        yield "Counted without batch norm and SiLU after convolutions: --set norm=true adds them, as in EfficientNet."
    if e.named["excites"]:
        yield "The channels in squeeze and excitation are a share of the input channels, not of the expanded ones."


OPERATOR = Operator(
    name="mbconv",
    title="MBConv: inverted residual with squeeze and excitation",
    family="blocks",
    paper=MOBILENETV2,
    formula=formula,
    params=options(Fraction(1, 4)),
    derived=DERIVED,
    rules=(ONE_GROUP, SAME_PADDING, SOME_CHANNEL),
    limits=(Limit({"expansion": 1, "se": Fraction(0)}, equals="dsc"),),
    policy=NOWHERE,
    equations=(
        Equation(
            "multiply-adds of a block, not numbered",
            "h * w * dp * t * (dp + k^2 + dpp)",
            {"h": "h", "w": "w", "dp": "c_in", "dpp": "c_out", "t": "expansion", "k": "k"},
            "macs",
            given={"se": Fraction(0)},
            sizes={"stride": 1},
            domain=lambda g, named: named["expands"],
            domain_text="t > 1, as MobileNetV2 has no 1x1 at t = 1",
        ),
    ),
    notes=notes,
    baseline_text="conv k x k",
    samples=({"norm": True, "expansion": 1}, {"norm": True, "se": Fraction(0)}),
    errata=(
        Erratum(
            where="table 1, first version, strides of EfficientNet-B0",
            printed="the blocks of 80 channels begin with stride 1, those of 112 channels with stride 2",
            right="stride 2, then stride 1, as in the authors' code: the blocks of 80 channels run on 14 x 14",
            evidence=(
                Evidence("MACs of EfficientNet-B0 with the code's strides", network="efficientnet_b0", field="macs"),
                Evidence("of one of its 80 -> 80 blocks, on 14 x 14", **_BLOCK_80, shape={"c_in": 80, "hw": 14}),
                Evidence(
                    "the same on 28 x 28, as the printed strides give it",
                    **_BLOCK_80,
                    shape={"c_in": 80, "hw": 28},
                    source="the authors confirm it: tensorflow/tpu #383",
                ),
            ),
            paper=EFFICIENTNET,
        ),
    ),
)
