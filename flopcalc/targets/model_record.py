"""A network, plain or with layers replaced, as plain data: the JSON contract `flopcalc/model/1`."""

from collections.abc import Sequence
from typing import Any

from flopcalc.cost.convention import Convention
from flopcalc.cost.cost import DTYPE_BYTES
from flopcalc.cost.kinds import KINDS, SUMMED
from flopcalc.networks.network import Layer, Network
from flopcalc.networks.options import plain_option
from flopcalc.replacing.described import Replacement


def model_record(
    plain: Network, replacement: Replacement | None, convention: Convention, dtype: str = "float32"
) -> dict[str, Any]:
    """Everything that `flopcalc model` knows, ready for JSON. Sums are exact."""
    network = replacement.network if replacement else plain
    layers = [_layer(layer, network.batch, convention, DTYPE_BYTES[dtype]) for layer in network.layers]
    sums = {kind: sum(layer[kind] for layer in layers) for kind in SUMMED}
    sums["steps"] = network.total("steps")
    return {
        "schema": "flopcalc/model/1",
        "name": network.name,
        "title": network.title,
        "input": list(network.input_shape),
        "inputs": list(network.inputs) or ["x".join(map(str, network.input_shape))],
        "batch": network.batch,
        "options": {name: plain_option(value) for name, value in network.options.items()},
        "replace": replacement.plan.text if replacement else None,
        "where": replacement.plan.where if replacement else None,
        "keep": list(replacement.plan.keep) if replacement else [],
        **{kind: sums[kind] for kind in KINDS},
        "dtype": dtype,
        "cost": sum(layer["cost"] for layer in layers),
        "baseline": _baseline(plain, convention) if replacement else None,
        "replaced": len(replacement.replaced) if replacement else 0,
        "replaced_layers": list(replacement.replaced) if replacement else [],
        "replaced_by": dict(replacement.replaced_by) if replacement else {},
        "skipped": [{"name": name, "reason": reason} for name, reason in replacement.skipped] if replacement else [],
        "layers": layers,
        "uncounted": [{"op": one.op, "module": one.module, "count": one.times} for one in network.uncounted],
        "convention": convention.name,
        "notes": [
            *network.remarks,
            *(replacement.notes if replacement else ()),
            *convention.remarks(layer.cost for layer in network.layers),
        ],
    }


def _baseline(plain: Network, convention: Convention) -> dict[str, int]:
    return {"params": plain.params, "macs": plain.macs, "cost": plain.fold(convention.of)}


def _layer(layer: Layer, batch: int, convention: Convention, element: int) -> dict[str, Any]:
    """element: bytes of one."""
    sums = layer.cost.totals()
    return {
        "name": layer.name,
        "type": layer.kind,
        **sums,
        "traffic": sums["traffic"] * element,
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


def dearest(rows: Sequence[dict[str, Any]], top: int) -> list[dict[str, Any]]:
    """The `top` dearest of rows (layers or groups), with their share of all and that of all down to them."""
    total = sum(row["cost"] for row in rows) or 1
    found: list[dict[str, Any]] = []
    running = 0
    for row in sorted(rows, key=lambda row: -row["cost"])[:top]:
        running += row["cost"]
        found.append({**row, "share": row["cost"] / total, "cumulated": running / total})
    return found
