"""Shared by the operators with dynamic kernels: several kernels, mixed by coefficients that depend on the input.

Three parts. `routing` turns the input into coefficients, one set for each sample; `aggregation` mixes
the kernels; `convolution` holds all kernels. At inference the kernels are mixed, and one convolution with
one kernel for each sample follows. In training every kernel convolves, and the outputs are mixed.
"""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, exact_div
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.cost.parts import INPUT
from flopcalc.spec.operator import Derived, Evaluation, Named, Param, Policy, Site

MODE = Param(
    "mode",
    "choice",
    "inference",
    "inference mixes the kernels, training mixes every kernel's output",
    choices=("inference", "training"),
    samples=("training",),
)
TRAINING = Derived("training", lambda g, mode: mode == "training")


def kernel_weights(g: Geometry) -> Dim:
    """Weights of one kernel, without bias."""
    return exact_div(g.c_out * g.c_in, g.groups) * g.area


def mixed(g: Geometry, kernels: Dim, bias: bool, training: bool, ready: str) -> Iterable[Part]:
    """Aggregation and convolution with one coefficient for each kernel. ready: the last part of the routing."""
    yield from parts.when(not training, lambda: mix_kernels(g, kernels, ready, bias))
    yield from parts.when(training, lambda: _mix_outputs(g, kernels, bias, ready))


def mix_kernels(g: Geometry, kernels: Dim, ready: str, bias: bool = False) -> Iterable[Part]:
    """One kernel for each sample, and the convolution with it. ready: the part that gives the coefficients."""
    # One matrix product for the whole batch: (n, kernels) times (kernels, weights).
    yield parts.called("torch.mm", parts.matmul("aggregation", g.batch, kernels, kernel_weights(g), after=(ready,)))
    biases = parts.matmul("aggregation.bias", g.batch, kernels, g.c_out, after=(ready,))
    yield from parts.when(bias, lambda: (parts.called("torch.mm", biases),))
    yield sample_conv(g, kernels, bias, ("aggregation", "aggregation.bias"))


def fuse_kernels(g: Geometry, kernels: Dim, ready: str) -> Iterable[Part]:
    """As mix_kernels, but every output channel mixes kernels of its own."""
    # For each output channel (n, kernels) times (kernels, weights of a filter); then the batch comes first.
    filter_weights = exact_div(g.c_in, g.groups) * g.area
    mix = parts.matmul("aggregation", g.batch, kernels, filter_weights, batch=g.c_out, after=(ready,))
    yield parts.called("torch.bmm", mix)
    yield parts.copy("aggregation.order", g.batch * kernel_weights(g))
    yield sample_conv(g, kernels, False, ("aggregation.order",))


def sample_conv(g: Geometry, kernels: Dim, bias: bool, after: tuple[str, ...]) -> Part:
    """A convolution that holds all kernels and reads one mixed kernel for each sample."""
    weights = kernel_weights(g)
    biases = g.c_out * int(bias)
    own, size = weights + biases, g.c_out * g.p_out
    reads = g.batch * own + g.c_in * g.p_in
    return Part(
        "convolution",
        "conv",
        params=kernels * own,
        macs=weights * g.p_out,
        adds=biases * g.p_out,
        activations=size,
        reads=reads,
        writes=size,
        after=after,
        call="own Conv",
        extra=(kernels * own * g.p_out,),
    )


def _mix_outputs(g: Geometry, kernels: Dim, bias: bool, ready: str) -> Iterable[Part]:
    one = parts.conv("convolution", g.c_in, g.c_out, g.area, g.p_in, g.p_out, groups=g.groups, bias=bias, after=INPUT)
    yield parts.parallel(kernels, one._replace(call="own Conv", extra=(one.macs + one.adds,)))
    yield parts.copy("aggregation.stack", kernels * g.c_out * g.p_out)
    # For each sample (1, kernels) times (kernels, outputs).
    outputs = g.c_out * g.h_out * g.w_out
    mix = parts.matmul("aggregation", 1, kernels, outputs, batch=g.batch, after=(ready, "aggregation.stack"))
    yield parts.called("torch.bmm", mix)


def _not_first(site: Site) -> str | None:
    return "the first convolution stays plain" if site.first else None


NOT_FIRST = Policy("every convolution, 1x1 included, except the first", _not_first)


def ungrouped(g: Geometry, named: Named) -> bool:
    """Whether there is one group, as in the printed equations."""
    return bool(g.groups == 1)


def overhead(e: Evaluation) -> Iterable[str]:
    """The notes that these operators share: the cost that a headline for the convolution alone leaves out."""
    operator = e.operator
    alone = next(part.macs for part in e.cost if part.name == "convolution")
    extra = e.cost.macs - alone
    share = f"{extra:,} MACs a sample, {100 * extra / alone:.2f} % of the convolution's {alone:,}"
    if e.named["training"]:
        other = operator.cost(e.geometry, operator.derive(e.geometry, {**e.options, "mode": "inference"}))
        yield f"Every kernel convolves here, then the outputs are mixed; mode=inference: {other.macs:,} MACs."
        yield f"Routing and aggregation cost {share}."
        return
    yield f"A headline that counts the convolution alone leaves out routing and aggregation: {share}."
    yield (
        "Apart from the additions of the pooling they do not depend on the resolution, so their share grows as the "
        "feature map shrinks; a batch pays them, and reads a mixed kernel, for each sample."
    )
