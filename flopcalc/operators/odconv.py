"""ODConv: kernels weighted along four axes, by input channel, output channel, tap, and kernel."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, floor_div, maximum, minimum
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.cost.parts import GIVEN, INPUT
from flopcalc.operators._dynamic import NOT_FIRST, kernel_weights
from flopcalc.operators._most import MOST_COPIES
from flopcalc.spec.operator import Derived, Evaluation, Limit, Named, Operator, Param
from flopcalc.spec.rules import GROUPS_DIVIDE
from flopcalc.spec.source import Paper

ODCONV = Paper(
    key="li2022odconv",
    authors=("Li, Chao", "Zhou, Aojun", "Yao, Anbang"),
    title="Omni-Dimensional Dynamic Convolution",
    venue="ICLR",
    year=2022,
    arxiv="2209.07947",
)


def hidden_channels(g: Geometry, reduction: Dim, least: Dim) -> Dim:
    """Channels that the four attentions are made from."""
    return maximum(floor_div(g.c_in, reduction), least)


def several_taps(g: Geometry) -> Dim:
    """1 where there is an attention over the taps: not in a 1x1 kernel."""
    return minimum(1, g.area - 1)


def mixes_channels(g: Geometry) -> Dim:
    """1 where there is an attention over output channels: not in a depthwise convolution, where it would be that
    over input channels once more.
    """
    return minimum(1, g.c_in + g.c_out - 2 * g.groups)


def formula(
    g: Geometry, kernels: Dim, hidden: Dim, several: bool, with_taps: Dim, with_filters: Dim, norm: bool
) -> Iterable[Part]:
    """The attentions, the kernel of each sample, and the convolution with scaled input and scaled output."""
    n = g.batch
    yield parts.global_avg_pool("attention.pool", g.c_in, g.p_in, n, after=INPUT)
    yield parts.conv("attention.reduce", g.c_in, hidden, 1, n, n)
    yield from parts.when(norm, lambda: (parts.norm("attention.norm", hidden, n),))
    yield parts.act("attention.act", hidden, n)
    yield from _head(g, "channel", hidden, g.c_in, 1)
    yield from _head(g, "filter", hidden, g.c_out, with_filters)
    yield from _head(g, "taps", hidden, g.area, with_taps)
    yield from parts.when(several, lambda: _kernel_head(g, hidden, kernels))
    yield parts.scale("scale_in", g.c_in, g.p_in, n, after=(GIVEN, "attention.channel.gate"))
    yield from _kernel(g, kernels, several, with_taps)
    # A kernel of each sample, unless there is a single 1x1 kernel.
    each = 1 + (n - 1) * (int(several) + int(not several) * with_taps)
    yield _convolution(g, kernels, each)
    scaled = parts.scale("scale_out", g.c_out, g.p_out, n, after=("convolution", "attention.filter.gate"))
    yield parts.times(with_filters, scaled)


def _head(g: Geometry, name: str, hidden: Dim, size: Dim, there: Dim) -> Iterable[Part]:
    """A weight in (0, 1) for each of `size` channels or taps. there: 1, or 0 without this head."""
    n, full = g.batch, f"attention.{name}"
    yield parts.times(there, parts.conv(full, hidden, size, 1, n, n, bias=True, after=("attention.act",)))
    yield parts.times(there, parts.called("Sigmoid", parts.act(f"{full}.gate", size, n)))


def _kernel_head(g: Geometry, hidden: Dim, kernels: Dim) -> Iterable[Part]:
    """A share for each kernel; all together are 1."""
    n = g.batch
    yield parts.conv("attention.kernel", hidden, kernels, 1, n, n, bias=True, after=("attention.act",))
    yield parts.called("Softmax", parts.softmax("attention.kernel.gate", kernels * n, n))


def _kernel(g: Geometry, kernels: Dim, several: bool, with_taps: Dim) -> Iterable[Part]:
    """Kernels mixed for each sample, as one matrix product; then each tap times its weight."""
    n, weights = g.batch, kernel_weights(g)
    mix = parts.called("torch.mm", parts.matmul("aggregation", n, kernels, weights, after=("attention.kernel.gate",)))
    yield from parts.when(several, lambda: (mix,))
    mixed = n * int(several) + int(not several)
    taps = Part(
        "aggregation.taps",
        "mul",
        muls=n * weights,
        reads=mixed * weights + n * g.area,
        writes=n * weights,
        after=("aggregation", "attention.taps.gate"),
    )
    yield parts.times(with_taps, taps)


def _convolution(g: Geometry, kernels: Dim, each: Dim) -> Part:
    """It holds all kernels and reads `each`: one mixed kernel for each sample, or one for all."""
    weights, size = kernel_weights(g), g.c_out * g.p_out
    return Part(
        "convolution",
        "conv",
        params=kernels * weights,
        macs=weights * g.p_out,
        activations=size,
        reads=each * weights + g.c_in * g.p_in,
        writes=size,
        after=("scale_in", "aggregation", "aggregation.taps"),
        call="own Conv",
        extra=(kernels * weights * g.p_out,),
    )


def _notes(e: Evaluation) -> Iterable[str]:
    weights = kernel_weights(e.geometry)
    alone = next(part.macs for part in e.cost if part.name == "convolution")
    extra = e.cost.macs - alone
    yield (
        f"Attention and aggregation have {extra:,} MACs a sample, {100 * extra / alone:.2f} % of the convolution's "
        f"{alone:,}; they do not depend on the resolution."
    )
    if e.named["with_taps"]:
        yield (
            f"The taps of the mixed kernel are scaled once, {weights:,} products, since all kernels share the "
            "attention over taps. The authors' code scales each kernel before it mixes them; the output is the same."
        )
    if not e.named["norm"]:
        yield "Counted without the batch norm in the attention, which the authors have: --set norm=true adds it."


def _why_hidden(g: Geometry, named: Named) -> str:
    reduction, least = named["reduction"], named["least"]
    return f"channels of the attention: max(floor(c_in / reduction), least) = max({g.c_in} // {reduction}, {least})"


def _why_taps(g: Geometry, named: Named) -> str:
    return "an attention over the taps" if named["with_taps"] else "no attention over taps: a 1x1 kernel has one"


def _why_filters(g: Geometry, named: Named) -> str:
    if named["with_filters"]:
        return "an attention over output channels"
    return "no attention over output channels: in a depthwise convolution they are the input channels"


_ATTENTION = (
    "attention.pool",
    "attention.reduce",
    "attention.act",
    "attention.channel",
    "attention.channel.gate",
    "attention.filter",
    "attention.filter.gate",
    "attention.taps",
    "attention.taps.gate",
)

OPERATOR = Operator(
    name="odconv",
    title="ODConv: omni-dimensional dynamic convolution",
    family="dynamic convolutions",
    paper=ODCONV,
    formula=formula,
    params=(
        Param(
            "kernels",
            "int",
            4,
            "kernels that are mixed; the paper uses 1 and 4",
            1,
            MOST_COPIES,
            letter="n",
            samples=(1,),
        ),
        Param("reduction", "int", 16, "c_in over the channels of the attention", 1, letter="q", samples=(4,)),
        Param("least", "int", 16, "at least as many channels in the attention", 1, letter="m", samples=(2,)),
        Param("norm", "bool", False, "batch norm in the attention, as in the authors' code", samples=(True,)),
    ),
    derived=(
        Derived("hidden", hidden_channels, _why_hidden),
        Derived("several", lambda g, kernels: bool(kernels != 1)),
        Derived("with_taps", several_taps, _why_taps),
        Derived("with_filters", mixes_channels, _why_filters),
    ),
    rules=(GROUPS_DIVIDE,),
    limits=(Limit({"kernels": 1}, "conv", surviving=_ATTENTION),),
    policy=NOT_FIRST,
    notes=_notes,
    samples=({"kernels": 1, "norm": True}, {"kernels": 2, "reduction": 8, "least": 4}),
)
