"""Octave convolution: some channels are on a grid of half the height and width.

Of c channels, floor(alpha c) are low, on h/2 x w/2, and the others high, on h x w. Four
convolutions connect them:

high -> high on h x w                                   part `high_high`
high -> low  on h/2 x w/2, after average pooling         parts `pool`, `high_low`
low  -> high on h/2 x w/2, then nearest upsampling       parts `low_high`, `upsample`
low  -> low  on h/2 x w/2                               part `low_low`

and each grid sums its two (`sum_high`, `sum_low`). A pair of tensors goes in and a pair comes out.
"""

from collections.abc import Iterable
from fractions import Fraction

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, exact_div, share
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.cost.parts import INPUT
from flopcalc.spec.operator import Derived, Evaluation, Limit, Named, Operator, Param, Policy, Rule
from flopcalc.spec.rules import ONE_GROUP, SAME_PADDING
from flopcalc.spec.source import Equation, Paper

OCTAVE = Paper(
    key="chen2019drop",
    authors=(
        "Chen, Yunpeng",
        "Fan, Haoqi",
        "Xu, Bing",
        "Yan, Zhicheng",
        "Kalantidis, Yannis",
        "Rohrbach, Marcus",
        "Yan, Shuicheng",
        "Feng, Jiashi",
    ),
    title="Drop an Octave: Reducing Spatial Redundancy in Convolutional Neural Networks with Octave Convolution",
    venue="ICCV",
    year=2019,
    arxiv="1904.05049",
)


def formula(g: Geometry, low_in: Dim, low_out: Dim, low_h: Dim, low_w: Dim) -> Iterable[Part]:
    """The four paths of the module's docstring; `grid` and `low` are the positions of the two grids."""
    grid, low, area = g.p_out, g.n * low_h * low_w, g.area
    high_in, high_out = g.c_in - low_in, g.c_out - low_out
    yield parts.conv("high_high", high_in, high_out, area, grid, grid, after=INPUT)
    yield parts.conv("low_high", low_in, high_out, area, low, low, after=INPUT)
    yield parts.upsample("upsample", high_out, low, grid)
    yield parts.add("sum_high", high_out, grid, after=("high_high", "upsample"))
    yield parts.conv("low_low", low_in, low_out, area, low, low, after=INPUT)
    yield parts.avg_pool("pool", high_in, grid, low, 4, after=INPUT)
    yield parts.conv("high_low", high_in, low_out, area, low, low)
    yield parts.add("sum_low", low_out, low, after=("low_low", "high_low"))


def _even(g: Geometry, named: Named) -> str | None:
    return f"the {g.h}x{g.w} input cannot be halved" if g.h % 2 or g.w % 2 else None


def _unstrided(g: Geometry, named: Named) -> str | None:
    return "it has a stride, and the operator does not" if g.strided else None


def _both_frequencies(g: Geometry, named: Named) -> str | None:
    for side, c, low in (("input", g.c_in, named["low_in"]), ("output", g.c_out, named["low_out"])):
        if not 0 < low < c:
            return f"alpha = {named['alpha']} gives the {side} {low} low and {c - low} high channels"
    return None


def _packed(c: Dim, low: Dim, g: Geometry) -> tuple[int, ...]:
    """The elements of a pair as one shape on the small grid: a high channel is four of its maps."""
    return 4 * (c - low) + low, g.h_out // 2, g.w_out // 2


def _notes(e: Evaluation) -> Iterable[str]:
    g, low_in, low_out = e.geometry, e.named["low_in"], e.named["low_out"]
    small = f"{g.h // 2}x{g.w // 2}"
    yield (
        f"The input is a pair, {g.c_in - low_in} x {g.h}x{g.w} and {low_in} x {small}, and so is the output, "
        f"{g.c_out - low_out} x {g.h}x{g.w} and {low_out} x {small}; the output above is the pair on the small grid."
    )
    yield "The first and last layer of a network, with low channels on one side only, are not described here."


def _whole(g: Geometry, named: Named) -> bool:
    return bool(named["alpha"] * g.c_in == named["low_in"] and named["alpha"] * g.c_out == named["low_out"])


_LETTERS = {"h": "h_out", "w": "w_out", "k": "k", "alpha": "alpha", "c_in": "c_in", "c_out": "c_out"}


def _why_low(side: str) -> Derived:
    def compute(g: Geometry, alpha: Dim) -> Dim:
        return share(alpha, getattr(g, f"c_{side}"))

    return Derived(
        f"low_{side}",
        compute,
        lambda g, v: f"low channels: floor(alpha * c_{side}) = floor({v['alpha']} * {getattr(g, f'c_{side}')})",
    )


OPERATOR = Operator(
    name="octconv",
    title="Octave convolution",
    family="compact convolutions",
    paper=OCTAVE,
    formula=formula,
    params=(
        Param(
            "alpha",
            "fraction",
            Fraction(1, 2),
            "share of low channels, in and out",
            most=Fraction(1),
            letter="alpha",
            samples=(Fraction(1, 4), Fraction(1, 8), Fraction(3, 4)),
        ),
    ),
    derived=(
        _why_low("in"),
        _why_low("out"),
        Derived("low_h", lambda g: exact_div(g.h_out, 2)),
        Derived("low_w", lambda g: exact_div(g.w_out, 2)),
    ),
    rules=(
        ONE_GROUP,
        SAME_PADDING,
        Rule("stride is 1", _unstrided, "leave --stride at 1"),
        Rule("h and w are even", _even, "give an even size, such as --hw 56"),
        Rule("high and low channels on both sides", _both_frequencies, "choose another alpha, or more channels"),
    ),
    limits=(Limit({"low_in": 0, "low_out": 0}, equals="conv"),),
    policy=Policy(
        "no convolution: its tensors have two resolutions",
        lambda site: "the layers around it would need two resolutions",
    ),
    equations=(
        Equation(
            "FLOPs, appendix",
            "(1 - 3 / 4 * alpha * (2 - alpha)) * h * w * k^2 * c_in * c_out",
            _LETTERS,
            "macs",
            domain=_whole,
            domain_text="alpha c_in and alpha c_out are whole",
        ),
        Equation("parameters, not numbered", "k^2 * c_in * c_out", _LETTERS, "params"),
    ),
    notes=_notes,
    in_shape=lambda g, named: _packed(g.c_in, named["low_in"], g),
    out_shape=lambda g, named: _packed(g.c_out, named["low_out"], g),
)
