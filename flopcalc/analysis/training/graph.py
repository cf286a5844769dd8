"""The backward pass of a network, from the graph of its layers: which gradients are wanted, and what they cost."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

from flopcalc.analysis.training.rules import WEIGHTED, Wanted, backward, in_training
from flopcalc.analysis.training.special import makers, makes_weights, shares
from flopcalc.cost.arith import highest
from flopcalc.cost.calls import how
from flopcalc.cost.cost import Part, Parts
from flopcalc.networks.counted import labelled
from flopcalc.networks.network import INPUT, Layer, Network, numbered
from flopcalc.networks.training import matched


class Passes(NamedTuple):
    """For each layer the parts of its forward pass in training and of its backward pass.

    scores: the MACs of attention scores. reached: whether its outputs get a gradient.
    """

    forward: Sequence[Parts]
    backward: Sequence[Parts]
    scores: Sequence[int]
    reached: Sequence[bool]


def passes(network: Network, freeze: Sequence[str]) -> Passes:
    """The two passes of all layers. freeze: patterns of layers that are not trained."""
    wants = {INPUT: False}
    found: list[tuple[Parts, Parts, int, bool]] = []
    readers = Counter(name for layer in network.layers for name in layer.inputs)
    # Layers of the same sizes share their cost: most of them their backward pass, too.
    known: dict[tuple[object, ...], tuple[Parts, Parts, bool]] = {}
    for layer in network.layers:
        frozen = bool(matched(layer.name, freeze)) or bool(layer.weights_of and matched(layer.weights_of, freeze))
        given = tuple(wants[name] for name in layer.inputs)
        key = (id(layer.cost), given, frozen, bool(layer.weights_of), layer.kind == "dropout")
        if key not in known:
            known[key] = _of_layer(layer, network.batch, given, frozen)
        forward, back, reached = known[key]
        wants[layer.name] = reached
        if reached and readers[layer.name] > 1:
            # Each reader gives a gradient, and they are added.
            size = (readers[layer.name] - 1) * network.batch * prod(layer.out_shape)
            back = (*back, Part("gradient.sum", "add", adds=size, reads=2 * size, writes=size))
        found.append((forward, back, _scores(layer, network) if reached else 0, reached))
    forwards, backwards, scores, reached_all = zip(*found, strict=True) if found else ((), (), (), ())
    return Passes(forwards, backwards, scores, reached_all)


def _of_layer(layer: Layer, batch: int, given: Sequence[bool], frozen: bool) -> tuple[Parts, Parts, bool]:
    """The parts of both passes, and whether the output gets a gradient."""
    parts = tuple(map(in_training, layer.cost.parts))
    if layer.kind == "dropout":
        size = batch * prod(layer.out_shape)
        # A mask and a scale for each element; the mask is kept.
        parts = (Part("dropout", "mul", muls=2 * size, reads=size, writes=2 * size),)
    ready = any(given)
    if not parts:
        return parts, (), ready
    ends = {"nothing": False} | {f"input{index}": one for index, one in enumerate(given)}
    previous: tuple[str, ...] = ()
    making, share = makers(parts), shares(layer)
    found: list[Part] = []
    for part in parts:
        names = previous if part.after is None else part.after
        # A part that an option left out is not waited for; the weights that it would make are not there.
        known = {name: ends.get(name, ready) for name in names if name in ends or not makes_weights(name)}
        known = known or {"input": ready}
        trained = not frozen and (_is_trained(part) or part.name in making)
        wanted = _wanted(part, known, trained, ready)
        if part.name in share and (trained or ready):
            one = share[part.name]
            wanted = Wanted(1, trained, (one.part, one.whole) if one.always or not ready else None)
        if layer.kind == "dropout" and wanted.data:
            found.append(part._replace(name="dropout.gradient", reads=part.writes, writes=part.reads))
        else:
            found += backward(part, wanted)
        ends[part.name] = any(known.values()) or trained
        previous = (part.name,)
    reached = any(ends[part.name] for part in parts)
    # From the last to the first, as they run.
    return parts, tuple(reversed([part._replace(after=None) for part in found])), reached


def _is_trained(part: Part) -> bool:
    """Whether a part has weights of its own: counted here, those of another layer, or computed from trained ones."""
    return part.work in WEIGHTED or type(part.params) is not int or part.params > 0


def _wanted(part: Part, known: Mapping[str, bool], trained: bool, ready: bool) -> Wanted:
    """The gradients that a part wants. known: whether the results of the parts before it do; ready: the input."""
    if part.work == "matmul":
        first, *others = known.values()
        if makes_weights(part.name) and not others:
            # Coefficients times the weights of the layer.
            return Wanted(int(first), trained)
        # Two factors: by their names where they are named, else both come from what is before.
        return Wanted(int(first) + int(any(others) if others else first), False)
    if part.call == "torchvision.ops.deform_conv2d" and (trained or any(known.values())):
        # The kernel computes both gradients, whichever are wanted.
        return Wanted(1, True)
    computed = [name for name in known if makes_weights(name)] if part.work == "conv" else []
    if computed:
        data = [one for name, one in known.items() if name not in computed]
        return Wanted(int(any(data) if data else ready), any(known[name] for name in computed))
    return Wanted(int(any(known.values())), trained)


def _scores(layer: Layer, network: Network) -> int:
    """The MACs of the scores of attention, which a fused kernel computes again."""
    parts = labelled(layer, network.calls)
    return sum(part.macs for part in parts if part.name == "scores" and how(part).operator in _FUSED)


_FUSED = frozenset({"scaled_dot_product_attention"})


def longest(network: Network, backwards: Sequence[Parts]) -> int:
    """The kernels in the longest chain of the backward pass: the graph is that of the forward pass, turned around."""
    ends: list[Any] = [0]
    for inputs, parts in zip(numbered(network.layers), backwards, strict=True):
        ends.append(highest([0, *(ends[one] for one in inputs)]) + sum(part.steps for part in parts))
    return highest(ends)  # type: ignore[no-any-return]
