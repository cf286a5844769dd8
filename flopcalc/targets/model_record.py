"""A network, plain or with layers replaced, as plain data: the JSON contract `flopcalc/model/1`."""

import re
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flopcalc.cost.convention import Convention
from flopcalc.cost.cost import DTYPE_BYTES
from flopcalc.cost.kinds import KINDS, SUMMED
from flopcalc.networks.counted import counted
from flopcalc.networks.network import Layer, Module, Network
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
    number = counted(network, convention)
    layers = [
        _layer(layer, cost, network, DTYPE_BYTES[dtype])
        for layer, cost in zip(network.layers, number.by_layer, strict=True)
    ]
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
        "cost": number.total,
        "baseline": _baseline(plain, convention) if replacement else None,
        "replaced": len(replacement.replaced) if replacement else 0,
        "replaced_layers": list(replacement.replaced) if replacement else [],
        "replaced_by": dict(replacement.replaced_by) if replacement else {},
        "replace_notes": list(replacement.notes) if replacement else [],
        "skipped": [{"name": name, "reason": reason} for name, reason in replacement.skipped] if replacement else [],
        "layers": layers,
        "modules": [_module(name, one) for name, one in network.modules.items()],
        "uncounted": [{"op": one.op, "module": one.module, "count": one.times} for one in network.uncounted],
        "convention": convention.name,
        "notes": [
            *network.remarks,
            *(replacement.notes if replacement else ()),
            *number.remarks,
        ],
    }


def _baseline(plain: Network, convention: Convention) -> dict[str, int]:
    return {"params": plain.params, "macs": plain.macs, "cost": counted(plain, convention).total}


def module_of(layer: str, modules: Container[str] = ()) -> str:
    """The name of the module that a layer is a call of: `layer1.0.relu` of `layer1.0.relu#2`. modules: those known."""
    return layer if layer in modules else _NUMBER.sub("", layer)


_NUMBER = re.compile(r"#[0-9]+$")


def _module(name: str, module: Module) -> dict[str, Any]:
    return {
        "name": name,
        "type": module.kind,
        "calls": module.calls,
        "in": list(module.in_shape),
        "out": list(module.out_shape),
        "unused": module.unused,
        "also": list(module.also),
    }


def _layer(layer: Layer, cost: int, network: Network, element: int) -> dict[str, Any]:
    """The layer as plain data. cost: its number in the convention. element: bytes of one element."""
    sums = layer.cost.totals()
    traffic = sums["traffic"] * element
    module = module_of(layer.name, network.modules)
    return {
        "name": layer.name,
        "type": layer.kind,
        **sums,
        "traffic": traffic,
        "cost": cost,
        "in": list(layer.in_shape),
        "out": list(layer.out_shape),
        "stage": layer.stage,
        **_window(layer.window),
        "elementwise": sums["adds"] + sums["muls"] + sums["other"],
        "intensity": intensity(sums["flops"], traffic),
        "inputs": list(layer.inputs),
        "module": module,
        "calls": network.modules[module].calls if module in network.modules else 1,
        "weights_of": layer.weights_of or None,
    }


def _window(window: Window | None) -> dict[str, Any]:
    """Kernel, stride, padding, dilation (lists of sizes) and groups; null for a layer without them."""
    if window is None:
        return dict.fromkeys(Window._fields)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in window._asdict().items()}


# Kinds that add up over layers; steps do not, since layers may run side by side.
_ADDITIVE = (*SUMMED, "elementwise", "cost")
# BOPs, the MACs of the two passes of training and of their gradients, and seconds on a device.
PASSES = ("forward_macs", "backward_macs", "input_gradient_macs", "weight_gradient_macs")
IF_ASKED = ("bops", *PASSES, "bound_s", "estimate_s")


# Equal in these, two calls of one module are one row.
_OF_A_CALL = ("module", "type", "in", "out", "macs", "flops", "traffic", "activations", "elementwise", "steps")


