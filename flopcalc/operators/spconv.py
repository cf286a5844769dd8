"""SPConv: a grouped k x k and a 1x1 convolution of the first channels, a 1x1 of the rest.

The paper starts from a simpler form, a k x k convolution of the first channels plus a 1x1 of the rest, both summed:
`groups_k=1`, `pointwise=false`, `fusion=sum`.
"""

from collections.abc import Iterable
from fractions import Fraction

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, share
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.cost.parts import INPUT
from flopcalc.operators._measured import resnet50_times
from flopcalc.spec.operator import AUTO, Derived, Evaluation, Limit, Named, Operator, Param, Policy, Rule, Site
from flopcalc.spec.rules import ONE_GROUP, SAME_PADDING
from flopcalc.spec.source import Equation, Erratum, Paper

SPCONV = Paper(
    key="zhang2020split",
    authors=(
        "Zhang, Qiulin",
        "Jiang, Zhuqing",
        "Lu, Qishuo",
        "Han, Jia'nan",
        "Zeng, Zhengxin",
        "Gao, Shanghua",
        "Men, Aidong",
    ),
    title="Split to Be Slim: An Overlooked Redundancy in Vanilla Convolution",
    venue="IJCAI",
    year=2020,
    arxiv="2006.12085",
    doi="10.24963/ijcai.2020/442",
    pages="3195-3201",
)


def representative(g: Geometry, alpha: Dim) -> Dim:
    """Channels of the representative part, truncated as in the authors' code."""
    return share(alpha, g.c_in)


# At stride 1 this part is missing, and does not delay the others.
_POOLED = ("pool",)
# Those of these parts that there are.
_BOTH = ("gwc", "sum", "norm_rep", "rest", "norm_rest")


def formula(
    g: Geometry,
    groups_k: Dim,
    c_rep: Dim,
    norm: bool,
    bias: bool,
    has_rest: bool,
    pointwise: bool,
    pools: bool,
    c_pooled: Dim,
    weighted: bool,
) -> Iterable[Part]:
    """c_rep channels through a grouped k x k plus a 1x1, the others through a 1x1, then the fusion."""
    grid, c_out = g.p_out, g.c_out
    yield from parts.when(
        pools, lambda: (parts.pool_to_stride("pool", c_pooled, g.p_in, grid, g.stride_h * g.stride_w),)
    )
    yield parts.conv("gwc", c_rep, c_out, g.area, g.p_in, grid, groups=groups_k, after=INPUT)
    yield from parts.when(pointwise, lambda: _second_view(g, c_rep))
    yield from parts.when(norm, lambda: (parts.norm("norm_rep", c_out, grid),))
    yield from parts.when(has_rest, lambda: _rest(g, c_rep, norm, bias))
    yield from parts.when(has_rest and weighted, lambda: _weighted(g))
    yield from parts.when(has_rest and not weighted, lambda: (parts.add("fusion", c_out, grid, after=_BOTH),))


def _second_view(g: Geometry, c_rep: Dim) -> Iterable[Part]:
    yield parts.conv("pwc", c_rep, g.c_out, 1, g.p_out, g.p_out, after=_POOLED)
    yield parts.add("sum", g.c_out, g.p_out, after=("gwc", "pwc"))


def _rest(g: Geometry, c_rep: Dim, norm: bool, bias: bool) -> Iterable[Part]:
    yield parts.conv("rest", g.c_in - c_rep, g.c_out, 1, g.p_out, g.p_out, bias=bias, after=_POOLED)
    yield from parts.when(norm, lambda: (parts.norm("norm_rest", g.c_out, g.p_out),))


def _weighted(g: Geometry) -> Iterable[Part]:
    """Both branches are pooled, weighted and summed; the weights are a softmax over the two."""
    grid, c_out, n = g.p_out, g.c_out, g.batch
    yield parts.parallel(2, parts.global_avg_pool("gap", c_out, grid, n, after=_BOTH))
    yield parts.chain("weights", parts.softmax("softmax", 2 * c_out * n), parts.copy("stack", 2 * c_out * n))
    yield parts.chain("fusion", parts.parallel(2, parts.scale("scale", c_out, grid, n)), parts.add("add", c_out, grid))


def _divisible(g: Geometry, named: Named) -> str | None:
    c_rep, groups = named["c_rep"], named["groups_k"]
    if c_rep < 1:
        return f"alpha * c_in = {named['alpha']} * {g.c_in} is less than one representative channel"
    if c_rep % groups:
        return (
            f"the {c_rep} representative channels (alpha * c_in = {named['alpha']} * {g.c_in}) "
            f"are not divisible by groups_k = {groups}"
        )
    return f"c_out = {g.c_out} is not divisible by groups_k = {groups}" if g.c_out % groups else None


