"""Replacing the convolutions of a described network by operators."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from flopcalc.networks.network import Layer, Network
from flopcalc.replacing.decide import Decision, Plan, Request, Spot, decide, notes
from flopcalc.spec.operator import Operator, Value

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
    """Replace every convolution for which the operator's policy and rules allow it with the operator."""
    return replace_layers(network, Plan((Request(operator, options),)))


def replace_layers(network: Network, plan: Plan) -> Replacement:
    """Replace the convolutions that the plan's requests take; see flopcalc.networks.choose.

    A convolution that stays is listed with the reason. A bias is handed on where the operator has that
    option, and reported where it has not. Raises FlopcalcError for a clause or a name that fits nothing.
    """
    spots = _spots(network)
    found = {d.spot.name: d for d in decide(spots, plan, [layer.name for layer in network.layers])}
    layers = tuple(_layer(layer, found.get(layer.name)) for layer in network.layers)
    decisions = list(found.values())
    replaced_by = {d.spot.name: d.request.label for d in decisions if d.request is not None}
    return Replacement(
        network=replace(network, layers=layers),
        plan=plan,
        replaced=tuple(replaced_by),
        replaced_by=replaced_by,
        skipped=tuple((d.spot.name, d.reason) for d in decisions if d.request is None),
        notes=tuple(notes(decisions, plan, network.name)),
    )


def _spots(network: Network) -> list[Spot]:
    layers = [layer for layer in network.layers if layer.kind in CONVOLUTIONS]
    return [_spot(layer, index, len(layers)) for index, layer in enumerate(layers)]


def _spot(layer: Layer, index: int, count: int) -> Spot:
    evaluation = layer.evaluation
    assert evaluation is not None  # noqa: S101 - these kinds are operators
    g = evaluation.geometry
    if layer.kind == "depthwise":
        # Its groups need not be written; a replacement must see them.
        g = g._replace(groups=g.c_in)
    return Spot(
        names=(layer.name,),
        stage=layer.stage,
        kind=layer.kind,
        geometries=(g,),
        bias=bool(evaluation.named["bias"]),
        place=index,
        among=count,
    )


def _layer(layer: Layer, decision: Decision | None) -> Layer:
    if decision is None or decision.request is None or decision.evaluation is None:
        return layer
    evaluation = decision.evaluation
    return layer._replace(kind=evaluation.operator.name, cost=evaluation.cost, evaluation=evaluation)
