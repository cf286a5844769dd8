"""SCConv of 2023: a unit that weights positions (SRU), then one that computes fewer channels and reuses them (CRU)."""

from collections.abc import Iterable
from fractions import Fraction

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, exact_div, floor_div, share
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.cost.parts import GIVEN, NOTHING
from flopcalc.spec.operator import Derived, Evaluation, Named, Operator, Param, Policy, Rule, Site, spatial
from flopcalc.spec.rules import ONE_GROUP, SAME_PADDING
from flopcalc.spec.source import Equation, Paper

SCCONV = Paper(
    key="li2023scconv",
    authors=("Li, Jiafeng", "Wen, Ying", "He, Lianghua"),
    title="SCConv: Spatial and Channel Reconstruction Convolution for Feature Redundancy",
    venue="CVPR",
    year=2023,
    doi="10.1109/CVPR52729.2023.00596",
    pages="6153-6162",
)


def formula(g: Geometry, up: Dim, up_squeezed: Dim, low_squeezed: Dim, groups_k: Dim) -> Iterable[Part]:
    """SRU on the input, then CRU. All of it on one grid."""
    yield from _sru(g)
    yield from _cru(g, up, up_squeezed, low_squeezed, groups_k)


def _sru(g: Geometry) -> Iterable[Part]:
    """Group norm, a gate from its scales, and the two parts of the input that the gate separates, crossed."""
    c, p, n = g.c_in, g.p_in, g.batch
    yield parts.called("GroupNorm", parts.layer_norm("sru.norm", c, p))
    total = Part("sru.weights", "other", adds=n * c, reads=c, writes=n, after=NOTHING, call="/")
    quotient = Part("sru.weights", "other", other=n * c, reads=c + n, writes=n * c)
    yield parts.chain("sru.weights", total, quotient)
    yield parts.scale("sru.scale", c, p, n, after=("sru.norm", "sru.weights"))
    yield parts.called("Sigmoid", parts.act("sru.gate", c, p))
    yield Part("sru.mask", "other", other=c * p, reads=c * p, writes=c * p, call=">")
    # 1 (0) for positions with much (little) information, the gate elsewhere; each part times the input.
    yield parts.parallel(2, parts.copy("sru.fill", c * p, index=c * p, after=("sru.gate", "sru.mask")))
    yield parts.parallel(2, parts.scale("sru.separate", c, p, p, after=(GIVEN, "sru.fill")))
    yield parts.parallel(2, parts.add("sru.cross", exact_div(c, 2), p))
    yield parts.copy("sru.join", c * p)


def _cru(g: Geometry, up: Dim, up_squeezed: Dim, low_squeezed: Dim, groups_k: Dim) -> Iterable[Part]:
    """Both shares of the channels squeezed; the upper through k x k and 1x1, the lower reused next to a 1x1."""
    c_out, p, n = g.c_out, g.p_in, g.batch
    yield parts.conv("squeeze_up", up, up_squeezed, 1, p, p, after=("sru.join",))
    yield parts.conv("gwc", up_squeezed, c_out, g.area, p, p, groups=groups_k)
    yield parts.conv("pwc1", up_squeezed, c_out, 1, p, p, after=("squeeze_up",))
    yield parts.add("sum", c_out, p, after=("gwc", "pwc1"))
    yield parts.conv("squeeze_low", g.c_in - up, low_squeezed, 1, p, p, after=("sru.join",))
    yield parts.conv("pwc2", low_squeezed, c_out - low_squeezed, 1, p, p)
    yield parts.copy("join", c_out * p)
    yield parts.parallel(2, parts.global_avg_pool("gap", c_out, p, n, after=("sum", "join")))
    weights = parts.softmax("weights", 2 * c_out * n)
    yield parts.chain("weights", weights, parts.copy("weights", 2 * c_out * n))
    yield parts.parallel(2, parts.scale("weigh", c_out, p, n))
    yield parts.add("fusion", c_out, p)


def _unit_stride(g: Geometry, named: Named) -> str | None:
    return "it has a stride" if g.strided else None


def _divisible(g: Geometry, named: Named) -> str | None:
    up, low, groups, norm = named["up_squeezed"], named["low_squeezed"], named["groups_k"], named["norm_groups"]
    if up < 1 or low < 1:
        return f"alpha = {named['alpha']} and squeeze = {named['squeeze']} leave a branch without channels"
    if low >= g.c_out:
        return f"the lower branch keeps {low} channels, and there are {g.c_out} output channels"
    if up % groups or g.c_out % groups:
        return f"groups_k = {groups} does not divide the {up} squeezed channels and c_out = {g.c_out}"
    if g.c_in % 2 or g.c_in % norm:
        return f"c_in = {g.c_in} is not a multiple of 2 and of norm_groups = {norm}"
    return None


def _whole(g: Geometry, named: Named) -> bool:
    squeeze, up = named["squeeze"], named["alpha"] * g.c_in
    return bool(up == named["up"] and named["up"] % squeeze == 0 and (g.c_in - named["up"]) % squeeze == 0)


def _refuses(site: Site) -> str | None:
    if site.geometry.strided:
        return "it has a stride, and the paper does not say where SCConv would have it"
    return "the first convolution stays plain" if site.first else spatial(site)


