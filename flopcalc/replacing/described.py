"""Replacing the convolutions of a described network by operators."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from flopcalc.cost.cost import Cost
from flopcalc.cost.geometry import Geometry
from flopcalc.networks.network import Layer, Network
from flopcalc.replacing.decide import Decision, Plan, Request, Spot, applied, decide, notes
from flopcalc.replacing.two_grids import Spread, spread
from flopcalc.spec.operator import Evaluation, Operator, Value

# Operators that are one convolution on the grid of their input: these can be replaced.
CONVOLUTIONS = frozenset({"conv", "pointwise", "group", "dilated", "depthwise"})


class Replacement(NamedTuple):
    """What came of a replacement.

    replaced: names, in order. replaced_by: name -> the operator as it is written. skipped: the
    convolutions that stay, with reasons.
    """

    network: Network
    plan: Plan
    replaced: tuple[str, ...]
    replaced_by: Mapping[str, str]
    skipped: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def replace_convolutions(network: Network, operator: Operator, options: Mapping[str, Value]) -> Replacement:
    """Replace each convolution, by itself, for which the operator's policy and rules allow it with the operator."""
    return _replaced(network, Plan((Request(operator, options),)), together=False)


def replace_layers(network: Network, plan: Plan) -> Replacement:
    """Replace the convolutions that the plan's requests take; see `flopcalc.replacing.decide`.

    A convolution that stays is listed with the reason. A bias is handed on where the operator has that
    option, and reported where it has not. Operators on two grids replace convolutions together with their
    neighbours. Raises FlopcalcError for a clause or a name that fits nothing.
    """
    return _replaced(network, plan, together=True)


def each_alone(network: Network, plan: Plan) -> list[tuple[Decision, tuple[Cost, ...]]]:
    """For each convolution the decision of the plan, and the costs of its layers after it.

    Operators on two grids, which replace convolutions together, are not for this. Raises FlopcalcError as
    `replace_layers` does.
    """
    decisions = decide(spots_of(network), plan, [layer.name for layer in network.layers])
    by_name = {layer.name: layer for layer in network.layers}
    return [
        (decision, tuple(_layer(by_name[name], decision, plan).cost for name in decision.spot.names))
        for decision in decisions
    ]


def _replaced(network: Network, plan: Plan, together: bool) -> Replacement:
    decisions = decide(spots_of(network), plan, [layer.name for layer in network.layers])
    pairs = spread(network, plan, decisions) if together else Spread({}, {})
    decisions = [pairs.decisions.get(d.spot.name, d) for d in decisions]
    found = {name: d for d in decisions for name in d.spot.names}
    layers = tuple(
        pairs.layers.get(layer.name) or _layer(layer, found.get(layer.name), plan) for layer in network.layers
    )
    replaced_by = {name: d.request.label for name, d in found.items() if d.request is not None}
    return Replacement(
        network=replace(network, layers=layers),
        plan=plan,
        replaced=tuple(replaced_by),
        replaced_by=replaced_by,
        skipped=tuple((name, d.reason) for name, d in found.items() if d.request is None),
        notes=(*notes(decisions, plan, network.name), *_notes(pairs)),
    )


def _notes(pairs: Spread) -> Iterator[str]:
    if pairs.layers:
        yield (
            f"{len(pairs.layers)} layers between these work on pairs of maps, some channels on half of the height "
            "and width; shapes are those of the plain maps, and steps wait for both maps of a pair"
        )


def spots_of(network: Network) -> list[Spot]:
    """One for each convolution; layers with the same weights are one, which is replaced or kept as a whole."""
    alike: dict[str, list[Layer]] = {}
    for layer in network.layers:
        if layer.kind in CONVOLUTIONS:
            alike.setdefault(layer.weights_of or layer.name, []).append(layer)
    return [_spot(layers, index, len(alike)) for index, layers in enumerate(alike.values())]


def _spot(layers: Sequence[Layer], index: int, count: int) -> Spot:
    first = layers[0]
    assert first.evaluation is not None  # noqa: S101 - these kinds are operators
    return Spot(
        names=tuple(layer.name for layer in layers),
        stage=first.stage,
        kind=first.kind,
        geometries=tuple(map(_geometry, layers)),
        bias=bool(first.evaluation.named["bias"]),
        place=index,
        among=count,
    )


def _geometry(layer: Layer) -> Geometry:
    assert layer.evaluation is not None  # noqa: S101 - these kinds are operators
    g = layer.evaluation.geometry
    # The groups of a depthwise convolution need not be written; a replacement must see them.
    return g._replace(groups=g.c_in) if layer.kind == "depthwise" else g


def _layer(layer: Layer, decision: Decision | None, plan: Plan) -> Layer:
    if decision is None or decision.request is None or decision.evaluation is None:
        return layer
    evaluation, cost = decision.evaluation, decision.evaluation.cost
    if layer.weights_of:
        # Its size is its own; the first layer with these weights counts the parameters.
        again = applied(decision.request, decision.spot, _geometry(layer), plan.clauses(decision.request))
        assert isinstance(again, Evaluation)  # noqa: S101 - the request applies to all sizes of the decision
        evaluation, cost = again, again.cost.without_params()
    return layer._replace(kind=evaluation.operator.name, cost=cost, evaluation=evaluation)
