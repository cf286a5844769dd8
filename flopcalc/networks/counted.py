"""The number that a convention gives for a network: its total, by layer, and what it is made of.

Of a module that was counted, the number of another counter is worked out from the module's calls, by that counter's
rules. Of a description it is worked out from the labels of its parts (`flopcalc.cost.calls`). The label of a kernel is
that of its operator or primitive, unless the description's `calls` names another for its layer, or for one part of
it: `pool: mean`, `"*.attention:qkv": F.linear`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import NamedTuple

from flopcalc.cost.calls import lacks_sizes
from flopcalc.cost.convention import Convention
from flopcalc.cost.cost import Part
from flopcalc.networks.network import Layer, Network
from flopcalc.presets.call import Amount, CallLog, ToolFailsError
from flopcalc.presets.registry import RULES
from flopcalc.primitives.registry import PRIMITIVES
from flopcalc.spec.layer_record import whole_module_notes


class Share(NamedTuple):
    """A share of the number. layer: its index; 0 if there are none. what: `products`, `biases`, `batch norm`, ..."""

    layer: int
    what: str
    amount: int


class Counted(NamedTuple):
    """The number of a convention. by_layer: in the order of the network's layers. remarks: where it is not certain."""

    total: int
    by_layer: tuple[int, ...]
    shares: tuple[Share, ...]
    remarks: tuple[str, ...] = ()


def counted(network: Network, convention: Convention) -> Counted:
    """The number of a network in a convention."""
    rules = RULES.get(convention.name)
    if rules is not None and network.replay is not None:
        log = network.replay.log()
        try:
            if log.holds_nested():
                raise ToolFailsError("a nested tensor has no shape, which its rules need")
            found = list(_placed(network, log, rules(log)))
        except ToolFailsError as error:
            why = f"the number of {convention.counter} is not known: {error}. This number is the sum over its layers"
            return _folded(network, convention)._replace(remarks=(why,))
        return _of(network, found)
    return _folded(network, convention)


def _folded(network: Network, convention: Convention) -> Counted:
    found, remarks = [], {}
    for index, (layer, parts) in enumerate(_called(network)):
        for part in parts:
            if network.modules and part.work == "act":
                # A part of a counted module has no label; its class is known.
                part = part._replace(call=_class_of(layer.kind))  # noqa: PLW2901
            if convention.counter and lacks_sizes(part):
                remarks[part.call, part.name] = (
                    f"{layer.name}, part {part.name}: {convention.counter} needs more of {part.call!r} than a "
                    "description has, so that what it would count is left out"
                )
            amount = int(convention.fold(part, network.batch))
            if amount:
                found.append(Share(index, part.work, amount))
        if layer.evaluation is not None:
            for text in whole_module_notes(layer.evaluation, convention):
                remarks[layer.name, ""] = f"{layer.name}: {text}"
    counted = _of(network, found)
    return counted._replace(remarks=(*remarks.values(), *_as_built(network, convention, counted.total)))


def _as_built(network: Network, convention: Convention, total: int) -> Iterator[str]:
    """A remark on layers of a description that a module may hold in another way, as the one that flopcalc builds."""
    if not convention.counter or network.modules:
        return
    holders = _holders(network)
    sums = _SUMS.get(convention.name, _once)
    has_convolutions = "detection" in network.mirrors or not network.mirrors.startswith(
        ("torchvision.models.", "timm ")
    )
    linear, shared, gap = [], [], 0
    for layer, parts in _called(network):
        held = sums(len(holders[layer.weights_of or layer.name]))
        on_map = has_convolutions and layer.kind == "linear" and len(layer.in_shape) == 3
        if held == 1 and not on_map:
            continue
        number = _number(parts, network, convention)
        built = number
        if on_map:
            built = _number([part._replace(work="conv", call="") for part in parts], network, convention)
            linear += [layer.name] if built != number else []
        if held > 1 and built and layer.weights_of:
            shared.append(layer.name)
        gap += held * built - number
    counted_as, built_as = [], []
    if linear:
        counted_as.append(f"linear layers on maps ({_some(linear)}) are counted as nn.Linear")
        built_as.append("has 1x1 convolutions instead")
    if shared:
        counted_as.append(
            f"layers with the weights of other layers ({_some(shared)}) are counted as calls of one module"
        )
        built_as.append("holds that module in a container for each call")
    if gap:
        yield (
            f"{'; '.join(counted_as)}; where a module {' and '.join(built_as)}, as the one that flopcalc builds, "
            f"{convention.counter} reports {total + gap:,} ({gap:+,})"
        )


