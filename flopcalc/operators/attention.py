"""Multi-head self-attention on the positions of a feature map: all of them, within windows, or across patches."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, ceil_div, exact_div, minimum, square_root
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.cost.parts import NOTHING
from flopcalc.operators._conv3x3 import conv3x3_with_their_bias
from flopcalc.spec.operator import AUTO, Derived, Evaluation, Named, Operator, Param, Policy, Rule
from flopcalc.spec.rules import EQUAL_CHANNELS, ONE_GROUP, single_tap
from flopcalc.spec.source import Equation, Paper

# The attention is that of Vaswani et al. 2017; this paper prints its cost on a grid, and introduces the windows.
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


def seen(g: Geometry, window: int | None, patch: int) -> Dim:
    """Tokens that one token attends to: those of its window, or those at the same position of their patch."""
    # Each side divides by itself: a product of two quotients that are whole is a form without a floor of a product.
    return exact_div(g.h, patch) * exact_div(g.w, patch) if window is None else window**2


def side(g: Geometry, window: int | None, patch: int) -> Dim:
    """M of the printed equations: the side of a window, or of a square of all tokens, so that M^2 is right."""
    return square_root(g.h * g.w) if window is None else window


def offsets(g: Geometry, window: int | None) -> int:
    """Offsets between two tokens of a window, in both directions: the size of the table of one head."""
    return 0 if window is None else (2 * window - 1) ** 2


def crossing(g: Geometry, window: int | None) -> Dim:
    """1 where there are several windows, so that a shift moves positions from one to another; else 0."""
    return 0 if window is None else minimum(1, ceil_div(g.h, window) + ceil_div(g.w, window) - 2)


def head_width(g: Geometry, heads: Dim) -> Dim:
    """Channels of one head."""
    return exact_div(g.c_in, heads)


def attention_maps(g: Geometry, heads: Dim, tokens: Dim) -> Dim:
    """One for each sample, window and head."""
    return g.batch * exact_div(g.h_out * g.w_out, tokens) * heads


def _position(heads: Dim, tokens: Dim, table: int, size: Dim) -> Iterable[Part]:
    """A trained number for each head and offset, gathered for each pair of a window's tokens, and added."""
    biases = heads * tokens**2
    gather = parts.copy("position", biases, index=tokens**2, after=NOTHING)
    yield gather._replace(params=heads * table)
    yield Part("position.add", "add", adds=size, reads=size + biases, writes=size, after=("scores", "position"))


def _mask(g: Geometry, tokens: Dim, size: Dim) -> Part:
    """A constant for each pair of tokens of each window: far below 0 for tokens that were not neighbours."""
    constants = exact_div(g.h * g.w, tokens) * tokens**2
    return Part("mask", "add", adds=size, reads=size + constants, writes=size)


def formula(
    g: Geometry, heads: Dim, tokens: Dim, table: int, several: Dim, bias: bool, position_bias: bool, shifted: bool
) -> Iterable[Part]:
    """Queries, keys and values; softmax(q k^T / sqrt(d)) v for each window and head; a projection."""
    c, grid = g.c_in, g.p_out
    width, maps = head_width(g, heads), attention_maps(g, heads, tokens)
    size = maps * tokens * tokens
    roll = parts.copy("roll", c * grid)
    yield from parts.when(shifted, lambda: (parts.times(several, roll),))
    yield parts.conv("qkv", c, 3 * c, 1, grid, grid, bias=bias)
    # One copy arranges the positions by window and the channels by head; another one reverses that.
    yield parts.copy("qkv.arrange", 3 * c * grid)
    yield Part("scale", "mul", muls=c * grid, reads=c * grid, writes=c * grid)
    yield parts.called("torch.bmm", parts.matmul("scores", tokens, width, tokens, batch=maps))
    yield from parts.when(position_bias, lambda: _position(heads, tokens, table, size))
    yield from parts.when(shifted, lambda: (parts.times(several, _mask(g, tokens, size)),))
    yield parts.called("Softmax", parts.softmax("softmax", size, maps * tokens))
    yield parts.called("torch.bmm", parts.matmul("mix", tokens, tokens, width, batch=maps))
    yield parts.copy("mix.arrange", c * grid)
    yield parts.conv("projection", c, c, 1, grid, grid, bias=bias)
    yield from parts.when(shifted, lambda: (parts.times(several, parts.copy("roll_back", c * grid)),))


def _heads_divide(g: Geometry, named: Named) -> str | None:
    heads = named["heads"]
    return f"heads = {heads} does not divide the {g.c_in} channels" if g.c_in % heads else None


def _windows_fit(g: Geometry, named: Named) -> str | None:
    window = named["window"]
    if window is not None and (g.h % window or g.w % window):
        return f"{g.h}x{g.w} cannot be divided into {window}x{window} windows"
    return None


