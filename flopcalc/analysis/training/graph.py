"""The backward pass of a network, from the graph of its layers: which gradients are wanted, and what they cost."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from math import prod
from typing import Any, NamedTuple

from flopcalc.analysis.training.rules import DEFORMABLE, WEIGHTED, Wanted, backward, in_training, is_comparison
from flopcalc.analysis.training.special import makes_weights, readers, shares
from flopcalc.cost.arith import Dim, highest, minimum
from flopcalc.cost.calls import how
from flopcalc.cost.cost import PREVIOUS, Part, Parts
from flopcalc.networks.counted import labelled
from flopcalc.networks.network import INPUT, Gradients, Layer, Network, numbered
from flopcalc.networks.neutral import NEUTRAL
from flopcalc.networks.training import matched
from flopcalc.primitives.registry import PRIMITIVES


class Passes(NamedTuple):
    """For each layer the parts of its forward pass in training and of its backward pass.

    scores: the MACs of attention scores. reached: whether its outputs get a gradient. gradients: the MACs of the
    backward pass, by what they compute.
    """

    forward: Sequence[Parts]
    backward: Sequence[Parts]
    scores: Sequence[int]
    reached: Sequence[bool]
    gradients: Sequence[Gradients]


class _Source(NamedTuple):
    """What a tensor is. wanted: whether its gradient is wanted. varies: whether it depends on the network's input."""

    wanted: bool
    varies: bool


class _LayerPasses(NamedTuple):
    """The parts of both passes of a layer, its output, and the MACs of its gradients."""

    forward: Parts
    backward: Parts
    output: _Source
    gradients: Gradients


def passes(network: Network, freeze: Sequence[str], *, first: bool = True) -> Passes:
    """The two passes of all layers. freeze: patterns of layers that are not trained.

    first: the input of the network needs no gradient, as that of a whole network.
    """
    sources = {INPUT: _Source(not first, True)}
    found: list[tuple[Parts, Parts, int, bool, Gradients]] = []
    asked = _asked(network)
    sums = _sums([layer for layer in network.layers if layer.name in asked])
    # Layers of the same sizes share their cost: most of them their backward pass, too.
    known: dict[tuple[object, ...], _LayerPasses] = {}
    for layer in network.layers:
        frozen = bool(matched(layer.name, freeze)) or bool(layer.weights_of and matched(layer.weights_of, freeze))
        given = tuple(sources[name] for name in _with_gradient(layer))
        key = (id(layer.cost), given, frozen, bool(layer.weights_of), layer.kind == "dropout")
        if key not in known:
            known[key] = _of_layer(layer, network.batch, given, frozen)
        forward, back, output, gradients = known[key]
        sources[layer.name], reached = output, output.wanted and layer.name in asked
        if layer.name not in asked:
            back, gradients = (), Gradients()
        if reached and layer.name in sums:
            times = sums[layer.name]
            size = times * network.batch * prod(layer.out_shape)
            part = Part("gradient.sum", "add", adds=size, reads=2 * size, writes=size, steps=minimum(1, times))
            back = (*back, part)
        found.append((forward, back, _scores(layer, network) if reached else 0, reached, gradients))
    return Passes(*zip(*found, strict=True)) if found else Passes((), (), (), (), ())


def _with_gradient(layer: Layer) -> tuple[str, ...]:
    """The inputs whose values the layer reads: one that only gives a size gets no gradient."""
    primitive = PRIMITIVES.get(layer.kind)
    return layer.inputs[:1] if primitive is not None and primitive.sized_by_second else layer.inputs


def _asked(network: Network) -> set[str]:
    """The layers on which a loss depends: outputs, which no layer reads, and those whose values such layers read."""
    read = {name for layer in network.layers for name in layer.inputs}
    found = {network.output, *(layer.name for layer in network.layers if layer.name not in read)}
    for layer in reversed(network.layers):
        if layer.name in found:
            found.update(_with_gradient(layer))
    return found


