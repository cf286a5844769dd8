"""The backward pass of a network, from the graph of its layers: which gradients are wanted, and what they cost."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import NamedTuple

from flopcalc.analysis.training.rules import WEIGHTED, Wanted, backward, in_training
from flopcalc.cost.calls import how
from flopcalc.cost.cost import Cost, Part, Parts
from flopcalc.networks.counted import labelled
from flopcalc.networks.network import INPUT, Layer, Network
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
    found: list[Part] = []
    for part in parts:
        names = previous if part.after is None else part.after
        known = [ends.get(name, ready) for name in names] or [ready]
        trained = not frozen and _is_trained(part, layer)
        wanted = Wanted(_operands(part, known, frozen), trained)
        if layer.kind == "dropout" and wanted.data:
            found.append(part._replace(name="dropout.gradient", reads=part.writes, writes=part.reads))
        else:
            found += backward(part, wanted)
        ends[part.name] = any(known) or trained
        previous = (part.name,)
    reached = any(ends[part.name] for part in parts)
    # From the last to the first, as they run.
    return parts, tuple(reversed([part._replace(after=None) for part in found])), reached


def _is_trained(part: Part, layer: Layer) -> bool:
    if part.work in WEIGHTED:
        # Weights of its own, those of another layer, or weights that were computed from trained ones.
        return True
    return type(part.params) is not int or part.params > 0


def _operands(part: Part, known: Sequence[bool], frozen: bool) -> int:
    """The number of computed inputs of a part that want a gradient."""
    if part.work == "matmul":
        # Two factors: by their names where they are named, else both come from what is before.
        return sum(known) if len(known) > 1 else 2 * int(known[0])
    # The weights of a frozen layer may be computed from its input.
    return 2 if frozen and part.work == "conv" and any(known[1:]) else int(any(known))


def _scores(layer: Layer, network: Network) -> int:
    """The MACs of the scores of attention, which a fused kernel computes again."""
    parts = labelled(layer, network.calls)
    return sum(part.macs for part in parts if part.name == "scores" and how(part).operator in _FUSED)


_FUSED = frozenset({"scaled_dot_product_attention"})


def longest(network: Network, backwards: Sequence[Parts]) -> int:
    """The kernels in the longest chain of the backward pass: the graph is that of the forward pass, turned around."""
    layers = tuple(layer._replace(cost=Cost(parts)) for layer, parts in zip(network.layers, backwards, strict=True))
    return replace(network, layers=layers, counted_steps=None).total("steps")
