"""The tensors of a described network: as a graph of layers, and as eager PyTorch would keep them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from typing import NamedTuple

from flopcalc.analysis.memory.parts import as_computed, ends_of_modules, is_sum, kept, last_readers
from flopcalc.cost.calls import how
from flopcalc.cost.cost import Part
from flopcalc.cost.hierarchy import paths
from flopcalc.networks.allocator import blocks
from flopcalc.networks.dataflow import Dataflow, Peak, Step, as_moments
from flopcalc.networks.network import INPUT, Layer, Network

# Activation functions that modules of this kind of network compute in place: nn.ReLU(inplace=True) and its like.
IN_PLACE = frozenset({"relu", "relu6", "leaky_relu", "elu", "silu", "hardswish", "hardsigmoid"})
# Bytes of an index, of which max pooling makes one for each output; and of the number of batches that a norm has seen.
_INDEX = _COUNTER = 8


def elements(layer: Layer, batch: int) -> int:
    """The elements of a layer's output."""
    return batch * prod(layer.out_shape)


def is_view(layer: Layer) -> bool:
    """Whether the output of a layer is in the memory of its input: a flatten, one of several groups of channels."""
    return bool(layer.inputs) and not any(part.writes for part in layer.cost.parts)


def dataflow(network: Network, element: int, *, given: int) -> Dataflow:
    """Layers as steps, and their outputs as tensors. element: bytes of an element. given: bytes of the input."""
    numbers = {INPUT: 0}
    sizes = [given]
    steps = []
    for layer in network.layers:
        reads = tuple(dict.fromkeys(numbers[name] for name in layer.inputs))
        if is_view(layer):
            numbers[layer.name] = reads[0]
            continue
        numbers[layer.name] = len(sizes)
        sizes.append(elements(layer, network.batch) * element)
        steps.append(Step(layer.name, reads, (numbers[layer.name],), _work(layer)))
    read = {name for layer in network.layers for name in layer.inputs}
    ends = [layer.name for layer in network.layers if layer.name not in read]
    return Dataflow(tuple(steps), tuple(sizes), (0,), tuple(dict.fromkeys(numbers[name] for name in ends)))


def _work(layer: Layer) -> str:
    """The kind of work of a layer: that of its one kernel; an operator of several kernels counts as a convolution."""
    kinds = {part.work for part in layer.cost.parts}
    return kinds.pop() if len(kinds) == 1 else "conv" if layer.evaluation else ""


class Weights(NamedTuple):
    """Bytes of parameters and buffers, and of both in blocks of 512 bytes."""

    params: int
    buffers: int
    in_blocks: int