def _sums(layers: Sequence[Layer]) -> dict[str, Dim]:
    """How many sums of gradients each output needs: each reader gives one, and they are added. None for one reader."""
    found: dict[str, Dim] = {name: times - 1 for name, times in Counter(chain(*map(_with_gradient, layers))).items()}
    for layer in reversed(layers):
        runs = layer.cost.parts[0].steps if layer.cost.parts else 1
        if type(runs) is not int and layer.kind in NEUTRAL and found.get(layer.name):
            # On symbolic sizes: where the layer is left out, its readers read its input.
            source = layer.inputs[0]
            found[source] = found[source] + (1 - runs) * found[layer.name]
            found[layer.name] = runs * found[layer.name]
    return {name: times for name, times in found.items() if type(times) is not int or times}


def _of_layer(layer: Layer, batch: int, given: Sequence[_Source], frozen: bool) -> _LayerPasses:
    """Both passes of a layer. given: its inputs."""
    parts = tuple(map(in_training, layer.cost.parts))
    if layer.kind == "dropout":
        size = batch * prod(layer.out_shape)
        # A mask and a scale for each element; the mask is kept.
        parts = (Part("dropout", "mul", muls=2 * size, reads=size, writes=2 * size),)
    whole = _together(given)
    ready = whole.wanted
    if not parts:
        return _LayerPasses(parts, (), whole, Gradients())
    ends = {"nothing": _Source(False, False)} | {f"input{index}": one for index, one in enumerate(given)}
    macs_of_inputs: Any = 0
    macs_of_weights: Any = 0
    previous: tuple[str, ...] = ()
    reading, share = readers(layer, parts), shares(layer)
    found: list[Part] = []
    for part in parts:
        names = previous if part.after is None else part.after
        # A part that an option left out is not waited for; the weights that it would make are not there.
        known = {name: ends.get(name, whole) for name in names if name in ends or not makes_weights(name)}
        known = known or {"input": whole}
        trained = not frozen and (_is_trained(part) or part.name in reading)
        wanted = _wanted(part, known, trained, ready)
        if part.work == "conv" and any(map(makes_weights, known)):
            wanted = wanted._replace(read=_computed([one for one in parts if one.name in known]))
        if part.name in share and wanted.total:
            one = share[part.name]
            wanted = Wanted(1, trained, (one.part, one.whole) if one.always or not ready else None, int(trained))
        if layer.kind == "dropout" and wanted.data:
            found.append(part._replace(name="dropout.gradient", reads=part.writes, writes=part.reads))
        else:
            made = backward(part, wanted)
            found += made
            of_weights = wanted.of_weights * part.macs
            macs_of_weights = macs_of_weights + of_weights
            macs_of_inputs = macs_of_inputs + sum(one.macs for one in made) - of_weights
        before = _together(known.values())
        ends[part.name] = before._replace(wanted=(before.wanted or trained) and not is_comparison(part))
        previous = (part.name,)
    output = _together(ends[part.name] for part in parts)
    found = [*_sums_of_inputs(layer, batch, given, parts), *found]
    # From the last to the first, as they run.
    backwards = tuple(reversed([part._replace(after=None) for part in found]))
    return _LayerPasses(parts, backwards, output, Gradients(macs_of_inputs, macs_of_weights))


def _sums_of_inputs(layer: Layer, batch: int, given: Sequence[_Source], parts: Parts) -> Iterable[Part]:
    """The sums of the gradients that several parts give to an input.

    Parts of an operator may read halves of it, and those of a layer on two grids read one of them.
    """
    if layer.evaluation is not None or layer.low:
        return
    for index, shape in enumerate((layer.in_shape, *layer.further)[: len(given)]):
        times = sum(_times_read(part, place, index) for place, part in enumerate(parts)) - 1
        if given[index].wanted and times > 0:
            size = times * batch * prod(shape)
            yield Part(f"input{index}.sum", "add", adds=size, reads=2 * size, writes=size)


