"""The kernels of a training step: those of the forward pass, and for each of them the kernels of its gradients.

A gradient of a convolution is a convolution with the same window, groups and stride, or that turned around, so that the
bound counts as few multiplications of it as of the forward kernel. Where a gradient needs less than its part says, the
bound leaves that out: max pooling keeps an index, and not its input; a mask of dropout is smaller than a tensor; fused
attention keeps its scores on the chip in both passes.
"""

from collections.abc import Mapping

from flopcalc.analysis.timing.kernels import MATRIX, Kernel, Timed, of_layer, of_part, scores_of, timed
from flopcalc.cost.cost import Part
from flopcalc.networks.network import Layer, Network

_WITH_WEIGHTS = ("conv", "linear")
# Of parts that run the forward pass again.
_AGAIN = ".again"


def of_training(forward: Network, backward: Network) -> list[Timed]:
    """The layers of a training step that run kernels, in the order of the forward pass, each with both passes."""
    found: dict[tuple[int, int], tuple[Kernel, ...]] = {}
    layers = []
    for one, other in zip(forward.layers, backward.layers, strict=True):
        # Layers of the same sizes share their costs.
        key = id(one.cost), id(other.cost)
        if key not in found:
            found[key] = _of_layer(one, other)
        if found[key]:
            layers.append(timed(one.name, found[key], (*one.cost.parts, *other.cost.parts)))
    return layers


def _of_layer(forward: Layer, backward: Layer) -> tuple[Kernel, ...]:
    first = of_layer(forward, fused_attention=True)
    named = {kernel.name: kernel for kernel in first}
    # The gradients of weights and of the input may run side by side, and still each is a kernel.
    parts = [part for part in backward.cost.parts if part.macs or part.reads or part.writes]
    again = first if any(part.name.endswith(_AGAIN) for part in parts) else ()
    # A checkpointed layer runs the kernels of its forward pass once more.
    parts = [part for part in parts if not part.name.endswith(_AGAIN)]
    gradients = [_gradient(part, named) for part in parts]
    if scores := scores_of(forward.cost.parts):
        gradients = _in_attention(gradients, parts, scores)
    gradients = [*(kernel._replace(name=f"{kernel.name}{_AGAIN}") for kernel in again), *gradients]
    if forward.kind == "dropout":
        return tuple(kernel._replace(skipped=min(kernel.reads, kernel.writes)) for kernel in (*first, *gradients))
    if len(first) == 1 and first[0].kind == "pool":
        gradients = [*gradients[: len(again)], *(_without_input(one, first[0]) for one in gradients[len(again) :])]
    return (*first, *gradients)


def _gradient(part: Part, forward: Mapping[str, Kernel]) -> Kernel:
    """The kernel of a gradient. forward: the kernels of the layer by name."""
    name, _, which = part.name.rpartition(".")
    of = forward.get(name)
    kernel = of_part(part)
    if part.work not in _WITH_WEIGHTS or not kernel.macs:
        return kernel
    if of is None or of.kind not in MATRIX:
        # The most taps that it can have, so that the bound stays one.
        taps = max((one.area for one in forward.values()), default=1)
        return kernel._replace(kind="conv" if taps > 1 else "pointwise", area=taps)
    outputs = kernel.writes
    return kernel._replace(
        kind=of.kind,
        area=of.area,
        axes=of.axes,
        is_strided=of.is_strided,
        inner=max(1, kernel.macs // max(1, outputs)),
        columns=max(1, of.inner // of.area) if which == "grad_input" else of.columns,
        # Sums of a gradient of weights are long, and libraries split them: it fills the device as the forward does.
        outputs=outputs if which == "grad_input" else max(outputs, of.outputs),
        # The gradient of the weights reads as much of the input as the forward kernel.
        skipped=0 if which == "grad_input" else min(of.skipped, kernel.reads),
    )


def _in_attention(kernels: list[Kernel], parts: list[Part], scores: int) -> list[Kernel]:
    """The kernels without the traffic of scores. The gradient of a product reads or writes them twice."""
    products = sum(kernel.kind == "matmul" for kernel in kernels)
    found = []
    for kernel, part in zip(kernels, parts, strict=True):
        moved = kernel.reads + kernel.writes
        if kernel.kind == "matmul":
            found.append(kernel._replace(hidden=min(4 * scores // products, moved), is_merged=True))
        elif part.work in (*_WITH_WEIGHTS, "norm", "layernorm"):
            found.append(kernel)
        else:
            found.append(kernel._replace(hidden=moved, is_merged=True))
    return found


def _without_input(kernel: Kernel, pool: Kernel) -> Kernel:
    return kernel._replace(skipped=min(pool.reads, max(0, kernel.reads - pool.writes)))
