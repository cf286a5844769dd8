"""From the bare MACs of a network to the number of each counter, line by line: `flopcalc/explain/1`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

from flopcalc.cost import convention
from flopcalc.cost.convention import Convention
from flopcalc.networks.counted import Share, counted, labelled
from flopcalc.networks.network import Layer, Network

# Counters that report the mean over the batch of what their hooks see.
_MEAN = {"ptflops"}
# Shares that are the products of a layer.
_PRODUCTS = {"conv", "linear", "matmul", "attention", "recurrent layers"}
_WORDS = {
    "norm": "batch norm",
    "layernorm": "layer norm",
    "act": "activations",
    "maxpool": "pooling",
    "avgpool": "pooling",
    "gap": "pooling",
    "add": "sums of tensors",
    "mul": "products of tensors, element by element",
    "move": "upsampling",
    "distance": "distances",
    "mixed": "other work",
    "other": "other work",
}


class _Group(NamedTuple):
    """The calls of one module, and its amount. biases, attention: adds of biases, MACs of products of attention."""

    macs: int
    amount: int
    biases: int
    attention: int
    activations: int


class Step(NamedTuple):
    """One line. what: the reason; amount: what it adds; layers: those that it is about."""

    what: str
    amount: int
    layers: tuple[str, ...]


class Row(NamedTuple):
    """One counter. steps: from the MACs to its figure. measured: what the installed tool reports, if it was run.

    exact: nothing speaks against the figure. why_not: why it is not certain, or why the tool reports none.
    """

    tool: str
    version: str
    figure: int
    steps: tuple[Step, ...]
    measured: int | None = None
    exact: bool = True
    why_not: str | None = None


def explain(
    network: Network,
    names: Iterable[str],
    run: Callable[[str], tuple[int, str] | str] | None = None,
) -> list[Row]:
    """The way from the MACs of a network to each convention's number. run: runs the tool of that name."""
    return [_row(network, convention.get(name), run) for name in names]


def _row(network: Network, chosen: Convention, run: Callable[[str], tuple[int, str] | str] | None) -> Row:
    found = counted(network, chosen)
    mean = network.batch if chosen.name in _MEAN else 1
    steps = tuple(_steps(network, found.shares, chosen.per_mac, mean))
    row = Row(chosen.name, chosen.counter, found.total, steps, exact=not found.remarks)
    if found.remarks:
        row = row._replace(why_not="; ".join(found.remarks))
    if run is None or not chosen.counter:
        return row
    measured = run(chosen.name)
    if isinstance(measured, str):
        return row._replace(why_not=f"it gives no figure: {measured}")
    value, version = measured
    if value == found.total:
        return row._replace(measured=value)
    why = f"{chosen.name} {version} reports {value - found.total:+,}"
    return row._replace(measured=value, exact=False, why_not=f"{row.why_not}; {why}" if row.why_not else why)


def _is_product(what: str) -> bool:
    """Whether a share is that of convolutions, linear layers or matrix products; sizes that a trace records are not."""
    return what in _PRODUCTS or (what.startswith("products") and not what.startswith("products of sizes"))


def _steps(network: Network, shares: Sequence[Share], factor: int, mean: int) -> Iterable[Step]:
    """The lines between the MACs and the sum of the shares; they add up exactly."""
    if not network.layers:
        yield from (Step(share.what, share.amount, ()) for share in shares)
        return
    home = _homes(network)
    products: dict[int, int] = {}
    others: dict[str, list[tuple[int, int]]] = {}
    for share in shares:
        if _is_product(share.what):
            products[home[share.layer]] = products.get(home[share.layer], 0) + share.amount
        else:
            others.setdefault(_WORDS.get(share.what, share.what), []).append((home[share.layer], share.amount))
    lines, doubled, averaged = _of_products(
        network, _inside_out(network, _groups(network, home, products), factor), factor, mean
    )
    unseen = {what: found for what, found in lines.items() if what.startswith("not seen")}
    for what, found in unseen.items():
        yield _step(network, home, what, found)
    if doubled:
        yield Step("a second operation for each multiply-accumulate", doubled, ())
    if averaged:
        yield Step(f"the mean over the batch of {mean}, where hooks count", averaged, ())
    for what, found in {**{key: one for key, one in lines.items() if key not in unseen}, **others}.items():
        step = _step(network, home, what, found)
        if step.amount:
            yield step


