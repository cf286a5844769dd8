"""The kernels of a network as the model of time sees them: work, sizes, bytes, and how much of both could be avoided.

A part says what a kernel computes and moves, but not how: a kernel's speed depends on the length of its sums, on the
number of outputs that share an input, and on whether its window has more than one tap. These follow from the window
of the layer where it is one convolution, and from the sizes of the part elsewhere (parts of operators, and pieces of
modules, have no window of their own).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from flopcalc.cost.cost import Part
from flopcalc.networks.network import Layer, Network
from flopcalc.spec.operator import Evaluation

# conv: a dense convolution with more than one tap. pointwise: one tap, or a linear layer. matmul: a product of computed
# tensors. grouped: several groups of several channels. depthwise: one input channel for each output. distance: sums of
# absolute differences. norm: a batch norm in inference. elementwise: sums, products, activations. reduce: layer norms,
# softmax, means. pool: windows without weights. move: copies of whole tensors. gather: copies by an index, and of
# neighbourhoods.
KernelKind: TypeAlias = Literal[
    "conv",
    "pointwise",
    "matmul",
    "grouped",
    "depthwise",
    "distance",
    "norm",
    "elementwise",
    "reduce",
    "pool",
    "move",
    "gather",
]
KERNEL_KINDS: tuple[KernelKind, ...] = get_args(KernelKind)
# Kinds whose work is multiply-accumulates on matrix units, where a device has them.
MATRIX: tuple[KernelKind, ...] = ("conv", "pointwise", "matmul", "grouped", "depthwise")
# Kinds that a compiler always keeps: their inputs come from memory and their outputs go there.
ANCHORS: tuple[KernelKind, ...] = ("conv", "pointwise", "grouped", "depthwise", "distance")

_KINDS: dict[str, KernelKind] = {
    "distance": "distance",
    "matmul": "matmul",
    "norm": "norm",
    "layernorm": "reduce",
    "softmax": "reduce",
    "gap": "reduce",
    "maxpool": "pool",
    "avgpool": "pool",
    "move": "move",
}
# Parts of a layer that fused attention has no kernels for: scores, their biases and copies of heads stay on the chip.
_INSIDE_ATTENTION = ("softmax", "move", "mul", "add")


class Kernel(NamedTuple):
    """A kernel, or `number` kernels in a row that one part describes; all sizes are of all of them together.

    operations: element-wise ones. reads, writes: elements. skipped: those of the reads that a strided 1x1 convolution
    does not need. hidden: those of the reads and writes that fused attention keeps on the chip. weights: elements of
    `reads` that are weights. inner: multiply-accumulates of an output. columns: output channels that share an input
    value. outputs: elements that a matrix kernel writes. area: taps of the window, 1 without one. is_strided: whether
    the window skips positions. is_merged: whether it is expected to be part of a fused attention kernel. axes: of a
    convolution, 2 for images.
    """

    name: str
    kind: KernelKind
    number: int
    macs: int
    operations: int
    reads: int
    writes: int
    skipped: int = 0
    hidden: int = 0
    weights: int = 0
    inner: int = 0
    columns: int = 0
    outputs: int = 0
    area: int = 1
    is_strided: bool = False
    is_merged: bool = False
    axes: int = 2

    @property
    def least_moved(self) -> int:
        """Elements that must be read or written, however it is executed."""
        return self.reads + self.writes - self.skipped - self.hidden

    @property
    def moved(self) -> int:
        """Elements that it is expected to read and write."""
        return self.reads + self.writes - self.skipped - (self.hidden if self.is_merged else 0)


class Timed(NamedTuple):
    """A layer by name, with its kernels."""

    name: str
    kernels: tuple[Kernel, ...]
    macs: int
    flops: int
    traffic: int


def of_network(network: Network) -> list[Timed]:
    """The layers of a network that run kernels, in order. Attention is taken as one fused kernel, as PyTorch has it."""
    found: dict[int, tuple[Kernel, ...]] = {}
    layers = []
    for layer in network.layers:
        # Layers of the same sizes share their cost.
        key = id(layer.cost)
        if key not in found:
            found[key] = of_layer(layer, fused_attention=True)
        if found[key]:
            layers.append(timed(layer.name, found[key], layer.cost.parts))
    return layers


def of_evaluation(evaluation: Evaluation) -> list[Timed]:
    """The parts of an operator as layers. Attention has a kernel for each part, as in `flopcalc.pytorch.layers`."""
    parts = evaluation.cost.parts
    name, axes = evaluation.operator.name, 3 if evaluation.operator.volume else evaluation.operator.axes
    # Only the channels and the number of axes are looked at.
    shape = (int(evaluation.geometry.c_in), *(1,) * axes)
    layer = Layer(name, name, (), shape, shape, evaluation.cost, "", evaluation)
    places = dict(zip([place for place, part in enumerate(parts) if _runs(part)], of_layer(layer), strict=True))
    return [timed(parts[place].name, (kernel,), (parts[place],)) for place, kernel in places.items()]


def timed(name: str, kernels: tuple[Kernel, ...], parts: tuple[Part, ...]) -> Timed:
    """A layer with its kernels, and with the cost of its parts."""
    sums = [
        sum(int(getattr(part, kind)) for part in parts) for kind in ("macs", "adds", "muls", "other", "reads", "writes")
    ]
    macs, adds, muls, other, reads, writes = sums
    return Timed(name, kernels, macs, 2 * macs + adds + muls + other, reads + writes)


def of_layer(layer: Layer, *, fused_attention: bool = False) -> tuple[Kernel, ...]:
    """The kernels of a layer, in order."""
    parts = [part for part in layer.cost.parts if _runs(part)]
    scores = scores_of(parts)
    products = sum(part.work == "matmul" for part in parts)
    single = sum(part.work in ("conv", "linear") for part in parts) == 1
    found = []
    for part in parts:
        kernel = _weighty(part, layer, single) if part.work in ("conv", "linear") else of_part(part)
        if kernel.area > 1 and len(layer.window.kernel if layer.window else (1, 1)) != 2:
            kernel = kernel._replace(axes=len(layer.window.kernel) if layer.window else 2)
        if scores and kernel.kind == "matmul":
            # The scores and the shares made of them are each written by one kernel and read by another one.
            hidden = min(2 * scores // products, kernel.reads + kernel.writes)
            kernel = kernel._replace(hidden=hidden, is_merged=fused_attention)
        elif scores and part.work in _INSIDE_ATTENTION:
            kernel = kernel._replace(hidden=kernel.reads + kernel.writes, is_merged=fused_attention)
        found.append(kernel)
    return tuple(found)


def _runs(part: Part) -> bool:
    return bool(part.macs or part.reads or part.writes) and part.steps != 0


def scores_of(parts: Sequence[Part]) -> int:
    """The elements of the scores of attention; 0 for a layer that is not attention."""
    if not any(part.work == "matmul" for part in parts):
        return 0
    return sum(int(part.reads) for part in parts if part.work == "softmax")


def _base(part: Part, kind: KernelKind) -> Kernel:
    return Kernel(
        part.name,
        kind,
        max(1, int(part.steps)),
        int(part.macs),
        int(part.adds) + int(part.muls) + int(part.other),
        int(part.reads),
        int(part.writes),
    )


def of_part(part: Part) -> Kernel:
    """The kernel of a part without weights, by the sizes of the part."""
    kernel = _base(part, _KINDS.get(part.work, "elementwise"))
    if not kernel.macs:
        # An index is read, too, and neighbourhoods overlap; a copy of a tensor reads what it writes.
        return kernel._replace(kind="gather") if kernel.kind == "move" and kernel.reads != kernel.writes else kernel
    outputs = int(part.activations) or kernel.writes
    inner = max(1, kernel.macs // max(1, outputs))
    # A square product of the same number of reads: rows and columns are not known.
    columns = max(1, round((outputs / kernel.number) ** 0.5)) if inner > 1 else 1
    return kernel._replace(inner=inner, outputs=outputs, columns=columns)


def _weighty(part: Part, layer: Layer, single: bool) -> Kernel:
    """A kernel with weights. single: it is the only one of the layer, so that the window of the layer is its own."""
    kernel = _base(part, "pointwise")
    outputs = int(part.activations) or kernel.writes
    inner = max(1, kernel.macs // max(1, outputs))
    has_bias = int(part.adds) == outputs and bool(outputs)
    params = int(part.params)
    c_out = params // (inner + has_bias) if params else 0
    if not params and layer.weights_of and layer.out_shape:
        # Another layer counts the weights, and this one reads them.
        c_out = layer.out_shape[0] if part.work == "conv" else layer.out_shape[-1]
        params = c_out * inner
    kernel = kernel._replace(inner=inner, outputs=outputs, columns=c_out, weights=min(params, kernel.reads))
    if part.work == "linear" or not kernel.macs:
        return kernel
    window = layer.window if single else None
    if window is not None and window.groups and len(layer.in_shape) == len(window.kernel) + 1:
        area = 1
        for size in window.kernel:
            area *= size
        channels, groups = layer.in_shape[0], window.groups
        if inner == channels // groups * area:
            steps = 1
            for size in window.stride:
                steps *= size
            return _shaped(kernel, area, groups, is_strided=steps > 1, skipped=_skipped(kernel, area, steps))
    return _guessed(kernel, layer)


def _skipped(kernel: Kernel, area: int, steps: int) -> int:
    """Input elements that no window covers: of a 1x1 convolution with stride 2, three of four."""
    return max(0, (kernel.reads - kernel.weights) * (steps - area) // steps) if steps > area else 0


def _shaped(kernel: Kernel, area: int, groups: int, *, is_strided: bool = False, skipped: int = 0) -> Kernel:
    kind: KernelKind = "conv" if area > 1 else "pointwise"
    columns = kernel.columns
    if groups > 1:
        kind = "depthwise" if kernel.inner == area else "grouped"
        columns = max(1, columns // groups)
    return kernel._replace(kind=kind, area=area, columns=columns, is_strided=is_strided, skipped=skipped)


def _guessed(kernel: Kernel, layer: Layer) -> Kernel:
    """A convolution inside an operator or a module: area and groups from its sizes.

    c_out = weights / inner; positions = outputs / c_out; c_in = what it reads / positions, at stride 1 or at the
    stride of the operator. inner / c_in is then the area divided by the groups.
    """
    g: Any = layer.geometry
    if not kernel.columns or kernel.outputs % kernel.columns:
        # Weights that were computed for each sample: the window of the operator is the best guess.
        area = g.area if g is not None and kernel.inner % g.area == 0 and kernel.inner > g.area else 1
        return _shaped(kernel._replace(columns=kernel.columns or (g.c_out if g else 1)), area, 1)
    positions = kernel.outputs // kernel.columns
    given = kernel.reads - kernel.weights
    for steps in dict.fromkeys((1, *([g.stride[0] * g.stride[1]] if g is not None else ()))):
        channels = given / (positions * steps)
        if abs(channels - round(channels)) < 0.02 * channels and round(channels) >= 1:
            ratio = kernel.inner / round(channels)
            if ratio >= 1 and abs(ratio - round(ratio)) < 0.02:
                return _shaped(kernel, round(ratio), 1, is_strided=steps > 1)
            if kernel.inner in _WINDOWS and round(channels) > 1:
                return _shaped(kernel, kernel.inner, round(channels), is_strided=steps > 1)
            area = g.area if g is not None and kernel.inner % g.area == 0 else 1
            return _shaped(kernel, area, max(2, round(channels * area / kernel.inner)), is_strided=steps > 1)
    # The most taps that it can have, so that the bound stays one.
    return _shaped(kernel, kernel.inner, 1)


_WINDOWS = frozenset((3, 5, 7, 27, *(size * size for size in range(1, 32, 2))))


def all_kernels(layers: Iterable[Timed]) -> Iterator[Kernel]:
    """The kernels of all layers, in order."""
    for layer in layers:
        yield from layer.kernels
