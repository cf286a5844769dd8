"""Octave convolution: some channels are on a grid of half the height and width.

Of c channels, floor(alpha c) are low, on h/2 x w/2, and the others high, on h x w. alpha_in and alpha_out are the
shares of the input and of the output where they differ; 0 is one plain map, as the first octave layer of a network
takes and the last one gives. Four convolutions connect them:

high -> high on h x w                                   part `high_high`
high -> low  on h/2 x w/2, after average pooling         parts `pool`, `high_low`
low  -> high on h/2 x w/2, then nearest upsampling       parts `low_high`, `upsample`
low  -> low  on h/2 x w/2                               part `low_low`

and each grid sums its two (`sum_high`, `sum_low`). Paths from or to channels that there are not are left out.

At stride 2, with `stride_by=pool` as in the authors' code, both grids are average-pooled before the convolutions
(`shrink`, `shrink_low`), which have stride 1; the low input then has the size of the high output, and is not upsampled.
"""

from collections.abc import Callable, Iterable
from fractions import Fraction

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, exact_div, share
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry, short
from flopcalc.cost.parts import INPUT
from flopcalc.spec.operator import AUTO, Derived, Evaluation, Limit, Named, Operator, Param, Policy, Rule
from flopcalc.spec.rules import ONE_GROUP, SAME_PADDING
from flopcalc.spec.source import Equation, Paper
from flopcalc.spec.two_grids import TwoGrids

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


def formula(
    g: Geometry,
    low_in: Dim,
    low_out: Dim,
    low_h: Dim,
    low_w: Dim,
    pair_in: bool,
    pair_out: bool,
    shrinks: bool,
    given_h: Dim,
    given_w: Dim,
) -> Iterable[Part]:
    """The four paths of the module's docstring. grid, low: positions of the output; given_low: of the low input."""
    grid, low, area = g.p_out, g.batch * low_h * low_w, g.area
    given_low = g.batch * given_h * given_w
    high_in, high_out = g.c_in - low_in, g.c_out - low_out
    yield from parts.when(shrinks, lambda: (parts.pool_to_stride("shrink", high_in, g.p_in, grid, 4, after=INPUT),))
    yield parts.conv("high_high", high_in, high_out, area, grid, grid, after=("shrink",))
    yield from parts.when(pair_in, lambda: _low_to_high(low_in, high_out, area, given_low, grid, shrinks))
    yield from parts.when(
        pair_in and pair_out and shrinks,
        lambda: (parts.avg_pool("shrink_low", low_in, given_low, low, 4, after=INPUT),),
    )
    yield from parts.when(
        pair_in and pair_out,
        lambda: (parts.conv("low_low", low_in, low_out, area, low, low, after=("shrink_low",)),),
    )
    yield from parts.when(pair_out, lambda: _high_to_low(high_in, low_out, area, grid, low, pair_in))


def _low_to_high(low_in: Dim, high_out: Dim, area: Dim, given: Dim, grid: Dim, shrinks: bool) -> Iterable[Part]:
    yield parts.conv("low_high", low_in, high_out, area, given, given, after=INPUT)
    yield from parts.when(
        not shrinks, lambda: (parts.called("Upsample", parts.upsample("upsample", high_out, given, grid)),)
    )
    yield parts.add("sum_high", high_out, grid, after=("high_high", "low_high", "upsample"))


def _high_to_low(high_in: Dim, low_out: Dim, area: Dim, grid: Dim, low: Dim, pair_in: bool) -> Iterable[Part]:
    yield parts.avg_pool("pool", high_in, grid, low, 4, after=("shrink",))
    yield parts.conv("high_low", high_in, low_out, area, low, low)
    yield from parts.when(pair_in, lambda: (parts.add("sum_low", low_out, low, after=("low_low", "high_low")),))


def _even(g: Geometry, named: Named) -> str | None:
    sides = (("input", named["pair_in"], g.h, g.w), ("output", named["pair_out"], g.h_out, g.w_out))
    for side, is_pair, h, w in sides:
        if is_pair and (h % 2 or w % 2):
            return f"the {h}x{w} {side} cannot be halved"
    return None


