"""A network, plain or with layers replaced, as plain data: the JSON contract `flopcalc/model/1`."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from flopcalc.cost.convention import Convention
from flopcalc.cost.cost import DTYPE_BYTES
from flopcalc.cost.kinds import KINDS, SUMMED
from flopcalc.networks.network import Layer, Network
from flopcalc.networks.options import plain_option
from flopcalc.networks.window import Window
from flopcalc.spec.layer_record import intensity

if TYPE_CHECKING:
    from flopcalc.replacing.described import Replacement


def model_record(
    plain: Network, replacement: "Replacement | None", convention: Convention, dtype: str = "float32"
) -> dict[str, Any]:
    """The record that `flopcalc model` shows, ready for JSON. Sums are exact."""
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
        "intensity": intensity(sums["flops"], sums["traffic"]),
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
    """The layer as plain data. element: bytes of one element."""
    sums = layer.cost.totals()
    traffic = sums["traffic"] * element
    return {
        "name": layer.name,
        "type": layer.kind,
        **sums,
        "traffic": traffic,
        "cost": convention.of(layer.cost, batch),
        "in": list(layer.in_shape),
        "out": list(layer.out_shape),
        "stage": layer.stage,
        **_window(layer.window),
        "elementwise": sums["adds"] + sums["muls"] + sums["other"],
        "intensity": intensity(sums["flops"], traffic),
    }


def _window(window: Window | None) -> dict[str, Any]:
    """Kernel, stride, padding, dilation (lists of sizes) and groups; null for a layer without them."""
    if window is None:
        return dict.fromkeys(Window._fields)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in window._asdict().items()}


# Kinds that add up over layers; steps do not, since layers may run side by side.
_ADDITIVE = (*SUMMED, "elementwise", "cost")


def grouped(layers: Sequence[dict[str, Any]], by: str) -> list[dict[str, Any]]:
    """Layer records summed by stage or by type, in order of first appearance; `count` is the number of layers."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for layer in layers:
        groups.setdefault(layer[by], []).append(layer)
    return [{by: name, **summed(found), "out": found[-1]["out"]} for name, found in groups.items()]


def summed(layers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The number of layers, and the sums of all kinds that add up."""
    sums: dict[str, Any] = {"count": len(layers)}
    sums |= {kind: sum(layer[kind] for layer in layers) for kind in _ADDITIVE}
    return sums | {"intensity": intensity(sums["flops"], sums["traffic"])}


def tree_rows(layers: Sequence[dict[str, Any]], depth: int) -> list[dict[str, Any]]:
    """The module hierarchy: one row for each module up to `depth` levels deep, parents before children.

    The dots in the names of layers are the hierarchy. A row holds the sums of all layers at and below its
    name, so the rows of one level add up to the row of their parent. A module that does work outside its
    children is followed by a row `(own)` with that work. type: of a layer; None for a module that holds
    other layers.
    """
    return list(_tree(layers, "", 1, depth))


OWN = "(own)"


def _tree(layers: Sequence[dict[str, Any]], parent: str, level: int, depth: int) -> Iterator[dict[str, Any]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for layer in layers:
        rest = layer["name"][len(parent) :]
        groups.setdefault(rest.partition(".")[0], []).append(layer)
    for short, found in groups.items():
        name = parent + short
        own = [layer for layer in found if layer["name"] == name]
        below = [layer for layer in found if layer["name"] != name]
        yield _node(name, short, level, found, own)
        if below and level < depth:
            if own:
                yield _node(f"{name}.{OWN}", OWN, level + 1, own, own)
            yield from _tree(below, f"{name}.", level + 1, depth)


def _node(
    name: str, short: str, level: int, layers: Sequence[dict[str, Any]], own: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """own: the layer of exactly this name, if there is one: a module that runs its children ends with its output."""
    last = own[-1] if own else layers[-1]
    kind = own[-1]["type"] if own else None
    return {"name": name, "short": short, "level": level, "type": kind, "out": last["out"], **summed(layers)}


def most_expensive(rows: Sequence[dict[str, Any]], top: int) -> list[dict[str, Any]]:
    """The `top` most expensive rows (layers or groups), each with its share and the share of all rows down to it."""
    total = sum(row["cost"] for row in rows) or 1
    found: list[dict[str, Any]] = []
    running = 0
    for row in sorted(rows, key=lambda row: -row["cost"])[:top]:
        running += row["cost"]
        found.append({**row, "share": row["cost"] / total, "cumulated": running / total})
    return found