def _notes(e: Evaluation) -> Iterable[str]:
    yield (
        "There is no code by its authors. As in the code that is in use, a position whose gate is above 1/2 counts as "
        "informative, and the convolutions have no bias. Thresholds and masks are element-wise work."
    )
    base, cost = e.baseline, e.cost
    yield (
        f"{float(base.params / cost.params):.2f} times fewer parameters than the plain convolution. Sec. 2.3 says "
        "about 5 at alpha = 1/2, squeeze = 2, groups_k = 2, k = 3 and C_1 = C_2; without the norm's parameters, as in "
        "eq. 11, it is 9 / 1.8125 = 4.966."
    )


_LETTERS = {"C": "c_in", "alpha": "alpha", "r": "squeeze"}
_SQUARE = {"c_out": "c_in"}
_OF_COMPLEXITY = {"C_1": "c_in", "C_2": "c_out", "k": "k", "alpha": "alpha", "r": "squeeze", "g": "groups_k"}
# Eq. 11. The three lines are those of the paper.
_P_SC = (
    "1 * 1 * alpha * C_1 * (alpha * C_1 / r) + k * k * (alpha * C_1 / (g * r)) * (C_2 / g) * g"
    " + 1 * 1 * (alpha * C_1 / r) * C_2 + (1 - alpha) * C_1 * ((1 - alpha) * C_1 / r)"
    " + 1 * 1 * ((1 - alpha) * C_1 / r) * (C_2 - (1 - alpha) / r * C_1)"
)

OPERATOR = Operator(
    name="scconv",
    title="SCConv 2023: spatial and channel reconstruction",
    family="compact convolutions",
    paper=SCCONV,
    formula=formula,
    params=(
        Param(
            "alpha",
            "fraction",
            Fraction(1, 2),
            "share of the channels in the upper branch, which has the k x k convolution",
            most=Fraction(1),
            letter="alpha",
            samples=(Fraction(1, 4), Fraction(3, 4)),
        ),
        Param(
            "squeeze", "int", 2, "channels of a branch over those after its first 1x1", 1, letter="r", samples=(1, 4)
        ),
        Param("groups_k", "int", 2, "groups of the k x k convolution", 1, letter="g", samples=(1,)),
        Param("norm_groups", "int", 16, "groups of the normalisation; they do not change the cost", 1, samples=(4, 2)),
    ),
    derived=(
        Derived(
            "up",
            lambda g, alpha: share(alpha, g.c_in),
            lambda g, v: f"channels of the upper branch: floor(alpha * c_in) = floor({v['alpha']} * {g.c_in})",
        ),
        Derived(
            "up_squeezed",
            lambda g, up, squeeze: floor_div(up, squeeze),
            lambda g, v: f"after the upper branch's first 1x1: floor(up / squeeze) = floor({v['up']} / {v['squeeze']})",
        ),
        Derived(
            "low_squeezed",
            lambda g, up, squeeze: floor_div(g.c_in - up, squeeze),
            lambda g, v: (
                "after the lower branch's first 1x1: floor((c_in - up) / squeeze) = "
                f"floor(({g.c_in} - {v['up']}) / {v['squeeze']})"
            ),
        ),
    ),
    rules=(
        ONE_GROUP,
        SAME_PADDING,
        Rule("stride is 1", _unit_stride, "leave --stride at 1; the paper does not say where SCConv would have it"),
        Rule(
            "branches, groups and norm groups divide the channels",
            _divisible,
            "choose channels, alpha, squeeze, groups_k and norm_groups that fit, such as --set norm_groups=2",
        ),
    ),
    policy=Policy("every convolution with a kernel larger than 1x1 and without stride, except the first", _refuses),
    equations=(
        Equation("10, P_s, Sec. 2.3", "k * k * C_1 * C_2", _OF_COMPLEXITY, "baseline_params"),
        Equation(
            "11, P_sc, Sec. 2.3",
            _P_SC,
            _OF_COMPLEXITY,
            "params",
            status="asymptotic",
            right=f"{_P_SC} + 2 * C_1",
            why="The paper says that all parameters are in the transformation stage. The group norm of the SRU also "
            "has a scale and a shift for each channel; eq. 2 makes weights of the scales.",
            domain=_whole,
            domain_text="alpha C_1 / r and (1 - alpha) C_1 / r are whole",
        ),
        Equation(
            "size of M^P1, Sec. 2.2, below eq. 5",
            "alpha * C / r * C",
            _LETTERS,
            "params of pwc1",
            sizes=_SQUARE,
            domain=_whole,
            domain_text="alpha C / r and (1 - alpha) C / r are whole",
        ),
        Equation(
            "size of M^P2, Sec. 2.2, below eq. 6",
            "(1 - alpha) * C / r * (1 - (1 - alpha) / r) * C",
            _LETTERS,
            "params of pwc2",
            sizes=_SQUARE,
            domain=_whole,
            domain_text="alpha C / r and (1 - alpha) C / r are whole",
        ),
    ),
    notes=_notes,
    samples=({"norm_groups": 2, "squeeze": 1, "groups_k": 1},),
)
