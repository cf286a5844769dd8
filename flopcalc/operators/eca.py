"""ECA: a weight for each channel, from the means of a few neighbouring channels."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, floor_div, floor_log2
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.cost.parts import GIVEN
from flopcalc.operators._conv3x3 import conv3x3
from flopcalc.operators._gates import POLICY, RULES
from flopcalc.spec.operator import AUTO, Derived, Evaluation, Named, Operator, Param, Rule
from flopcalc.spec.source import Equation, Erratum, Evidence, Paper

ECANET = Paper(
    key="wang2020eca",
    authors=("Wang, Qilong", "Wu, Banggu", "Zhu, Pengfei", "Li, Peihua", "Zuo, Wangmeng", "Hu, Qinghua"),
    title="ECA-Net: Efficient Channel Attention for Deep Convolutional Neural Networks",
    venue="CVPR",
    year=2020,
    arxiv="1910.03151",
    doi="10.1109/CVPR42600.2020.01155",
    pages="11531-11539",
)


def neighbours(g: Geometry, taps: Dim) -> Dim:
    """Taps of the 1-D convolution: the odd number nearest to (log2(c) + 1) / 2, unless it is given."""
    return 2 * floor_div(floor_log2(g.c_in) + 1, 4) + 1 if taps is None else taps


def formula(g: Geometry, t: Dim) -> Iterable[Part]:
    """A 1-D convolution along the channels, with one filter; pooling and scaling are element-wise work."""
    c, n = g.c_in, g.batch
    yield parts.global_avg_pool("gap", c, g.p_in, n)
    yield parts.conv("conv", 1, 1, t, c * n, c * n)
    yield parts.called("Sigmoid", parts.act("gate", c, n))
    yield parts.scale("scale", c, g.p_in, n, after=(GIVEN, "gate"))


def _odd(g: Geometry, named: Named) -> str | None:
    return None if named["t"] % 2 else f"taps = {named['t']} is even, and a channel would not be in the middle"


def _why(g: Geometry, named: Named) -> str:
    if named["taps"] is None:
        return f"taps: the odd number nearest to (log2(c_in) + 1) / 2, c_in = {g.c_in}; the larger of two"
    return "taps, as given"


def _notes(e: Evaluation) -> Iterable[str]:
    yield (
        f"{e.named['t']} parameters and {e.cost.macs:,} MACs; squeeze and excitation with r = 16 "
        f"would have {2 * e.geometry.c_in * (e.geometry.c_in // 16):,} of each."
    )
    yield "The authors' trained networks set taps by hand for each stage (3557 for ResNet-50): --set taps=5."


OPERATOR = Operator(
    name="eca",
    title="ECA: efficient channel attention",
    family="blocks",
    paper=ECANET,
    formula=formula,
    params=(
        Param(
            "taps",
            "int",
            AUTO,
            "channels that a weight depends on",
            1,
            4095,
            auto="the odd number nearest to (log2(c_in) + 1) / 2",
            samples=(3, 7),
        ),
    ),
    derived=(Derived("t", neighbours, _why),),
    rules=(*RULES, Rule("taps is odd", _odd, "choose an odd number of taps: 3, 5, ...")),
    policy=POLICY,
    equations=(
        Equation(
            "12, |x|_odd written as 2 floor(x / 2) + 1, with gamma = 2 and b = 1",
            "2 * floor((log2(C) + 1) / 4) + 1",
            {"C": "c_in"},
            "t",
            given={"taps": None},
            domain=lambda g, named: bool(g.c_in & (g.c_in - 1) == 0),
            domain_text="C is a power of two",
        ),
        Equation("parameters, abstract", "k", {"k": "t"}, "params"),
    ),
    errata=(
        Erratum(
            where="results on ImageNet (also in the authors' code)",
            printed="24.37M and 3.86G for ECA-Net50, 42.49M and 7.35G for ECA-Net101, 3.34M and 319.9M for MobileNetV2 "
            "with ECA",
            right="25.56M, 44.55M and 3.50M parameters, as without ECA, and 4.15G, 7.89G and 335.4M FLOPs in the count "
            "of the authors: paras_flops.py divides both by 2^20 and 2^30",
            evidence=(
                Evidence("parameters of ResNet-50 over 2^20", expression="25557032 / 2^20"),
                Evidence("parameters of ResNet-101 over 2^20", expression="44549160 / 2^20"),
                Evidence("parameters of MobileNetV2 over 2^20", expression="3504872 / 2^20"),
                Evidence(
                    "ECA-Net50 in THOP of 2019, with the last ReLU of each block, over 2^30",
                    expression="(4141410328 + 6322176) / 2^30",
                    source="flopcalc reproduce eca",
                ),
                Evidence(
                    "ECA-Net101 in the same way",
                    expression="(7877615640 + 9734144) / 2^30",
                    source="flopcalc reproduce eca",
                ),
                Evidence(
                    "MobileNetV2 with ECA in THOP of 2019, with its ReLU6 and without the last pooling, over 2^20",
                    expression="(329342648 + 6105792) / 2^20",
                    source="flopcalc reproduce eca",
                ),
            ),
        ),
    ),
    notes=_notes,
    baseline=conv3x3,
    baseline_text="conv 3x3",
    shape={"k": 1},
)