def _of_products(
    network: Network, groups: Mapping[int, _Group], factor: int, mean: int
) -> tuple[dict[str, list[tuple[int, int]]], int, int]:
    """The differences by reason, the sum of second operations, and what means over the batch leave out."""
    lines: dict[str, list[tuple[int, int]]] = {}
    doubled, averaged = 0, 0
    for index, found in groups.items():
        if not found.macs and not found.amount:
            continue
        layer, group = network.layers[index], found
        if group.macs and not group.amount:
            lines.setdefault(f"not seen: {_kind(network, layer)}", []).append((index, -group.macs))
            continue
        doubled += (factor - 1) * group.macs
        if mean > 1 and 2 * abs(group.amount * mean - group.macs) < group.macs:
            averaged -= group.macs - group.macs // mean
            group = _Group(group.macs // mean, group.amount, *(one // mean for one in group[2:]))
        rest = group.amount - factor * group.macs
        if rest:
            lines.setdefault(_reason(layer, group, rest, factor), []).append((index, rest))
    return lines, doubled, averaged


def _homes(network: Network) -> list[int]:
    """For each layer the first call of its module: `relu` for `relu#2`."""
    first: dict[str, int] = {}
    return [first.setdefault(layer.name.partition("#")[0], index) for index, layer in enumerate(network.layers)]


def _groups(network: Network, home: Sequence[int], products: Mapping[int, int]) -> dict[int, _Group]:
    """The layers by module, in order."""
    groups: dict[int, _Group] = {}
    for index, layer in enumerate(network.layers):
        biases = sum(part.adds for part in labelled(layer, network.calls) if part.work in ("conv", "linear"))
        attention = sum(part.macs for part in layer.cost if part.work == "matmul")
        had = groups.get(home[index], _Group(0, products.get(home[index], 0), 0, 0, 0))
        groups[home[index]] = _Group(
            had.macs + int(layer.cost.macs),
            had.amount,
            had.biases + int(biases),
            had.attention + int(attention),
            had.activations + int(layer.cost.activations),
        )
    return groups


def _inside_out(network: Network, groups: dict[int, _Group], factor: int) -> dict[int, _Group]:
    """The groups, with what a counter finds for a module that is inside of another one moved there.

    A counter may see the kernels of a module and not the module, such as a scripted one.
    """
    names = {network.layers[index].name: index for index in groups}
    for index, group in list(groups.items()):
        if not group.macs or group.amount:
            continue
        above = network.layers[index].name
        while above:
            above = above.rpartition(".")[0]
            outer = names.get(above or "(model)")
            if outer is not None and groups[outer].amount - factor * groups[outer].macs >= factor * group.macs:
                groups[outer] = groups[outer]._replace(amount=groups[outer].amount - factor * group.macs)
                groups[index] = group._replace(amount=factor * group.macs)
                break
    return groups


def _step(network: Network, home: Sequence[int], what: str, found: Sequence[tuple[int, int]]) -> Step:
    names = tuple(dict.fromkeys(network.layers[index].name for index, _ in found))
    return Step(what + _rate(network, home, what, found), sum(amount for _, amount in found), names)


def _rate(network: Network, home: Sequence[int], what: str, found: Sequence[tuple[int, int]]) -> str:
    """`, 2 per element`, where this is so in each of the layers."""
    if not (what.endswith("norm") or what.startswith(("activations", "sums", "softmax"))):
        return ""
    by_layer: dict[int, int] = {}
    for index, amount in found:
        by_layer[index] = by_layer.get(index, 0) + amount
    sizes = dict.fromkeys(by_layer, 0)
    for index, layer in enumerate(network.layers):
        if home[index] in sizes:
            sizes[home[index]] += network.batch * prod(layer.out_shape)
    rates = set()
    for index, amount in by_layer.items():
        rates.add(amount // sizes[index] if sizes[index] and amount % sizes[index] == 0 else 0)
    rate = rates.pop() if len(rates) == 1 else 0
    return f", {rate} per element" if rate else ""


def _kind(network: Network, layer: Layer) -> str:
    """What multiplies there: a type of layer, and attention where computed tensors are multiplied."""
    works = {part.work for part in layer.cost if part.macs}
    if works == {"matmul"}:
        return f"products of computed tensors in {layer.kind}"
    return f"{layer.kind} layers"


def _reason(layer: Layer, group: _Group, rest: int, factor: int) -> str:
    """Why the number of a module with products is not that of its MACs."""
    if rest == group.biases:
        return "biases"
    if rest == group.activations and not group.biases:
        return "1 per element of the output, as if there were a bias"
    if layer.kind == "linear" and rest == group.macs - group.activations:
        return "linear layers twice: multiplications, and the additions between them"
    if layer.kind == "linear" and rest < 0:
        return "linear layers at one position: parameters instead of products, whatever the number of tokens"
    if layer.kind.startswith("transposed") and _is_at_output(layer, group, rest, factor):
        return "transposed convolutions: the positions of the output instead of those of the input"
    attention = -factor * group.attention
    if attention and rest in (attention, attention + group.biases):
        return "not seen: products of attention" if rest == attention else "biases, without products of attention"
    return f"counted in another way: {layer.kind} layers"


def _is_at_output(layer: Layer, group: _Group, rest: int, factor: int) -> bool:
    """Whether the number is that of a convolution with these weights, and perhaps biases, onto the output."""
    before, after = prod(layer.in_shape[1:]), prod(layer.out_shape[1:])
    wanted = factor * group.macs * after
    amount = rest + factor * group.macs
    return amount * before in (wanted, wanted + group.biases * before)


def explain_record(
    network: Network, target: str, rows: Sequence[Row], readings: Sequence[Mapping[str, Any]] | None = None
) -> dict[str, Any]:
    """Plain data for JSON. readings: of a figure that somebody prints."""
    record: dict[str, Any] = {
        "schema": "flopcalc/explain/1",
        "target": target,
        "input": list(network.inputs) or ["x".join(map(str, network.input_shape))],
        "batch": network.batch,
        "params": network.params,
        "macs": network.macs,
        "notes": list(network.remarks),
        "uncounted": [{"op": one.op, "module": one.module, "count": one.times} for one in network.uncounted],
        "rows": [
            {**row._asdict(), "steps": [{**one._asdict(), "layers": list(one.layers)} for one in row.steps]}
            for row in rows
        ],
    }
    if readings is not None:
        record["readings"] = list(readings)
    return record
