"""Replacing the convolutions of a network by an operator, as the operator's paper did it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from flopcalc.errors import FlopcalcError
from flopcalc.networks.network import Layer, Network
from flopcalc.operator import Operator, Site


class Replacement(NamedTuple):
    """What came of a replacement: the new network, the names replaced, and the others with reasons."""

    network: Network
    operator: Operator
    options: Mapping[str, Any]
    replaced: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def replace_convolutions(network: Network, operator: Operator, options: Mapping[str, Any]) -> Replacement:
    """Put `operator` in the place of every convolution that its policy and its rules allow.

    Only layers of the kind conv are candidates. A convolution that stays is listed with the reason.
    A bias is handed on where the operator has that option, and reported where it has not.
    """
    operator.resolve(options)
    layers: list[Layer] = []
    replaced: list[str] = []
    skipped: list[tuple[str, str]] = []
    dropped_bias: list[str] = []
    first = True
    for layer in network.layers:
        if layer.kind != "conv" or layer.evaluation is None:
            layers.append(layer)
            continue
        site = Site(layer.name, layer.evaluation.geometry, first)
        first = False
        given = dict(options)
        has_bias = bool(layer.evaluation.named["bias"])
        if has_bias and "bias" in operator.param:
            given.setdefault("bias", True)
        reason = operator.policy.refuses(site)
        if reason is None:
            try:
                evaluation = operator.evaluate(site.geometry, given)
                if (evaluation.in_shape, evaluation.out_shape) != (layer.in_shape, layer.out_shape):
                    reason = "it takes or gives another shape"
            except FlopcalcError as error:
                reason = error.message.removeprefix(f"{operator.name} cannot stand here: ")
        if reason is not None:
            skipped.append((layer.name, reason))
            layers.append(layer)
            continue
        if has_bias and not evaluation.named.get("bias"):
            dropped_bias.append(layer.name)
        replaced.append(layer.name)
        layers.append(layer._replace(kind=operator.name, cost=evaluation.cost, evaluation=evaluation))
    notes = [] if replaced else [f"nothing was replaced: no convolution of {network.name} admits {operator.name}"]
    if dropped_bias:
        notes.append(f"{operator.name} has no bias: those of {len(dropped_bias)} replaced layers are gone")
    return Replacement(
        network._replace(layers=tuple(layers)), operator, options, tuple(replaced), tuple(skipped), tuple(notes)
    )