def weights(network: Network, element: int) -> Weights:
    """Of all layers. A batch norm has a mean, a variance and a counter as buffers; other norms have none."""
    params = buffers = in_blocks = 0
    for layer in network.layers:
        for part in layer.cost.parts:
            size = part.params * element
            params += size
            if part.work == "norm" and how(part).module.startswith("BatchNorm"):
                # Scale and shift unless it is frozen, mean and variance, and the counter of 8 bytes.
                statistics = (part.reads - part.writes - part.params) * element
                buffers += statistics + _COUNTER
                in_blocks += 2 * blocks(size // 2) + 2 * blocks(statistics // 2) + blocks(_COUNTER)
            elif size:
                in_blocks += sum(blocks(one * element) for one in _tensors(part))
    return Weights(params, buffers, in_blocks)


def _tensors(part: Part) -> tuple[int, ...]:
    """The parameters of each tensor of a part, where they can be separated: a weight, and a bias for each output."""
    params, macs, adds = int(part.params), int(part.macs), int(part.adds)
    if adds and macs and part.work in ("conv", "linear"):
        bias, rest = divmod(params * adds, macs + adds)
        if not rest:
            return params - bias, bias
    return (params,)


class _Held(NamedTuple):
    """A tensor of the eager pass. until: the place of the last layer during which it is alive."""

    size: int
    until: int


def eager(network: Network, element: int, rounded: Callable[[int], int] = int) -> Peak:
    """The peak of the tensors that eager PyTorch keeps, without the input, and the bytes alive during each layer.

    rounded: what a tensor of some bytes takes.

    A tensor lives until the last layer has read it, and as long as a module runs that was called with it: its caller
    holds it. The dots in the names of the layers are the hierarchy of modules. Activation functions of `IN_PLACE` write
    into their input. Batch norm also makes a mean and a deviation of each channel, and max pooling an index of each
    output, as torch's kernels do.
    """
    layers, batch = network.layers, network.batch
    until = _lifetimes(layers)
    storage: dict[str, str] = {INPUT: INPUT}
    alive: dict[str, _Held] = {}
    pairs: list[tuple[str, int]] = []
    for place, layer in enumerate(layers):
        sources = [storage[name] for name in layer.inputs]
        before = sum(held.size for held in alive.values())
        end = until[layer.name]
        if is_view(layer) or _in_place(layer, sources, alive, place):
            storage[layer.name] = source = sources[0]
            if source in alive:
                alive[source] = _Held(alive[source].size, max(alive[source].until, end))
            pairs.append((layer.name, before))
        else:
            size = rounded(elements(layer, batch) * element)
            pairs.append((layer.name, before + _inside(layer, size, element, batch)))
            storage[layer.name] = layer.name
            alive[layer.name] = _Held(size, end)
        alive = {name: held for name, held in alive.items() if held.until > place}
    moments = as_moments(pairs)
    highest = max(moments, key=lambda one: one.live, default=None)
    return Peak(highest.live, highest.name, moments) if highest else Peak(0, "")


def _in_place(layer: Layer, sources: Sequence[str], alive: Mapping[str, _Held], place: int) -> bool:
    """Whether a layer writes into its input: no layer reads the old values later."""
    if layer.kind not in IN_PLACE or len(sources) != 1 or sources[0] not in alive:
        return False
    return alive[sources[0]].until <= place


def _inside(layer: Layer, out: int, element: int, batch: int) -> int:
    """The bytes that a layer adds to those alive before it, at the worst moment: its output and its temporaries."""
    parts = layer.cost.parts
    if len(parts) <= 1:
        if layer.evaluation and parts:
            # A copy before the output is written.
            return max(out, int(parts[0].writes) * element)
        return out + (_beside(parts[0], layer, out, element, batch) if parts else 0)
    name = layer.kind if layer.evaluation else ""
    parts = as_computed(layer.evaluation, parts)
    last, stays = last_readers(name, parts, batch * prod(layer.in_shape)), kept(name, parts)
    live: dict[str, int] = {}
    highest = out
    for place, part in enumerate(parts):
        made = _made(part) * element
        highest = max(highest, sum(live.values()) + made + _inner(part, element))
        live[part.name] = stays[part.name] * element
        live = {one: size for one, size in live.items() if last[one] > place}
    return highest


def _made(part: Part) -> int:
    """The elements that a part adds while it runs: of a sum of several tensors the last sum and the one before."""
    writes, steps = int(part.writes), int(part.steps)
    return 2 * writes // steps if is_sum(part) and steps > 2 else writes


def _inner(part: Part, element: int) -> int:
    """What a norm inside of an operator makes next to its output: two numbers for each channel, or for each sum."""
    params, writes = int(part.params), int(part.writes)
    extra = {"norm": params, "layernorm": 2 * writes // max(1, params // 2)}
    return extra.get(part.work, 0) * element


def _beside(part: Part, layer: Layer, out: int, element: int, batch: int) -> int:
    """What a kernel makes next to its output."""
    if part.work == "maxpool":
        return out // element * _INDEX
    if part.call == "own RMSNorm":
        # The product with the inverse root, of which there is one for each position.
        return out + int(part.extra[0]) * element
    return _statistics(part, layer, out // element, batch) * element if layer.out_shape and out else 0


def _statistics(part: Part, layer: Layer, size: int, batch: int) -> int:
    """The numbers that a norm makes next to its output of some size: a mean and a deviation of each sum."""
    channels = layer.out_shape[0]
    match how(part).module:
        case "GroupNorm":
            # Loaded here: it loads operators, and `--cov flopcalc` with the plugin of pytest warns of a package that
            # it has not measured, unless the catalog, through the package itself, is the first to load them.
            from flopcalc.primitives.registry import PRIMITIVES

            settings = {**PRIMITIVES[layer.kind].settings, **layer.settings}
            return 2 * batch * int(settings["groups"])
        case "InstanceNorm without affine":
            return 2 * batch * channels
    return {"norm": 2 * channels, "layernorm": 2 * size // channels}.get(part.work, 0)


def _lifetimes(layers: Sequence[Layer]) -> dict[str, int]:
    """For each layer the place of the last layer during which its output is alive."""
    maker = {layer.name: place for place, layer in enumerate(layers)}
    ends = ends_of_modules([paths(layer.name)[:-1] for layer in layers])
    until = dict.fromkeys(maker, -1)
    for place, layer in enumerate(layers):
        for name in layer.inputs:
            if name != INPUT:
                until[name] = max(until[name], place, *_held(name, layer, place, layers, maker, ends))
    # An output of the network stays.
    return {name: len(layers) if place < 0 else place for name, place in until.items()}


def _held(
    name: str,
    reader: Layer,
    place: int,
    layers: Sequence[Layer],
    maker: Mapping[str, int],
    ends: Mapping[tuple[str, int], int],
) -> Iterator[int]:
    """The last layers of the modules that contain a reader, and not the layer that made the tensor."""
    made = layers[maker[name]].name
    for module in paths(reader.name)[:-1]:
        if not made.startswith(f"{module}."):
            yield ends[module, place]
