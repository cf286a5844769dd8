"""Linear attention: keys and values are summed into one small matrix, so that the cost grows with the tokens."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.cost.parts import INPUT
from flopcalc.operators import _heads as shared
from flopcalc.operators._conv3x3 import conv3x3_with_their_bias
from flopcalc.spec.operator import Evaluation, Operator
from flopcalc.spec.source import Equation, Paper

LINEAR = Paper(
    key="katharopoulos2020transformers",
    authors=("Katharopoulos, Angelos", "Vyas, Apoorv", "Pappas, Nikolaos", "Fleuret, François"),
    title="Transformers are RNNs: Fast Autoregressive Transformers with Linear Attention",
    venue="ICML",
    year=2020,
    arxiv="2006.16236",
)


def formula(g: Geometry, heads: Dim, width: Dim, tokens: Dim, bias: bool) -> Iterable[Part]:
    """phi(q) (phi(k)^T v) / (phi(q) sum of phi(k)) for each head, phi(x) = elu(x) + 1; a projection."""
    c, p = g.c_in, g.p_out
    maps, size = g.batch * heads, g.c_in * g.p_out
    for name in ("query", "key"):
        yield parts.conv(name, c, c, 1, p, p, bias=bias, after=INPUT)
        yield parts.called("ELU", parts.act(f"{name}.act", c, p))
        yield Part(f"{name}.one", "add", adds=size, reads=size, writes=size)
    yield parts.conv("value", c, c, 1, p, p, bias=bias, after=INPUT)
    yield _product("context", width, tokens, width, maps, ("value", "key.one"))
    yield _product("mix", width, width, tokens, maps, ("context", "query.one"))
    yield Part("sum", "other", adds=size, reads=size, writes=maps * width, after=("key.one",), call="sum")
    weights = maps * tokens
    yield _product("normaliser", 1, width, tokens, maps, ("sum", "query.one"))
    # A small number, so that nothing is divided by 0.
    yield Part("epsilon", "add", adds=weights, reads=weights, writes=weights)
    quotient = Part("divide", "other", other=size, reads=size + weights, writes=size, after=("mix", "epsilon"))
    yield parts.called("/", quotient)
    yield parts.conv("projection", c, g.c_out, 1, p, p, bias=bias)


def _product(name: str, rows: Dim, inner: Dim, columns: Dim, maps: Dim, after: tuple[str, ...]) -> Part:
    return parts.called("torch.bmm", parts.matmul(name, rows, inner, columns, batch=maps, after=after))


def _notes(e: Evaluation) -> Iterable[str]:
    v, g = e.named, e.geometry
    softmax = 2 * v["tokens"] ** 2 * g.c_in
    linear = sum(part.macs for part in e.cost if part.name in ("context", "mix", "normaliser"))
    yield (
        f"Its products have {linear:,} MACs; those of softmax attention {softmax:,}. It has fewer where the tokens "
        f"({v['tokens']:,}) are more than the channels of a head ({v['width']:,})."
    )
    yield "Counted without a causal mask; with one, the paper keeps a running sum instead of one matrix."


OPERATOR = Operator(
    name="linear_attention",
    title="Linear attention",
    family="attention",
    paper=LINEAR,
    formula=formula,
    params=(shared.HEADS, shared.BIAS),
    derived=(shared.WIDTH, shared.TOKENS),
    rules=(*shared.ON_A_MAP, shared.HEADS_DIVIDE),
    policy=shared.NO_CONVOLUTION,
    equations=(
        Equation(
            "sec. 3.2.1",
            "N * C * M",
            {"N": "tokens", "C": "width", "M": "width"},
            "macs of context",
            given={"heads": 1},
        ),
    ),
    notes=_notes,
    baseline=conv3x3_with_their_bias,
    baseline_text="conv 3x3",
    shape={"k": 1},
    shapes=({"c_in": 32, "hw": 7},),
)
