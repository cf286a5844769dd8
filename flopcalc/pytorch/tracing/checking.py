"""A symbolic count compared with ordinary counts: every kind, layer by layer."""

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

from flopcalc.cost.kinds import KINDS
from flopcalc.networks.network import Network
from flopcalc.pytorch.tracing.symbolic import SymbolicNetwork
from flopcalc.symbolic.evaluating import evaluate


def differences(found: SymbolicNetwork, point: Mapping[str, int], counted: Network) -> list[str]:
    """What differs between the form at a point and the ordinary count there, in words; empty where nothing does."""
    symbolic = found.network
    ours, theirs = [layer.name for layer in symbolic.layers], [layer.name for layer in counted.layers]
    if ours != theirs:
        first, second = next(pair for pair in zip_longest(ours, theirs, fillvalue="no other") if len({*pair}) > 1)
        return [f"the layers: {first} and {second}"]
    known: dict[int, Any] = {}
    wrong = []
    for one, other in zip(symbolic.layers, counted.layers, strict=True):
        if one.inputs != other.inputs:
            wrong.append(f"{one.name}: its inputs")
        expected = other.cost.totals()
        for kind, form in one.cost.totals().items():
            value = evaluate(form, point, known)
            if value != expected[kind]:
                wrong.append(f"{one.name}: {kind} {value}, counted {expected[kind]}")
    for kind in KINDS:
        value = evaluate(symbolic.total(kind), point, known)
        if value != counted.total(kind):
            wrong.append(f"all layers: {kind} {value}, counted {counted.total(kind)}")
    return wrong
