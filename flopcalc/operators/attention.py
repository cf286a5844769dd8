"""Multi-head self-attention on the positions of a feature map, over all of them or within windows."""

from collections.abc import Iterable
from fractions import Fraction

from flopcalc import parts
from flopcalc.arith import Dim, exact_div
from flopcalc.cost import Cost, Part
from flopcalc.geometry import Geometry
from flopcalc.operator import Derived, Evaluation, Named, Operator, Param, Policy, Rule
from flopcalc.parts import INPUT
from flopcalc.provenance import Equation, Paper
from flopcalc.rules import EQUAL_CHANNELS, ONE_GROUP, single_tap

# The attention is that of Vaswani et al. 2017; this paper prints its cost on a grid, and cuts the windows.
SWIN = Paper(
    key="liu2021swin",
    authors=(
        "Liu, Ze",
        "Lin, Yutong",
        "Cao, Yue",
        "Hu, Han",
        "Wei, Yixuan",
        "Zhang, Zheng",
        "Lin, Stephen",
        "Guo, Baining",
    ),
    title="Swin Transformer: Hierarchical Vision Transformer using Shifted Windows",
    venue="ICCV",
    year=2021,
    arxiv="2103.14030",
)


def seen(g: Geometry, window: int | None) -> Dim:
    """Tokens that one token sees: all, or those of its window."""
    return g.h * g.w if window is None else window**2


def side(g: Geometry, window: int | None) -> Dim:
    """M of the printed equations; without windows that of a square of all tokens, so that M^2 is right."""
    return (g.h * g.w) ** Fraction(1, 2) if window is None else window


def head_width(g: Geometry, heads: Dim) -> Dim:
    """Channels of one head."""
    return exact_div(g.c_in, heads)


def attention_maps(g: Geometry, heads: Dim, tokens: Dim) -> Dim:
    """One for each sample, window and head."""
    return g.n * exact_div(g.h_out * g.w_out, tokens) * heads


def formula(g: Geometry, heads: Dim, tokens: Dim, bias: bool) -> Iterable[Part]:
    """Queries, keys and values; softmax(q k^T / sqrt(d)) v for each window and head; a projection."""
    c, grid = g.c_in, g.p_out
    width, maps = head_width(g, heads), attention_maps(g, heads, tokens)
    yield parts.conv("qkv", c, 3 * c, 1, grid, grid, bias=bias, after=INPUT)
    # One copy sorts the positions by window and the channels by head, another undoes it.
    yield parts.copy("qkv.arrange", 3 * c * grid)
    yield Part("scale", "mul", muls=c * grid, reads=c * grid, writes=c * grid)
    yield parts.matmul("scores", tokens, width, tokens, batch=maps)
    yield parts.softmax("softmax", maps * tokens * tokens)
    yield parts.matmul("mix", tokens, tokens, width, batch=maps)
    yield parts.copy("mix.arrange", c * grid)
    yield parts.conv("projection", c, c, 1, grid, grid, bias=bias)


def _heads_divide(g: Geometry, named: Named) -> str | None:
    heads = named["heads"]
    return f"heads = {heads} does not divide the {g.c_in} channels" if g.c_in % heads else None


def _windows_fit(g: Geometry, named: Named) -> str | None:
    window = named["window"]
    if window is not None and (g.h % window or g.w % window):
        return f"{g.h}x{g.w} is not made of {window}x{window} windows"
    return None


def _conv3x3(g: Geometry, named: Named) -> Cost:
    return Cost((parts.conv("conv", g.c_in, g.c_out, 9, g.p_in, g.p_out, bias=named["bias"]),))


def _notes(e: Evaluation) -> Iterable[str]:
    products = sum(part.macs for part in e.cost if part.name in ("scores", "mix"))
    growth = "with the tokens" if e.named["window"] is not None else "with the square of the tokens"
    yield (
        f"The products of tokens with tokens (scores, mix) are {100 * products / e.cost.macs:.1f} % of the MACs and "
        f"grow {growth}; qkv and projection grow with the tokens."
    )
    yield (
        "The printed equations leave softmax and scaling out; here they are element-wise work. Normalisation, position "
        "biases and the shift of windows are not counted."
    )


_LETTERS = {"h": "h", "w": "w", "C": "c_in"}

OPERATOR = Operator(
    name="attention",
    title="Multi-head self-attention",
    family="attention",
    paper=SWIN,
    formula=formula,
    params=(
        Param("heads", "int", 4, "heads; each sees c_in / heads channels", 1, letter="m", samples=(1, 2, 8)),
        Param("window", "int", None, "side of the windows within which tokens see each other", 1,
              auto="none: all tokens", samples=(7, 4)),
        Param("bias", "bool", True, "a bias in qkv and in the projection", samples=(False,)),
    ),
    derived=(
        Derived("tokens", seen,
                lambda g, v: f"tokens that a token sees: {g.h} * {g.w}" if v["window"] is None
                else f"tokens that a token sees: {v['window']}^2"),
        Derived("side", side),
    ),
    rules=(
        single_tap("attention has kernel 1, stride 1 and no padding"),
        EQUAL_CHANNELS,
        ONE_GROUP,
        Rule("heads divides the channels", _heads_divide, "choose heads that divides --cin (--set heads=1)"),
        Rule("h and w are multiples of window", _windows_fit, "choose a window that divides h and w"),
    ),
    policy=Policy("no convolution", lambda site: "attention stands for no convolution of its papers"),
    equations=(
        Equation("1", "4 * h * w * C^2 + 2 * (h * w)^2 * C", _LETTERS, "macs", given={"window": None}),
        Equation("2", "4 * h * w * C^2 + 2 * M^2 * h * w * C", {**_LETTERS, "M": "side"}, "macs",
                 domain=lambda g, named: named["window"] is not None, domain_text="a window is given"),
    ),
    notes=_notes,
    baseline=_conv3x3,
    baseline_text="conv 3x3",
    shape={"k": 1},
)  # fmt: skip