def _times_read(part: Part, place: int, index: int) -> int:
    if part.after is PREVIOUS:
        return int(place == 0)
    return part.after.count(f"input{index}") or int(not part.after)


def _together(sources: Iterable[_Source]) -> _Source:
    """What is computed from several tensors."""
    found = tuple(sources)
    return _Source(any(one.wanted for one in found), any(one.varies for one in found))


def _is_trained(part: Part) -> bool:
    """Whether a part has weights of its own: counted here, those of another layer, or computed from trained ones."""
    return part.work in WEIGHTED or type(part.params) is not int or part.params > 0


def _wanted(part: Part, known: Mapping[str, _Source], trained: bool, ready: bool) -> Wanted:
    """The gradients that a part wants. known: the results of the parts before it; ready: the input wants one."""
    whole = _together(known.values())
    if part.work == "matmul":
        first, *others = known.values()
        if makes_weights(part.name) and not others:
            # Coefficients times the weights of the layer.
            return Wanted(int(first.wanted), trained, of_weights=_constant(first) + trained)
        # Two factors: by their names where they are named, else both come from what is before.
        second = _together(others) if others else first
        return Wanted(first.wanted + second.wanted, False, of_weights=_constant(first) + _constant(second))
    if part.work == "mul" and len(known) == 2:
        large, small = known.values()
        return Wanted(int(whole.wanted), trained, factors=(large.wanted, small.wanted))
    if part.call == DEFORMABLE and (trained or whole.wanted):
        # The kernel computes both gradients, whichever are wanted.
        return Wanted(1, True, of_weights=1)
    if part.call == "InstanceNorm":
        # Scale and shift, which a part before it repeats, and the input.
        weights, data = known.values()
        return Wanted(int(data.wanted), weights.wanted, read=part.reads - part.writes)
    computed = [name for name in known if makes_weights(name)] if part.work == "conv" else []
    if computed:
        data = _together(known[name] for name in known if name not in computed)
        weights = _together(known[name] for name in computed)
        of_input = data.wanted if len(computed) < len(known) else ready
        of_weights = int(weights.wanted and not weights.varies) + int(of_input and _constant(data))
        return Wanted(int(of_input), weights.wanted, of_weights=of_weights)
    return Wanted(int(whole.wanted), trained, of_weights=_constant(whole) + trained)


def _computed(before: Sequence[Part]) -> Any:
    """The elements of computed weights that a part reads. before: the parts that it waits for."""
    # A part that options left out writes nothing.
    made = [part for part in before if makes_weights(part.name) and (type(part.writes) is not int or part.writes)]
    # Of a chain of parts only the last result is read.
    inner = {name for part in made for name in part.after or ()}
    return sum(part.writes for part in made if part.name not in inner)


def _constant(source: _Source) -> int:
    """1 for a tensor that wants a gradient and is computed from weights alone, else 0."""
    return int(source.wanted and not source.varies)


def _scores(layer: Layer, network: Network) -> int:
    """The MACs of the scores of attention, which a fused kernel computes again."""
    parts = labelled(layer, network.calls)
    return sum(part.macs for part in parts if part.name == "scores" and how(part).operator in _FUSED)


_FUSED = frozenset({"scaled_dot_product_attention"})


def longest(network: Network, backwards: Sequence[Parts]) -> int:
    """The kernels in the longest chain of the backward pass: the graph is that of the forward pass, turned around."""
    ends: list[Any] = [0]
    read = [layer._replace(inputs=_with_gradient(layer)) for layer in network.layers]
    for inputs, parts in zip(numbered(read), backwards, strict=True):
        ends.append(highest([0, *(ends[one] for one in inputs)]) + sum(part.steps for part in parts))
    return highest(ends)  # type: ignore[no-any-return]