def _patches_fit(g: Geometry, named: Named) -> str | None:
    patch = named["patch"]
    if patch != 1 and named["window"] is not None:
        return "window and patch are both set, and tokens attend within windows or across patches"
    return f"{g.h}x{g.w} cannot be divided into {patch}x{patch} patches" if g.h % patch or g.w % patch else None


def _windows_are_there(g: Geometry, named: Named) -> str | None:
    window, shift = named["window"], named["shift"]
    if window is None and (shift or named["position_bias"]):
        return f"{'a shift' if shift else 'a position bias'} needs windows, and there are none"
    return f"a shift of {shift} is not less than the window of {window}" if shift and shift >= window else None


def _notes(e: Evaluation) -> Iterable[str]:
    products = sum(part.macs for part in e.cost if part.name in ("scores", "mix"))
    growth = "with the tokens" if e.named["window"] is not None else "with the square of the tokens"
    yield (
        f"The products of tokens with tokens (scores, mix) are {100 * products / e.cost.macs:.1f} % of the MACs and "
        f"grow {growth}; qkv and projection grow with the tokens."
    )
    yield (
        "The printed equations leave out softmax, scaling, position biases and the mask of shifted windows; here they "
        "are element-wise work. Normalisation is not counted."
    )
    if e.named["shift"] and not e.named["several"]:
        yield "The map is one window: nothing is shifted or masked."


_LETTERS = {"h": "h", "w": "w", "C": "c_in"}

OPERATOR = Operator(
    name="attention",
    title="Multi-head self-attention",
    family="attention",
    paper=SWIN,
    formula=formula,
    params=(
        Param("heads", "int", 4, "heads; each has c_in / heads channels", 1, letter="m", samples=(1, 2, 8)),
        Param(
            "window",
            "int",
            AUTO,
            "side of the windows within which tokens attend to each other",
            1,
            auto="none: all tokens",
            samples=(7, 4),
        ),
        Param(
            "patch",
            "int",
            1,
            "side of the patches; without windows, tokens attend to those at the same position of their patch",
            1,
            samples=(2,),
        ),
        Param("position_bias", "bool", False, "a trained number for each head and offset within a window"),
        Param("shift", "int", 0, "positions by which windows are shifted, where there are several", 0),
        Param("bias", "bool", True, "a bias in qkv and in the projection", samples=(False,)),
    ),
    derived=(
        Derived(
            "tokens",
            seen,
            lambda g, v: (
                f"tokens that a token attends to: {v['window']}^2"
                if v["window"] is not None
                else f"tokens that a token attends to: {g.h} * {g.w}"
                + (f" / {v['patch']}^2" if v["patch"] != 1 else "")
            ),
        ),
        Derived("side", side),
        Derived("table", offsets),
        Derived("several", crossing),
        Derived("shifted", lambda g, shift: bool(shift > 0)),
    ),
    rules=(
        single_tap("attention has kernel 1, stride 1 and no padding"),
        EQUAL_CHANNELS,
        ONE_GROUP,
        Rule(
            "heads divides the channels", _heads_divide, "choose a number of heads that divides the channels, such as 1"
        ),
        Rule("h and w are multiples of window", _windows_fit, "choose a window that divides h and w"),
        Rule("h and w are multiples of patch", _patches_fit, "choose a patch that divides h and w, and no window"),
        Rule(
            "position_bias and shift need a window, larger than the shift",
            _windows_are_there,
            "give a window larger than the shift, e.g. --set window=7",
        ),
    ),
    policy=Policy("no convolution", lambda site: "its papers do not replace a convolution by attention"),
    equations=(
        Equation("1", "4 * h * w * C^2 + 2 * (h * w)^2 * C", _LETTERS, "macs", given={"window": None, "patch": 1}),
        Equation(
            "2",
            "4 * h * w * C^2 + 2 * M^2 * h * w * C",
            {**_LETTERS, "M": "side"},
            "macs",
            domain=lambda g, named: named["window"] is not None,
            domain_text="a window is given",
        ),
    ),
    notes=_notes,
    baseline=conv3x3_with_their_bias,
    baseline_text="conv 3x3",
    shape={"k": 1},
    # Maps of one window, and of several along one axis only.
    shapes=({"c_in": 32, "hw": 7}, {"c_in": 24, "hw": (7, 14), "batch": 2}),
    samples=(
        {"window": 7, "shift": 3, "position_bias": True, "heads": 2},
        {"window": 3, "position_bias": True, "heads": 1},
        {"window": 6, "shift": 1, "heads": 1},
        {"window": 3, "shift": 2, "position_bias": True},
        {"window": 2, "shift": 1, "heads": 2},
        {"patch": 3, "heads": 1},
    ),
)
