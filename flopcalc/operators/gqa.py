"""Grouped-query attention: groups of heads share keys and values; with one head of keys, multi-query attention."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, ceil_div, exact_div, minimum
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.cost.parts import INPUT, NOTHING
from flopcalc.operators import _heads as shared
from flopcalc.operators._conv3x3 import conv3x3_with_their_bias
from flopcalc.spec.operator import AUTO, Derived, Evaluation, Limit, Named, Operator, Param, Rule
from flopcalc.spec.source import Equation, Paper

GQA = Paper(
    key="ainslie2023gqa",
    authors=(
        "Ainslie, Joshua",
        "Lee-Thorp, James",
        "de Jong, Michiel",
        "Zemlyanskiy, Yury",
        "Lebrón, Federico",
        "Sanghai, Sumit",
    ),
    title="GQA: Training Generalized Multi-Query Transformer Models from Multi-Head Checkpoints",
    venue="EMNLP",
    year=2023,
    arxiv="2305.13245",
)
# Multi-query attention is that of this paper, which gives the shapes of the projections.
MULTI_QUERY = Paper(
    key="shazeer2019fast",
    authors=("Shazeer, Noam",),
    title="Fast Transformer Decoding: One Write-Head is All You Need",
    venue="arXiv",
    year=2019,
    arxiv="1911.02150",
)


def _blocks(g: Geometry, tokens: Dim, block_size: int | None) -> Dim:
    return 1 if block_size is None else ceil_div(tokens, block_size)


def _columns(g: Geometry, tokens: Dim, block_size: int | None, blocks: Dim) -> Dim:
    """Keys that the blocks of rows read, summed over the blocks; the last block reads all."""
    return tokens if block_size is None else block_size * exact_div(blocks * (blocks - 1), 2) + tokens


def _pairs(g: Geometry, tokens: Dim, block_size: int | None, blocks: Dim) -> Dim:
    """Pairs of a query and a key that are computed: whole blocks of rows, up to the last column that they need."""
    if block_size is None:
        return tokens**2
    return block_size**2 * exact_div(blocks * (blocks - 1), 2) + (tokens - block_size * (blocks - 1)) * tokens


def _mask(tokens: Dim, pairs: Dim, size: Dim) -> Iterable[Part]:
    """The constants for all pairs, cut to a triangle once, and added to the scores that are computed."""
    yield parts.copy("mask", tokens**2, after=NOTHING)
    yield Part("mask.add", "add", adds=size, reads=size + pairs, writes=size, after=("scores", "mask"))


def formula(
    g: Geometry,
    heads: Dim,
    kv_heads: Dim,
    width: Dim,
    tokens: Dim,
    joins: Dim,
    columns: Dim,
    pairs: Dim,
    shares: bool,
    causal: bool,
    bias: bool,
) -> Iterable[Part]:
    """Queries of all heads, keys and values of kv_heads; softmax(q k^T / sqrt(d)) v; a projection."""
    c, p, inner, shared_inner = g.c_in, g.p_out, heads * width, kv_heads * width
    maps = g.batch * heads
    size = maps * pairs
    yield parts.conv("query", c, inner, 1, p, p, bias=bias, after=INPUT)
    yield Part("scale", "mul", muls=inner * p, reads=inner * p, writes=inner * p)
    for name in ("key", "value"):
        yield parts.conv(name, c, shared_inner, 1, p, p, bias=bias, after=INPUT)
        repeat = Part(f"{name}.repeat", "move", reads=shared_inner * p, writes=inner * p, call="expand")
        yield from parts.when(shares, lambda repeat=repeat: (repeat,))  # type: ignore[misc]
    yield Part(
        "scores",
        "matmul",
        macs=size * width,
        activations=size,
        reads=maps * width * (tokens + columns),
        writes=size,
        after=("scale", "key", "key.repeat"),
        call="torch.bmm",
    )
    yield from parts.when(causal, lambda: _mask(tokens, pairs, size))
    yield parts.called("Softmax", parts.softmax("softmax", size, maps * tokens))
    mixed = maps * width * tokens
    yield Part(
        "mix",
        "matmul",
        macs=size * width,
        activations=mixed,
        reads=size + maps * width * columns,
        writes=mixed,
        after=("softmax", "value", "value.repeat"),
        call="torch.bmm",
    )
    yield parts.times(joins, parts.copy("join", mixed))
    yield parts.conv("projection", inner, g.c_out, 1, p, p, bias=bias)


def _kv_heads_divide(g: Geometry, named: Named) -> str | None:
    heads, shared_heads = named["heads"], named["kv_heads"]
    return f"kv_heads = {shared_heads} does not divide heads = {heads}" if heads % shared_heads else None


def _heads_divide(g: Geometry, named: Named) -> str | None:
    if named["head_dim"] is None and g.c_in % named["heads"]:
        return f"heads = {named['heads']} does not divide the {g.c_in} channels"
    return None


def _block_is_causal(g: Geometry, named: Named) -> str | None:
    block_size = named["block_size"]
    return (
        f"block_size = {block_size} skips columns, and without causal all of them are needed"
        if block_size and not named["causal"]
        else None
    )


def _notes(e: Evaluation) -> Iterable[str]:
    v = e.named
    kept, full = 2 * v["kv_heads"] * v["width"], 2 * v["heads"] * v["width"]
    yield (
        f"Keys and values of a token that a cache keeps: {kept:,} elements; with keys for each head {full:,}. "
        "The products of tokens with tokens are those of all heads, whatever kv_heads is."
    )
    if v["causal"]:
        needed = v["tokens"] * (v["tokens"] + 1) // 2
        macs = 2 * v["heads"] * v["width"] * needed
        counted = "each pair" if v["block_size"] is None else f"blocks of {v['block_size']} rows"
        yield (
            f"Causal, counted by {counted}: {v['pairs']:,} pairs of tokens for each head. The mask needs {needed:,}; "
            f"by these alone (block_size = 1) scores and mix have {macs:,} MACs."
        )
    yield "Rotary embeddings and normalisation are not counted."


OPERATOR = Operator(
    name="gqa",
    title="Grouped-query attention; multi-query with one head of keys",
    family="attention",
    paper=GQA,
    formula=formula,
    params=(
        Param("heads", "int", 4, "heads of queries", 1, letter="m", samples=(2, 8)),
        Param(
            "kv_heads",
            "int",
            2,
            "heads of keys and values, each shared by heads / kv_heads heads; 1: multi-query attention",
            1,
            letter="q",
            samples=(1, 4),
        ),
        Param("head_dim", "int", AUTO, "channels of a head", 1, auto="c_in / heads", samples=(5,)),
        Param("causal", "bool", False, "a token attends to itself and to the tokens before it: adds a mask"),
        Param(
            "block_size",
            "int",
            AUTO,
            "rows of scores that are computed together, up to the last column that they need; 1: half of the pairs",
            1,
            auto="all rows: every pair is computed, and the mask applied after",
        ),
        Param("bias", "bool", False, "a bias in each projection", samples=(True,)),
    ),
    derived=(
        Derived(
            "width",
            lambda g, heads, head_dim: exact_div(g.c_in, heads) if head_dim is None else head_dim,
            lambda g, v: (
                f"channels of a head: {g.c_in} / {v['heads']}"
                if v["head_dim"] is None
                else "set by the option head_dim"
            ),
        ),
        shared.TOKENS,
        Derived("blocks", _blocks),
        Derived("joins", lambda g, blocks: minimum(1, blocks - 1)),
        Derived("columns", _columns),
        Derived(
            "pairs",
            _pairs,
            lambda g, v: (
                "pairs of tokens of a head: all"
                if v["block_size"] is None
                else f"pairs of tokens of a head, in blocks of {v['block_size']} rows"
            ),
        ),
        Derived("shares", lambda g, heads, kv_heads: bool(heads != kv_heads)),
    ),
    rules=(
        *shared.ON_A_MAP,
        Rule(
            "heads divides the channels",
            _heads_divide,
            "choose a number of heads that divides the channels, or set head_dim",
        ),
        Rule("kv_heads divides heads", _kv_heads_divide, "choose a number of kv_heads that divides heads, such as 1"),
        Rule("block_size needs causal", _block_is_causal, "set causal=true, or leave block_size out"),
    ),
    limits=(Limit({"kv_heads": 4, "shares": False, "bias": True}, equals="attention"),),
    policy=shared.NO_CONVOLUTION,
    equations=(
        Equation(
            "multi-query attention, shapes of P_q, P_k, P_v and P_o in Sec. 3 of Shazeer (arXiv 1911.02150)",
            "h * d * k + d * k + d * v + h * d * v",
            {"h": "heads", "d": "c_in", "k": "width", "v": "width"},
            "params",
            given={"kv_heads": 1, "bias": False},
            paper=MULTI_QUERY,
        ),
    ),
    notes=_notes,
    baseline=conv3x3_with_their_bias,
    baseline_text="conv 3x3",
    shape={"k": 1},
    # Small maps, on which the blocks are few.
    shapes=({"c_in": 32, "hw": 7}, {"c_in": 24, "hw": (5, 9), "batch": 2}),
    samples=(
        {"causal": True},
        {"causal": True, "block_size": 100, "kv_heads": 1},
        {"causal": True, "block_size": 64, "head_dim": 3, "bias": True},
        {"heads": 8, "kv_heads": 4},
    ),
)
