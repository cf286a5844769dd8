"""PConv, the partial convolution of FasterNet: k x k on the first channels, the others are unchanged."""

from collections.abc import Iterable
from fractions import Fraction

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, share
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.spec.operator import Derived, Evaluation, Limit, Named, Operator, Param, Policy, Rule, spatial
from flopcalc.spec.rules import EQUAL_CHANNELS, ONE_GROUP, SAME_PADDING, UNIT_STRIDE
from flopcalc.spec.source import Equation, Erratum, Evidence, Paper

FASTERNET = Paper(
    key="chen2023run",
    authors=(
        "Chen, Jierun",
        "Kao, Shiu-hong",
        "He, Hao",
        "Zhuo, Weipeng",
        "Wen, Song",
        "Lee, Chul-Ho",
        "Chan, S.-H. Gary",
    ),
    title="Run, Don't Walk: Chasing Higher FLOPS for Faster Neural Networks",
    venue="CVPR",
    year=2023,
    arxiv="2303.03667",
    pages="12021-12031",
)


def formula(g: Geometry, c_p: Dim, has_rest: bool) -> Iterable[Part]:
    """A convolution of c_p channels, then one copy that joins all c channels."""
    yield parts.conv("conv", c_p, c_p, g.area, g.p_in, g.p_out)
    yield from parts.when(has_rest, lambda: (parts.copy("join", g.c_in * g.p_out),))


def _some_channel(g: Geometry, named: Named) -> str | None:
    return f"ratio * c_in = {named['ratio']} * {g.c_in} is less than one channel" if named["c_p"] < 1 else None


def _whole(g: Geometry, named: Named) -> bool:
    return bool(named["ratio"] * g.c_in == named["c_p"])


def _notes(e: Evaluation) -> Iterable[str]:
    if e.named["has_rest"]:
        passed = e.geometry.c_in - e.named["c_p"]
        yield f"{passed} of {e.geometry.c_in} channels are unchanged; FasterNet mixes them in the 1x1 that follows."
        yield "Counted as in training, with a concatenation; in inference the authors' code writes into the input."


_LETTERS = {"h": "h", "w": "w", "k": "k", "c_p": "c_p"}

OPERATOR = Operator(
    name="pconv",
    title="PConv: partial convolution",
    family="compact convolutions",
    paper=FASTERNET,
    formula=formula,
    params=(
        Param(
            "ratio",
            "fraction",
            Fraction(1, 4),
            "share of the channels that is convolved",
            most=Fraction(1),
            letter="r",
            samples=(Fraction(1, 2), Fraction(1, 3), Fraction(1)),
        ),
    ),
    derived=(
        Derived(
            "c_p",
            lambda g, ratio: share(ratio, g.c_in),
            lambda g, v: f"convolved channels: floor(ratio * c_in) = floor({v['ratio']} * {g.c_in})",
        ),
        Derived("has_rest", lambda g, ratio: bool(ratio != 1)),
    ),
    rules=(
        EQUAL_CHANNELS,
        UNIT_STRIDE,
        ONE_GROUP,
        SAME_PADDING,
        Rule("ratio * c_in is at least 1", _some_channel, "set a larger ratio, or use more channels"),
    ),
    limits=(Limit({"ratio": Fraction(1)}, equals="conv"),),
    policy=Policy("every convolution with a kernel larger than 1x1, as many channels out as in, stride 1", spatial),
    equations=(
        Equation("4, FLOPs of a PConv", "h * w * k^2 * c_p^2", _LETTERS, "macs"),
        Equation(
            "share of a regular convolution's FLOPs, Sec. 3.2",
            "r^2",
            {"r": "ratio"},
            "macs_ratio",
            domain=_whole,
            domain_text="r c is whole",
        ),
    ),
    notes=_notes,
    errata=(
        Erratum(
            where="eq. 7, first versions",
            printed="FLOPs of a PConv and the 1x1 convolution after it = h w (k^2 c_p^2 + c c_p)",
            right="h w (k^2 c_p^2 + c^2): the 1x1 convolution reads all c channels, the unchanged ones too. The text "
            "that can be read now prints this form; in the first versions, by the corrections in #26 and #32, the 1x1 "
            "convolution had c_p input channels",
            evidence=(
                Evidence("as printed, c = 64, c_p = 16, k = 3, 56 x 56", expression="56 * 56 * (9 * 16 ^ 2 + 64 * 16)"),
                Evidence("MACs of the PConv", operator="pconv", shape={"c_in": 64}, field="macs"),
                Evidence(
                    "MACs of the 1x1 convolution",
                    operator="pointwise",
                    shape={"c_in": 64},
                    field="macs",
                    source="the authors confirm it: JierunChen/FasterNet #26 and #32",
                ),
            ),
        ),
    ),
    baseline_text="conv k x k",
)
