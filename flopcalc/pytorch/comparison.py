"""Formula against count, part by part."""

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

# What is compared; steps and the output's shape are compared for the whole.
COMPARED = (*OF_A_KERNEL, "steps")


@dataclass(frozen=True)
class Confronted:
    """One part (or one layer, or the whole) as the formula has it and as the count found it."""

    part: str
    derived: Mapping[str, int]
    counted: Mapping[str, int]

    @property
    def agrees(self) -> bool:
        """Whether all kinds are equal to the unit."""
        return self.derived == self.counted


def confront_layer(evaluation: Evaluation) -> list[Confronted]:
    """An operator's parts against its module; the last item is the whole."""
    module = build_layer(evaluation, device="meta")
    counted = count(module, input_shape(evaluation))
    parts = {part.name: {kind: getattr(part, kind) for kind in OF_A_KERNEL} for part in evaluation.cost}
    rows = _confront(parts, counted, alone=not any(True for _ in module.children()))
    elements = evaluation.geometry.n * prod(evaluation.out_shape)
    sizes = {"output": elements}, {"output": _size(counted)}
    whole = {kind: evaluation.cost.total(kind) for kind in COMPARED}
    return [*rows, _whole(whole | sizes[0], counted, sizes[1])]


def confront_network(network: Network) -> list[Confronted]:
    """A network's layers against the module built from it; the last item is the whole.

    Layers that share weights are one module, which is counted under the first one's name.
    """
    module = build_network(network, device="meta")
    counted = count(module, (network.batch, *network.input_shape))
    layers: dict[str, dict[str, int]] = {}
    for layer in network.layers:
        sums = layers.setdefault(layer.weights_of or layer.name, dict.fromkeys(OF_A_KERNEL, 0))
        for kind in OF_A_KERNEL:
            sums[kind] += layer.cost.total(kind)
    rows = _confront(layers, counted, alone=False)
    return [*rows, _whole({kind: network.total(kind) for kind in COMPARED}, counted, {})]


def _whole(derived: Mapping[str, int], counted: Count, more: Mapping[str, int]) -> Confronted:
    found = {kind: counted.total(kind) for kind in COMPARED}
    unknown = {"unknown kernels": counted.uncounted.total()}
    return Confronted("total", {**derived, "unknown kernels": 0}, {**found, **more, **unknown})


def _size(counted: Count) -> int:
    return sum(map(prod, counted.output))


def _confront(parts: Mapping[str, Mapping[str, int]], counted: Count, alone: bool) -> list[Confronted]:
    """Sum the count over the modules of each part, and set both side by side.

    A module belongs to the part with the longest matching name. `alone`: the module has no children,
    and its own work is that of its single part.
    """
    found: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(OF_A_KERNEL, 0))
    for name in sorted({*counted.work, *counted.params}):
        part = next(iter(parts)) if alone and len(parts) == 1 else _part_of(name, parts)
        sums = found[part]
        sums["params"] += counted.params.get(name, 0)
        if name in counted.work:
            work = counted.work[name]
            for kind in ("macs", "adds", "muls", "other", "activations"):
                sums[kind] += getattr(work, kind)
            sums["traffic"] += work.reads + work.writes
    nothing = dict.fromkeys(OF_A_KERNEL, 0)
    names = [*parts, *(name for name in found if name not in parts)]
    return [Confronted(name or "(outside the parts)", parts.get(name, nothing), found[name]) for name in names]


def _part_of(name: str, parts: Iterable[str]) -> str:
    """The part that a module belongs to, by the longest name: `chain.0.norm` is in `chain.norm`.

    Indices of module lists may be left out, since a part stands for all modules of its list.
    """
    pieces = name.split(".")
    bare = [piece for piece in pieces if not piece.isdigit()]
    prefixes = [".".join(one[:length]) for one in (pieces, bare) for length in range(1, len(one) + 1)]
    return max((prefix for prefix in prefixes if prefix in parts), key=lambda p: p.count("."), default=name)
