"""A network, plain or with layers replaced, as plain data: the JSON contract `flopcalc/model/1`."""

from collections.abc import Sequence
from typing import Any

from flopcalc.convention import Convention
from flopcalc.cost import DTYPE_BYTES
from flopcalc.networks.network import Layer, Network
from flopcalc.networks.options import plain_option
from flopcalc.networks.replace import Replacement
from flopcalc.operator import show

_SUMMED = ("params", "macs", "flops", "activations", "steps", "adds", "muls", "other", "traffic")


def replace_text(replacement: Replacement) -> str:
    """`spconv:alpha=1/4`: a replacement as it is written on the command line."""
    options = ",".join(f"{name}={show(value)}" for name, value in replacement.options.items())
    return f"{replacement.operator.name}:{options}" if options else replacement.operator.name


def model_record(
    plain: Network, replacement: Replacement | None, convention: Convention, dtype: str = "float32"
) -> dict[str, Any]:
    """Everything that `flopcalc model` knows, ready for JSON. Sums are exact."""
    network = replacement.network if replacement else plain
    layers = [_layer(layer, network.batch, convention) for layer in network.layers]
    sums = {kind: sum(layer[kind] for layer in layers) for kind in _SUMMED}
    sums["steps"] = network.total("steps")
    sums["traffic"] *= DTYPE_BYTES[dtype]
    return {
        "schema": "flopcalc/model/1",
        "name": network.name,
        "title": network.title,
        "input": list(network.input_shape),
        "batch": network.batch,
        "options": {name: plain_option(value) for name, value in network.options.items()},
        "replace": replace_text(replacement) if replacement else None,
        **{kind: sums[kind] for kind in _SUMMED},
        "dtype": dtype,
        "cost": sum(layer["cost"] for layer in layers),
        "baseline": _baseline(plain, convention) if replacement else None,
        "replaced": len(replacement.replaced) if replacement else 0,
        "replaced_layers": list(replacement.replaced) if replacement else [],
        "skipped": [{"name": name, "reason": reason} for name, reason in replacement.skipped] if replacement else [],
        "layers": layers,
        "uncounted": [],
        "convention": convention.name,
        "notes": list(replacement.notes) if replacement else [],
    }


def _baseline(plain: Network, convention: Convention) -> dict[str, int]:
    return {"params": plain.params, "macs": plain.macs, "cost": plain.fold(convention.of)}


def _layer(layer: Layer, batch: int, convention: Convention) -> dict[str, Any]:
    return {
        "name": layer.name,
        "type": layer.kind,
        **layer.cost.totals(),
        "cost": convention.of(layer.cost, batch),
        "in": list(layer.in_shape),
        "out": list(layer.out_shape),
        "stage": layer.stage,
    }


def grouped(layers: Sequence[dict[str, Any]], by: str) -> list[dict[str, Any]]:
    """Layer records summed by stage or by type, in order of first appearance; `count` tells how many."""
    groups: dict[str, dict[str, Any]] = {}
    for layer in layers:
        group = groups.setdefault(layer[by], {by: layer[by], "count": 0, "params": 0, "macs": 0, "cost": 0})
        group["count"] += 1
        for kind in ("params", "macs", "cost"):
            group[kind] += layer[kind]
        group["out"] = layer["out"]
    return list(groups.values())
