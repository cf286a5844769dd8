"""Operators whose tensors are pairs: some channels on the full grid, the others on half of its height and width.

Such an operator cannot replace a single convolution, since its neighbours would get a pair. In a described network it
replaces convolutions together: a map becomes a pair where everything that writes or reads it can work on pairs, and
a convolution beside a plain map has a plain map on that side.
"""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from flopcalc.cost.arith import share
from flopcalc.cost.cost import PREVIOUS, Cost, Part
from flopcalc.cost.parts import INPUT as NO_NAMES
from flopcalc.errors import FlopcalcError
from flopcalc.networks.network import INPUT, Layer, Network, Shape
from flopcalc.primitives.registry import PRIMITIVES
from flopcalc.primitives.shapes import ShapeError
from flopcalc.replacing.decide import Decision, Plan, Request, Spot, asked_together
from flopcalc.spec.two_grids import TwoGrids

# Layers that do the same to each channel, so that they can do it on each of two grids.
_ON_EACH_GRID = frozenset(
    {"batchnorm", "dropout", "relu", "relu6", "leaky_relu", "elu", "silu", "gelu", "sigmoid", "tanh", "hardswish"}
    | {"hardsigmoid", "prelu", "maxpool", "avgpool", "add"}
)


class Spread(NamedTuple):
    """Decisions for convolutions by name, and the layers between them that work on pairs."""

    decisions: Mapping[str, Decision]
    layers: Mapping[str, Layer]


class _Candidate(NamedTuple):
    """A convolution that may be replaced. alpha: the share of channels on the small grid."""

    request: Request
    spot: Spot
    grids: TwoGrids
    alpha: Fraction


def spread(network: Network, plan: Plan, decisions: Sequence[Decision]) -> Spread:
    """What the plan's operators with pairs replace. decisions: what single convolutions came to.

    A clause narrows what they replace if it names `policy`; without it, a clause asks for single convolutions.
    """
    candidates = {decision.spot.name: found for decision in decisions if (found := _candidate(plan, decision))}
    if not candidates:
        return Spread({}, {})
    layers = {layer.name: layer for layer in network.layers}
    pairs = _pairs(network, layers, candidates)
    taken = {}
    for name, one in candidates.items():
        reads, writes = layers[name].inputs[0] in pairs, name in pairs
        if reads or writes:
            evaluation = one.request.operator.evaluate(one.spot.geometries[0], _options(one, reads, writes))
            taken[name] = Decision(one.spot, one.request, evaluation)
    between = {
        name: _on_pairs(layer, network.batch, pairs[layer.inputs[0]])
        for name, layer in layers.items()
        if name in pairs and name not in candidates
    }
    return Spread(taken, between)


def _options(one: _Candidate, reads: bool, writes: bool) -> dict[str, Any]:
    sides = {} if reads else {one.grids.takes: Fraction(0)}
    sides |= {} if writes else {one.grids.gives: Fraction(0)}
    return {**one.request.options, **one.grids.inside, **sides}


def _candidate(plan: Plan, decision: Decision) -> _Candidate | None:
    """The first request with pairs that may take the convolution; None where an earlier request has it.

    The first convolution of a network stays plain, and so do layers that share their weights.
    """
    spot = decision.spot
    if spot.place == 0 or spot.problem is not None or len(spot.names) > 1:
        return None
    for request in plan.requests:
        if request is decision.request:
            return None
        grids = request.operator.two_grids
        if grids is None or not asked_together(plan, request, spot):
            continue
        one = _Candidate(request, spot, grids, request.operator.resolve(request.options)[grids.share])  # type: ignore[arg-type]
        try:
            request.operator.evaluate(spot.geometries[0], _options(one, reads=False, writes=False))
        except FlopcalcError as error:
            if error.code != "cannot-stand":
                raise
            continue
        return one
    return None


# Which maps become pairs ----------------------------------------------------------------------------