def _number(parts: Iterable[Part], network: Network, convention: Convention) -> int:
    return sum(int(convention.fold(part, network.batch)) for part in parts)


def _some(names: Sequence[str]) -> str:
    return f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else names[0]


def _once(holders: int) -> int:
    return 1


# How often counters add up the sum of all calls of a module that a number of containers hold. Their hooks run once for
# each container; THOP also adds up along each of them.
_SUMS: Mapping[str, Callable[[int], int]] = {
    "thop": lambda holders: holders * holders,
    "ptflops": lambda holders: holders,
    "calflops": lambda holders: holders,
}


def _holders(network: Network) -> Mapping[str, set[str]]:
    """By the first of the layers that are one module, their containers: torch lists it once in each."""
    found: dict[str, set[str]] = defaultdict(set)
    for layer in network.layers:
        found[layer.weights_of or layer.name].add(layer.name.rpartition(".")[0])
    return found


def _class_of(kind: str) -> str:
    """The class in torch.nn of a layer that does one activation; empty where that is not known."""
    primitive = PRIMITIVES.get(kind)
    return primitive.module.rpartition(".")[2] if primitive else ""


def _called(network: Network) -> Iterator[tuple[Layer, Sequence[Part]]]:
    """Each layer, and its parts with labels, and with the parameters of the module that is called.

    Of layers with the same weights only the first one has parameters; some counters count those of each call.
    """
    own = {layer.name: layer.cost for layer in network.layers}
    for layer in network.layers:
        parts = labelled(layer, network.calls)
        if layer.weights_of in own:
            params = {part.name: part.params for part in own[layer.weights_of]}
            parts = [part._replace(params=params.get(part.name, part.params)) for part in parts]
        yield layer, parts


def labelled(layer: Layer, calls: Mapping[str, str]) -> Sequence[Part]:
    """The parts of a layer with the labels that a description gives them."""
    if not calls:
        return layer.cost.parts
    return [
        part._replace(call=label) if (label := _label(layer.name, part.name, calls)) else part for part in layer.cost
    ]


def _label(layer: str, part: str, calls: Mapping[str, str]) -> str:
    for pattern, label in calls.items():
        name, _, of_part = pattern.partition(":")
        if fnmatchcase(layer, name) and (not of_part or fnmatchcase(part, of_part)):
            return label
    return ""


def _of(network: Network, shares: Sequence[Share]) -> Counted:
    # A module without layers can have a number, too: that of the products of sizes that a trace records.
    layers = len(network.layers)
    by_layer = [0] * layers or [0]
    for share in shares:
        by_layer[share.layer] += share.amount
    return Counted(sum(by_layer), tuple(by_layer[:layers]), tuple(shares))


def _placed(network: Network, log: CallLog, amounts: Iterable[Amount]) -> Iterator[Share]:
    """Each amount as a share of the layer that it belongs to."""
    layers = {layer.name: index for index, layer in enumerate(network.layers)}
    place = cache(lambda node: _place(log.nodes[node].name, layers))
    return (Share(place(one.node), one.what, one.amount) for one in amounts)


def _place(name: str, layers: Mapping[str, int]) -> int:
    """The layer of a module: its own, one that contains it, one inside it, that of the outermost module, the first."""
    above = name
    while above:
        if above in layers:
            return layers[above]
        above = above.rpartition(".")[0]
    inside = (index for layer, index in layers.items() if layer.startswith(f"{name}."))
    return next(inside, layers.get("(model)", 0))