def _only_3x3(site: Site) -> str | None:
    kernel = site.geometry.kernel
    return None if kernel == (3, 3) else f"{kernel[0]}x{kernel[1]} kernel; SPConv replaces 3x3 convolutions"


def _whole_alpha(g: Geometry, named: Named) -> bool:
    return bool(named["alpha"] * g.c_in == named["c_rep"])


def _notes(e: Evaluation) -> Iterable[str]:
    if not e.named["norm"]:
        yield "Counted without the bias and two batch norms of the authors' module: --set norm=true adds them."
    if e.geometry.stride not in ((1, 1), (2, 2)):
        yield "The authors define strides 1 and 2; at others, the 1x1 branches here pool over one window per output."


_LETTERS = {"L": "c_in", "M": "c_out", "k": "k", "alpha": "alpha", "g": "groups_k", "h": "h_out", "w": "w_out"}

OPERATOR = Operator(
    name="spconv",
    title="SPConv: split-based convolution",
    family="compact convolutions",
    paper=SPCONV,
    formula=formula,
    params=(
        Param(
            "alpha",
            "fraction",
            Fraction(1, 2),
            "share of the input channels in the representative part",
            most=Fraction(1),
            letter="alpha",
            samples=(Fraction(1, 4), Fraction(1, 8), Fraction(1, 3), Fraction(1)),
        ),
        Param("groups_k", "int", 2, "groups of the k x k convolution", 1, letter="g", samples=(1, 4)),
        Param("pointwise", "bool", True, "the 1x1 convolution of the representative part", samples=(False,)),
        Param(
            "fusion",
            "choice",
            "weighted",
            "the two parts summed by weights that a softmax gives, or without weights",
            choices=("weighted", "sum"),
            samples=("sum",),
        ),
        Param("norm", "bool", False, "both batch norms, as in the authors' code", samples=(True,)),
        Param("bias", "bool", AUTO, "the bias of the rest's 1x1 convolution", same_as="norm", samples=(True, False)),
    ),
    derived=(
        Derived(
            "c_rep",
            representative,
            lambda g, v: f"representative channels: floor(alpha * c_in) = floor({v['alpha']} * {g.c_in})",
        ),
        Derived("has_rest", lambda g, alpha: bool(alpha != 1)),
        # The 1x1 convolutions see a pooled input at a stride.
        Derived("pools", lambda g, pointwise, has_rest: g.strided and (pointwise or has_rest)),
        Derived("c_pooled", lambda g, pointwise, c_rep: g.c_in if pointwise else g.c_in - c_rep),
        Derived("weighted", lambda g, fusion: fusion == "weighted"),
    ),
    rules=(
        ONE_GROUP,
        SAME_PADDING,
        Rule(
            "groups_k divides alpha * c_in and c_out",
            _divisible,
            "choose alpha and groups_k so that groups_k divides floor(alpha * c_in) and c_out",
        ),
    ),
    limits=(
        Limit({"alpha": Fraction(1), "groups_k": 1, "norm": False, "bias": False}, "conv", surviving=("pwc",)),
        Limit({"alpha": Fraction(1), "groups_k": 1, "norm": False, "bias": False, "pointwise": False}, "conv"),
    ),
    policy=Policy("every 3x3 convolution", _only_3x3),
    equations=(
        Equation(
            "MACs, not numbered",
            "h * w * L * M * (alpha * k^2 / g + 1)",
            _LETTERS,
            "macs",
            given={"pointwise": True},
            domain=_whole_alpha,
            domain_text="alpha L is whole",
        ),
        Equation(
            "MACs of the first form, from its description",
            "h * w * L * M * (alpha * k^2 + 1 - alpha)",
            _LETTERS,
            "macs",
            given={"pointwise": False, "groups_k": 1},
            domain=_whole_alpha,
            domain_text="alpha L is whole",
        ),
        Equation(
            "parameters, not numbered",
            "L * M * (alpha * k^2 / g + 1)",
            _LETTERS,
            "params",
            given={"norm": False, "bias": False, "pointwise": True},
            domain=_whole_alpha,
            domain_text="alpha L is whole",
        ),
    ),
    notes=_notes,
    errata=(
        Erratum(
            where="abstract, on inference time",
            printed="networks with SPConv are better than the baselines in accuracy and in inference time on a GPU",
            right="on another GPU ResNet-50 with SPConv takes as long as the plain network in float32, and 1.6 times "
            "as long in float16, with 0.71 of its MACs",
            evidence=resnet50_times("spconv"),
        ),
    ),
    samples=(
        {"pointwise": False, "groups_k": 1, "fusion": "sum"},
        {"pointwise": False, "groups_k": 1, "fusion": "sum", "alpha": Fraction(1)},
        {"pointwise": False, "norm": True, "alpha": Fraction(1, 4)},
    ),
)