def _unstrided(g: Geometry, named: Named) -> str | None:
    if named["stride_by"] == "pool":
        return None if g.stride in ((1, 1), (2, 2)) else f"stride {short(g.stride)}, and the operator has 1 or 2"
    return "it has a stride, and the operator does not" if g.strided else None


def _both_frequencies(g: Geometry, named: Named) -> str | None:
    for side, is_pair, c in (("in", named["pair_in"], g.c_in), ("out", named["pair_out"], g.c_out)):
        low = named[f"low_{side}"]
        if is_pair and not 0 < low < c:
            own = named[f"alpha_{side}"]
            given = f"alpha = {named['alpha']}" if own is None else f"alpha_{side} = {own}"
            return f"{given} gives the {side}put {low} low and {c - low} high channels"
    return None


def _packed(c: Dim, low: Dim, is_pair: bool, h: Dim, w: Dim) -> tuple[int, ...]:
    """A plain map, or the elements of a pair as one shape on the small grid: a high channel is four of its maps."""
    return (4 * (c - low) + low, h // 2, w // 2) if is_pair else (c, h, w)


def _notes(e: Evaluation) -> Iterable[str]:
    g, named = e.geometry, e.named

    def tensor(c: int, low: int, is_pair: bool, h: int, w: int) -> str:
        return f"a pair, {c - low} x {h}x{w} and {low} x {h // 2}x{w // 2}" if is_pair else f"one map, {c} x {h}x{w}"

    given = tensor(g.c_in, named["low_in"], named["pair_in"], g.h, g.w)
    out = tensor(g.c_out, named["low_out"], named["pair_out"], g.h_out, g.w_out)
    text = f"The input is {given}; the output is {out}"
    yield f"{text}, above on the small grid." if named["pair_out"] else f"{text}."
    yield "alpha_in=0 is the first octave layer of a network, alpha_out=0 the last: a plain map on that side."


def _whole(g: Geometry, named: Named) -> bool:
    exact = named["alpha"] * g.c_in == named["low_in"] and named["alpha"] * g.c_out == named["low_out"]
    return bool(exact and not g.strided)


_LETTERS = {"h": "h_out", "w": "w_out", "k": "k", "alpha": "alpha", "c_in": "c_in", "c_out": "c_out"}


def _low_in(g: Geometry, alpha: Dim, alpha_in: Dim) -> Dim:
    return share(alpha if alpha_in is None else alpha_in, g.c_in)


def _low_out(g: Geometry, alpha: Dim, alpha_out: Dim) -> Dim:
    return share(alpha if alpha_out is None else alpha_out, g.c_out)


def _why_low(side: str) -> Callable[[Geometry, Named], str]:
    def why(g: Geometry, named: Named) -> str:
        own = named[f"alpha_{side}"]
        name, value = ("alpha", named["alpha"]) if own is None else (f"alpha_{side}", own)
        return f"low channels: floor({name} * c_{side}) = floor({value} * {getattr(g, f'c_{side}')})"

    return why


def _one_side(side: str, meaning: str) -> Param:
    return Param(
        f"alpha_{side}",
        "fraction",
        AUTO,
        f"share of low channels of the {side}put; 0 is {meaning}",
        least=0,
        most=Fraction(1),
        auto="as alpha",
        samples=(Fraction(0), Fraction(1, 4)),
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
        _one_side("in", "a plain map, as for the first octave layer of a network"),
        _one_side("out", "a plain map, as for the last one"),
        Param(
            "stride_by",
            "choice",
            "none",
            "how a stride of 2 is made: not at all, or by average pooling before the convolutions",
            choices=("none", "pool"),
            samples=("pool",),
        ),
    ),
    derived=(
        Derived("low_in", _low_in, _why_low("in")),
        Derived("low_out", _low_out, _why_low("out")),
        Derived("pair_in", lambda g, alpha_in: alpha_in is None or bool(alpha_in != 0)),
        Derived("pair_out", lambda g, alpha_out: alpha_out is None or bool(alpha_out != 0)),
        Derived("shrinks", lambda g: g.strided),
        # The low input: at stride 1 on the grid of the low output, at stride 2 on that of the output.
        Derived("given_h", lambda g, shrinks: g.h_out if shrinks else exact_div(g.h_out, 2)),
        Derived("given_w", lambda g, shrinks: g.w_out if shrinks else exact_div(g.w_out, 2)),
        Derived("low_h", lambda g: exact_div(g.h_out, 2)),
        Derived("low_w", lambda g: exact_div(g.w_out, 2)),
    ),
    rules=(
        ONE_GROUP,
        SAME_PADDING,
        Rule("stride is 1, or 2 with stride_by=pool", _unstrided, "leave --stride at 1, or set stride_by=pool"),
        Rule("h and w of a pair are even", _even, "give an even size, such as --hw 56"),
        Rule("high and low channels where alpha is not 0", _both_frequencies, "choose another alpha, or more channels"),
    ),
    limits=(
        Limit({"low_in": 0, "low_out": 0}, equals="conv", surviving=("shrink", "shrink_low", "pool", "upsample")),
        Limit(
            {"alpha_in": Fraction(0), "low_in": 0, "pair_in": False}
            | {"alpha_out": Fraction(0), "low_out": 0, "pair_out": False},
            equals="conv",
            surviving=("shrink",),
        ),
    ),
    # Of a single convolution; two_grids is about those of a network together.
    policy=Policy(
        "in described networks every convolution but the first, where its maps can be on two grids; in modules none",
        lambda site: "the layers around it would need two resolutions",
    ),
    two_grids=TwoGrids("alpha", "alpha_in", "alpha_out", {"stride_by": "pool"}),
    inputs=lambda named: 2 if named["pair_in"] else 1,
    equations=(
        Equation(
            "FLOPs, appendix",
            "(1 - 3 / 4 * alpha * (2 - alpha)) * h * w * k^2 * c_in * c_out",
            _LETTERS,
            "macs",
            given={"alpha_in": None, "alpha_out": None},
            domain=_whole,
            domain_text="alpha c_in and alpha c_out are whole, and the stride is 1",
        ),
        Equation("parameters, not numbered", "k^2 * c_in * c_out", _LETTERS, "params"),
        Equation(
            "FLOPs of the first layer, from the paths that are left",
            "(1 - 3 / 4 * alpha) * h * w * k^2 * c_in * c_out",
            {**_LETTERS, "alpha": "alpha"},
            "macs",
            given={"alpha_in": Fraction(0), "alpha_out": None},
            domain=lambda g, named: bool(named["alpha"] * g.c_out == named["low_out"]),
            domain_text="alpha c_out is whole",
        ),
        Equation(
            "FLOPs of the last layer, from the paths that are left",
            "(1 - 3 / 4 * alpha) * h * w * k^2 * c_in * c_out",
            _LETTERS,
            "macs",
            given={"alpha_in": None, "alpha_out": Fraction(0)},
            domain=lambda g, named: bool(named["alpha"] * g.c_in == named["low_in"] and not g.strided),
            domain_text="alpha c_in is whole, and the stride is 1",
        ),
    ),
    notes=_notes,
    in_shape=lambda g, named: _packed(g.c_in, named["low_in"], named["pair_in"], g.h, g.w),
    out_shape=lambda g, named: _packed(g.c_out, named["low_out"], named["pair_out"], g.h_out, g.w_out),
    samples=(
        {"stride_by": "pool", "alpha_in": Fraction(0)},
        {"stride_by": "pool", "alpha_out": Fraction(0), "alpha": Fraction(1, 4)},
    ),
    shapes=(
        {"c_in": 24, "c_out": 40, "hw": (12, 8), "stride": 2, "batch": 2},
        {"c_in": 16, "k": 1, "hw": 20, "stride": 2},
    ),
)
