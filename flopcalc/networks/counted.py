"""The number that a convention gives for a network: its total, by layer, and what it is made of.

Of a module that was counted, the number of another counter is worked out from the module's calls, by that counter's
rules. Of a description it is worked out from the labels of its parts (`flopcalc.cost.calls`). The label of a kernel is
that of its operator or primitive, unless the description's `calls` names another for its layer, or for one part of
it: `pool: mean`, `"*.attention:qkv": F.linear`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    more = (*_as_convolutions(network, convention, counted.total), *_shared(network, convention))
    return counted._replace(remarks=(*remarks.values(), *more))


# They add up what hooks on modules note, once for each name of a module.
_BY_HOOKS = frozenset({"thop", "thop-2019", "torchinfo", "ptflops", "calflops", "deepspeed"})


def _shared(network: Network, convention: Convention) -> Iterator[str]:
    """A remark on layers of a description with the weights of other layers, which a module may hold in two ways."""
    names = [layer.name for layer in network.layers if layer.weights_of]
    if names and convention.name in _BY_HOOKS and not network.modules:
        some = f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else names[0]
        yield (
            f"layers with the weights of other layers ({some}) are counted as calls of one module; where a module is "
            f"held under several names, as in the one that flopcalc builds, {convention.counter} reports another number"
        )


def _as_convolutions(network: Network, convention: Convention, total: int) -> Iterator[str]:
    """A remark on linear layers on maps of a description, which a module may have as 1x1 convolutions."""
    if not convention.counter or network.modules or network.mirrors.startswith(("torchvision.models.", "timm ")):
        return
    names, gap = [], 0
    for layer in network.layers:
        if layer.kind == "linear" and len(layer.in_shape) == 3:
            for part in layer.cost:
                other = part._replace(work="conv", call="")
                one = int(convention.fold(other, network.batch)) - int(convention.fold(part, network.batch))
                names += [layer.name] if one else []
                gap += one
    if gap:
        some = f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else names[0]
        yield (
            f"linear layers on maps ({some}) are counted as nn.Linear; where a module has 1x1 convolutions instead, as "
            f"the one that flopcalc builds, {convention.counter} reports {total + gap:,} ({gap:+,})"
        )


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
