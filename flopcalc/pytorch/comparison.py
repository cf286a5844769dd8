"""Formulas checked against counts, part by part."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod

from flopcalc.cost.kinds import OF_A_KERNEL
from flopcalc.networks.network import Network
from flopcalc.pytorch.build import build_network
from flopcalc.pytorch.counting.counter import Count, count
from flopcalc.pytorch.layers import build_layer, input_shape
from flopcalc.spec.operator import Evaluation

# Steps and the size of the output are compared for the total only.
COMPARED = (*OF_A_KERNEL, "steps")


@dataclass(frozen=True)
class Comparison:
    """One part, layer or total: its cost by the formula, and as it was counted."""

    part: str
    derived: Mapping[str, int]
    counted: Mapping[str, int]

    @property
    def agrees(self) -> bool:
        """Whether all kinds are exactly equal."""
        return self.derived == self.counted


def compare_layer(evaluation: Evaluation) -> list[Comparison]:
    """The parts of an operator compared with its counted module; the last item is the total."""
    module = build_layer(evaluation, device="meta")
    counted = count(module, input_shape(evaluation))
    parts = {part.name: {kind: getattr(part, kind) for kind in OF_A_KERNEL} for part in evaluation.cost}
    rows = _compare(parts, counted, alone=not any(child is not None for child in module._modules.values()))
    elements = evaluation.geometry.batch * prod(evaluation.out_shape)
    sizes = {"output": elements}, {"output": _size(counted)}
    total = {kind: evaluation.cost.total(kind) for kind in COMPARED}
    return [*rows, _total(total | sizes[0], counted, sizes[1])]


def compare_network(network: Network) -> list[Comparison]:
    """The layers of a network compared with the counted module built from it; the last item is the total.

    Layers that share weights are one module, which is counted under the first one's name.
    """
    module = build_network(network, device="meta")
    counted = count(module, (network.batch, *network.input_shape))
    layers: dict[str, dict[str, int]] = {}
    for layer in network.layers:
        sums = layers.setdefault(layer.weights_of or layer.name, dict.fromkeys(OF_A_KERNEL, 0))
        for kind in OF_A_KERNEL:
            sums[kind] += layer.cost.total(kind)
    rows = _compare(layers, counted, alone=False)
    return [*rows, _total({kind: network.total(kind) for kind in COMPARED}, counted, {})]


def _total(derived: Mapping[str, int], counted: Count, more: Mapping[str, int]) -> Comparison:
    found = {kind: counted.total(kind) for kind in COMPARED}
    unknown = {"unknown kernels": counted.uncounted.total()}
    return Comparison("total", {**derived, "unknown kernels": 0}, {**found, **more, **unknown})


def _size(counted: Count) -> int:
    return sum(map(prod, counted.output))


def _compare(parts: Mapping[str, Mapping[str, int]], counted: Count, alone: bool) -> list[Comparison]:
    """Sum the count over the modules of each part, and pair the sums with the formula's.

    A module belongs to the part with the longest matching name. alone: the module has no children, so
    its own work is the work of its only part.
    """
    found: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(OF_A_KERNEL, 0))
    for name in sorted({*counted.work, *counted.own_params}):
        part = next(iter(parts)) if alone and len(parts) == 1 else _part_of(name, parts)
        sums = found[part]
        sums["params"] += counted.own_params.get(name, 0)
        if name in counted.work:
            work = counted.work[name]
            for kind in ("macs", "adds", "muls", "other", "activations"):
                sums[kind] += getattr(work, kind)
            sums["traffic"] += work.reads + work.writes
    nothing = dict.fromkeys(OF_A_KERNEL, 0)
    names = [*parts, *(name for name in found if name not in parts)]
    return [Comparison(name or "(outside the parts)", parts.get(name, nothing), found[name]) for name in names]


def _part_of(name: str, parts: Iterable[str]) -> str:
    """The part that a module belongs to, by the longest name: `chain.0.norm` is in `chain.norm`.

    Indices of module lists may be left out, since one part covers all modules of a list.
    """
    pieces = name.split(".")
    bare = [piece for piece in pieces if not piece.isdigit()]
    prefixes = [".".join(one[:length]) for one in (pieces, bare) for length in range(1, len(one) + 1)]
    return max((prefix for prefix in prefixes if prefix in parts), key=lambda p: p.count("."), default=name)
