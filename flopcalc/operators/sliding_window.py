"""Sliding-window attention: each token attends to its neighbours in the row of tokens, a band instead of a square."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.cost.parts import INPUT, NOTHING
from flopcalc.operators import _heads as shared
from flopcalc.operators._conv3x3 import conv3x3_with_their_bias
from flopcalc.spec.operator import Derived, Evaluation, Limit, Named, Operator, Param, Rule
from flopcalc.spec.source import Equation, Paper

LONGFORMER = Paper(
    key="beltagy2020longformer",
    authors=("Beltagy, Iz", "Peters, Matthew E.", "Cohan, Arman"),
    title="Longformer: The Long-Document Transformer",
    venue="arXiv",
    year=2020,
    arxiv="2004.05150",
)


def formula(g: Geometry, heads: Dim, width: Dim, tokens: Dim, window: Dim, bias: bool) -> Iterable[Part]:
    """softmax(q k^T / sqrt(d)) v over the `window` tokens around each token; a projection."""
    c, p, size = g.c_in, g.p_out, g.c_in * g.p_out
    padded, band = c * g.batch * (tokens + window - 1), g.batch * heads * tokens * window
    yield parts.conv("query", c, c, 1, p, p, bias=bias)
    yield parts.copy("query.arrange", size)
    yield Part("scale", "mul", muls=size, reads=size, writes=size)
    for name in ("key", "value"):
        yield parts.conv(name, c, c, 1, p, p, bias=bias, after=INPUT)
        yield Part(f"{name}.pad", "move", reads=size, writes=padded)
        # The neighbours of each token are copied: overlapping pieces are read again for each token.
        yield parts.copy(f"{name}.unfold", window * size)
    yield parts.called(
        "torch.bmm",
        parts.matmul("scores", 1, width, window, batch=g.batch * heads * tokens, after=("scale", "key.unfold")),
    )
    # Tokens near an end have fewer neighbours; the others are masked, and their products are counted.
    yield Part("mask", "move", reads=tokens, writes=tokens + window - 1, after=NOTHING)
    yield Part("mask.add", "add", adds=band, reads=band + tokens * window, writes=band, after=("scores", "mask"))
    yield parts.called("Softmax", parts.softmax("softmax", band, g.batch * heads * tokens))
    yield parts.called(
        "torch.bmm",
        parts.matmul("mix", 1, window, width, batch=g.batch * heads * tokens, after=("softmax", "value.unfold")),
    )
    yield parts.copy("mix.arrange", size)
    yield parts.conv("projection", c, g.c_out, 1, p, p, bias=bias)


def _window_is_odd(g: Geometry, named: Named) -> str | None:
    window = named["window"]
    return f"window = {window} is even, and each side has as many tokens" if window % 2 == 0 else None


def _notes(e: Evaluation) -> Iterable[str]:
    g, v = e.geometry, e.named
    products = sum(part.macs for part in e.cost if part.work == "matmul")
    yield (
        f"Products of tokens with tokens: {products:,} MACs, for {v['window']} tokens around each; with all "
        f"{v['tokens']:,} tokens {2 * v['tokens'] ** 2 * g.c_in:,}."
    )
    yield (
        "Tokens are the positions row by row. Windows at both ends count in full. A window of earlier tokens only "
        "(causal) costs the same. Fused kernels do not copy the neighbours, which changes traffic and steps alone."
    )


OPERATOR = Operator(
    name="sliding_window",
    title="Sliding-window attention",
    family="attention",
    paper=LONGFORMER,
    formula=formula,
    params=(
        shared.HEADS,
        Param(
            "window",
            "int",
            33,
            "tokens that a token attends to, itself included; an odd number",
            1,
            letter="b",
            samples=(1, 7),
        ),
        shared.BIAS,
    ),
    derived=(
        shared.WIDTH,
        shared.TOKENS,
        Derived(
            "pairs",
            lambda g, tokens, window: tokens * window,
            lambda g, v: f"pairs of tokens of a head: {v['tokens']} * {v['window']}",
        ),
    ),
    rules=(
        *shared.ON_A_MAP,
        shared.HEADS_DIVIDE,
        Rule("window is odd", _window_is_odd, "choose an odd window, such as 33"),
    ),
    limits=(Limit({"window": 1}, equals="attention", equals_options={"window": 1}),),
    policy=shared.NO_CONVOLUTION,
    equations=(Equation("sec. 3.1", "n * w", {"n": "tokens", "w": "window"}, "pairs"),),
    notes=_notes,
    baseline=conv3x3_with_their_bias,
    baseline_text="conv 3x3",
    shape={"k": 1},
    shapes=({"c_in": 32, "hw": 7}, {"c_in": 24, "hw": (5, 9), "batch": 2}),
    samples=({"window": 5, "heads": 2}, {"window": 7, "heads": 1, "bias": False}),
)
