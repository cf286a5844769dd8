"""The number that a convention gives for a network: its total, by layer, and what it is made of.

Of a module that was counted, the number of another counter is worked out from the module's calls, by that counter's
rules. Of a description it is worked out from the labels of its parts (`flopcalc.cost.calls`). The label of a kernel is
that of its operator or primitive, unless the description's `calls` names another for its layer, or for one part of
it: `pool: mean`, `"*.attention:qkv": F.linear`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
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
    """A share of the number. layer: its index. what: `products`, `biases`, `batch norm`, ..."""

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
            found = [Share(place, one.what, one.amount) for one, place in _placed(network, log, rules(log))]
        except ToolFailsError as error:
            why = f"the number of {convention.counter} is not known: {error}. This number is the sum over its layers"
            return _folded(network, convention)._replace(remarks=(why,))
        return _of(network, found)
    return _folded(network, convention)


def _folded(network: Network, convention: Convention) -> Counted:
    found, remarks = [], {}
    for index, layer in enumerate(network.layers):
        for part in labelled(layer, network.calls):
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
    counted_as, built_as, gap = [], [], 0
    linear, more = _linear_as_convolutions(network, convention)
    if more:
        counted_as.append(f"linear layers on maps ({_some(linear)}) are counted as nn.Linear")
        built_as.append("has 1x1 convolutions instead")
        gap += more
    shared = [layer.name for layer in network.layers if layer.weights_of]
    more = _under_many_names(network, convention)
    if more:
        counted_as.append(
            f"layers with the weights of other layers ({_some(shared)}) are counted as calls of one module"
        )
        built_as.append("holds that module under a name for each call")
        gap += more
    if gap:
        yield (
            f"{'; '.join(counted_as)}; where a module {' and '.join(built_as)}, as the one that flopcalc builds, "
            f"{convention.counter} reports {total + gap:,} ({gap:+,})"
        )


def _some(names: Sequence[str]) -> str:
    return f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else names[0]


def _linear_as_convolutions(network: Network, convention: Convention) -> tuple[Sequence[str], int]:
    """The linear layers on maps, and what a counter adds where they are 1x1 convolutions."""
    if network.mirrors.startswith(("torchvision.models.", "timm ")) and "detection" not in network.mirrors:
        return (), 0
    names, gap = [], 0
    for layer in network.layers:
        if layer.kind == "linear" and len(layer.in_shape) == 3:
            for part in layer.cost:
                other = part._replace(work="conv", call="")
                one = int(convention.fold(other, network.batch)) - int(convention.fold(part, network.batch))
                names += [layer.name] if one else []
                gap += one
    return names, gap


# How often counters add up the sum of all calls of a module that has a number of names. Their hooks run once for each
# name; THOP also adds up along each name.
_SUMS: Mapping[str, Callable[[int], int]] = {
    "thop": lambda names: names * names,
    "ptflops": lambda names: names,
    "calflops": lambda names: names,
}


def _under_many_names(network: Network, convention: Convention) -> int:
    """What a counter adds where layers with the same weights are one module under a name for each layer."""
    sums = _SUMS.get(convention.name)
    names = Counter(layer.weights_of for layer in network.layers if layer.weights_of)
    if sums is None or not names:
        return 0
    gap = 0
    for layer in network.layers:
        more = names.get(layer.weights_of or layer.name, 0)
        if more:
            one = sum(int(convention.fold(part, network.batch)) for part in labelled(layer, network.calls))
            gap += (sums(more + 1) - 1) * one
    return gap


def _class_of(kind: str) -> str:
    """The class in torch.nn of a layer that does one activation; empty where that is not known."""
    primitive = PRIMITIVES.get(kind)
    package, _, name = primitive.module.rpartition(".") if primitive else ("", "", "")
    return name if package == "torch.nn" else ""


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
    by_layer = [0] * len(network.layers)
    for share in shares:
        by_layer[share.layer] += share.amount
    return Counted(sum(by_layer), tuple(by_layer), tuple(shares))


def _placed(network: Network, log: CallLog, amounts: Iterable[Amount]) -> Iterator[tuple[Amount, int]]:
    """Each amount with the layer that it belongs to: the module's own, one that contains it, or one inside it."""
    first: dict[str, int] = {}
    for index, layer in enumerate(network.layers):
        first.setdefault(layer.name, index)
    known: dict[int, int] = {}
    for one in amounts:
        place = known.get(one.node)
        if place is None:
            place = known[one.node] = _place(log.nodes[one.node].name, first)
        yield one, place


def _place(name: str, first: Mapping[str, int]) -> int:
    if not name:
        return first.get("(model)", 0)
    above = name
    while above:
        if above in first:
            return first[above]
        above = above.rpartition(".")[0]
    return next((index for layer, index in first.items() if layer.startswith(f"{name}.")), 0)