def folded(layers: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Layer records with the equal calls of a module as one row, at the place of the first, with their sums.

    `count` is the number of calls. Parameters count once, and the steps of calls add up: each has its own kernels.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for layer in layers:
        groups.setdefault(repr([layer[key] for key in _OF_A_CALL]), []).append(layer)
    return [{**found[0], **summed(found), "steps": sum(layer["steps"] for layer in found)} for found in groups.values()]


def grouped(layers: Sequence[dict[str, Any]], by: str) -> list[dict[str, Any]]:
    """Layer records summed by stage or by type, in order of first appearance; `count` is the number of layers."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for layer in layers:
        groups.setdefault(layer[by], []).append(layer)
    return [{by: name, **summed(found), "out": found[-1]["out"]} for name, found in groups.items()]


def summed(layers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The number of layers, and the sums of all kinds that add up."""
    sums: dict[str, Any] = {"count": number_of(layers)}
    # These are there if the user asked for them.
    kinds = (*_ADDITIVE, *(kind for kind in IF_ASKED if layers and kind in layers[0]))
    sums |= {kind: sum(layer[kind] for layer in layers) for kind in kinds}
    if layers and "live_bytes" in layers[0]:
        # Bytes that are alive do not add up.
        known = [layer["live_bytes"] for layer in layers if layer["live_bytes"] is not None]
        sums["live_bytes"] = max(known, default=None)
    return sums | {"intensity": intensity(sums["flops"], sums["traffic"])}


def number_of(layers: Sequence[Mapping[str, Any]]) -> int:
    """The number of layers as calls of modules: a module that goes on after its children have run is called once."""
    pieces = Counter(layer["module"] for layer in layers)
    calls = {layer["module"]: layer["calls"] for layer in layers}
    return sum(min(count, max(1, calls[module])) for module, count in pieces.items())


def tree_rows(
    layers: Sequence[dict[str, Any]], depth: int, modules: Sequence[dict[str, Any]] = ()
) -> list[dict[str, Any]]:
    """The module hierarchy: one row for each module up to `depth` levels deep, parents before children.

    The dots in the names of modules are the hierarchy. A row holds the sums of all layers at and below its
    name, so the rows of one level add up to the row of their parent. A module that does work outside its
    children is followed by a row `(own)` with that work. type: of a layer, and of any module of a counted network;
    else None. calls: of the module. unused: the parameters at and below it that the pass did not read.
    also: other names of the module.
    """
    return list(_Tree(modules, depth).rows(layers, "", 1))


OWN = "(own)"


class _Tree:
    """The rows of a tree. modules: records of modules, for a counted network."""

    def __init__(self, modules: Sequence[dict[str, Any]], depth: int) -> None:
        self._modules = {module["name"]: module for module in modules}
        self._depth = depth
        self._unused: Counter[str] = Counter()
        for module in modules:
            # Of a module and of all above it, so that the levels add up.
            pieces = module["name"].split(".") if module["unused"] else []
            for length in range(len(pieces)):
                self._unused[".".join(pieces[: length + 1])] += module["unused"]

    def rows(self, layers: Sequence[dict[str, Any]], parent: str, level: int) -> Iterator[dict[str, Any]]:
        """The rows below a parent, whose name ends in a dot."""
        groups: dict[str, list[dict[str, Any]]] = {}
        for layer in layers:
            rest = layer["module"][len(parent) :]
            groups.setdefault(rest.partition(".")[0], []).append(layer)
        for short, found in groups.items():
            name = parent + short
            own = [layer for layer in found if layer["module"] == name]
            below = [layer for layer in found if layer["module"] != name]
            yield self._node(name, name, short, level, found, own)
            if below and level < self._depth:
                if own:
                    yield self._node(name, f"{name}.{OWN}", OWN, level + 1, own, own)
                yield from self.rows(below, f"{name}.", level + 1)

    def _node(
        self,
        module: str,
        name: str,
        short: str,
        level: int,
        layers: Sequence[dict[str, Any]],
        own: Sequence[dict[str, Any]],
    ) -> dict[str, Any]:
        """own: the layers of exactly this name: a module that runs its children ends with its own output."""
        first, last = (own[0], own[-1]) if own else (layers[0], layers[-1])
        known = self._modules.get(module, {})
        is_own = short == OWN
        return {
            "name": name,
            "short": short,
            "level": level,
            "type": own[-1]["type"] if own else known.get("type"),
            "in": known.get("in", first["in"]),
            "out": known.get("out", last["out"]),
            "calls": known.get("calls", 1),
            "unused": known.get("unused", 0) if is_own else self._unused[module],
            "also": [] if is_own else known.get("also", []),
            **summed(layers),
        }


def most_expensive(rows: Sequence[dict[str, Any]], top: int) -> list[dict[str, Any]]:
    """The `top` most expensive rows (layers or groups), each with its share and the share of all rows down to it."""
    total = sum(row["cost"] for row in rows) or 1
    found: list[dict[str, Any]] = []
    running = 0
    for row in sorted(rows, key=lambda row: -row["cost"])[:top]:
        running += row["cost"]
        found.append({**row, "share": row["cost"] / total, "cumulated": running / total})
    return found