def _pairs(network: Network, layers: Mapping[str, Layer], candidates: Mapping[str, _Candidate]) -> dict[str, Fraction]:
    """The layers whose output becomes a pair, and the share of its channels that is on the small grid."""
    group = _groups(network.layers)
    refused = {group[INPUT], group[network.output]}
    alphas: dict[str, set[Fraction]] = {}
    for layer in network.layers:
        one = candidates.get(layer.name)
        if one is not None:
            alphas.setdefault(group[layer.name], set()).add(one.alpha)
            alphas.setdefault(group[layer.inputs[0]], set()).add(one.alpha)
        elif not _works_on_pairs(layer):
            refused |= {group[layer.name], *(group[name] for name in layer.inputs)}
    for layer in network.layers:
        found = alphas.get(group[layer.name], set())
        if len(found) != 1 or not _halves(layer.out_shape, *found):
            refused.add(group[layer.name])
    refused |= _plain_last_stage(network, candidates, group, refused)
    pairs = {name: min(alphas[group[name]]) for name in layers if group[name] not in refused}
    # A pooling may give two grids that no longer fit each other.
    for layer in network.layers:
        if layer.name in pairs and layer.name not in candidates and _pair_shape(layer, pairs[layer.name]) is None:
            refused.add(group[layer.name])
    return {name: alpha for name, alpha in pairs.items() if group[name] not in refused}


def _groups(layers: Sequence[Layer]) -> dict[str, str]:
    """Maps that must be of one kind, because a layer works on each grid: name -> the name of one of them."""
    parent = {INPUT: INPUT} | {layer.name: layer.name for layer in layers}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for layer in layers:
        if _works_on_pairs(layer):
            for source in layer.inputs:
                parent[root(source)] = root(layer.name)
    return {name: root(name) for name in parent}


def _works_on_pairs(layer: Layer) -> bool:
    plain = not layer.weights_of and layer.settings.get("per_map", 1) == 1 and not layer.settings.get("shared", False)
    return layer.kind in _ON_EACH_GRID and layer.evaluation is None and plain


def _halves(shape: Shape, alpha: Fraction) -> bool:
    """Whether a map of this shape can be a pair."""
    return len(shape) == 3 and not shape[1] % 2 and not shape[2] % 2 and 0 < share(alpha, shape[0]) < shape[0]


def _plain_last_stage(
    network: Network, candidates: Mapping[str, _Candidate], group: Mapping[str, str], refused: set[str]
) -> set[str]:
    """The maps that the last stage writes, if one of them stays plain: as in the authors' code all of them do then."""
    stages = [layer.stage for layer in network.layers if layer.name in candidates]
    if len(set(stages)) < 2:
        return set()
    written = {group[layer.name] for layer in network.layers if layer.name in candidates and layer.stage == stages[-1]}
    return written if written & refused else set()


# Layers on both grids -------------------------------------------------------------------------------


def split(shape: Shape, alpha: Fraction) -> tuple[Shape, Shape]:
    """The shapes of the two maps of a pair, the one on the full grid first."""
    low = share(alpha, shape[0])
    return (shape[0] - low, *shape[1:]), (low, shape[1] // 2, shape[2] // 2)


def _pair_shape(layer: Layer, alpha: Fraction) -> tuple[Shape, Shape] | None:
    """The output of a layer that works on each grid, or None where the two maps are no pair."""
    try:
        (high, _), (low, _) = (_on_one_grid(layer, alpha, grid, 1) for grid in (0, 1))
    except ShapeError:
        return None
    return (high, low) if (high, low) == split(layer.out_shape, alpha) else None


def _on_one_grid(layer: Layer, alpha: Fraction, grid: int, batch: int) -> tuple[Shape, tuple[Part, ...]]:
    shapes = tuple(split(shape, alpha)[grid] for shape in (layer.in_shape, *layer.further))
    found: tuple[Shape, tuple[Part, ...]] = PRIMITIVES[layer.kind].shape_and_parts(shapes, batch, **layer.settings)
    return found


def _on_pairs(layer: Layer, batch: int, alpha: Fraction) -> Layer:
    """The layer with the cost of its work on both grids, side by side."""
    (_, high), (_, low) = (_on_one_grid(layer, alpha, grid, batch) for grid in (0, 1))
    return layer._replace(cost=Cost((*high, *_beside(low))), low=alpha)


def _beside(parts: Iterable[Part]) -> Iterable[Part]:
    """The parts under other names, the first of them at the start."""
    parts = tuple(parts)
    names = {part.name for part in parts}
    for place, part in enumerate(parts):
        after = part.after
        if after is not PREVIOUS:
            after = tuple(f"{name}_low" if name in names else name for name in after)
        elif place == 0:
            after = NO_NAMES
        yield part._replace(name=f"{part.name}_low", after=after)
