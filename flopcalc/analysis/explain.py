"""From the bare MACs of a network to the number of each counter, line by line: `flopcalc/explain/1`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

from flopcalc.cost import convention
from flopcalc.cost.convention import Convention
from flopcalc.networks.counted import Share, counted, labelled
from flopcalc.networks.network import Layer, Network

# Two operations for each multiply-accumulate.
_TWO = {"flop-counter", "two-per-mac", "calflops", "deepspeed", "flops"}
# Shares that stand for the products of a layer.
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
    steps = tuple(_steps(network, found.shares, 2 if chosen.name in _TWO else 1))
    row = Row(chosen.name, chosen.counter, found.total, steps, exact=not found.remarks)
    if found.remarks:
        row = row._replace(why_not="; ".join(found.remarks))
    if run is None or not chosen.counter:
        return row
    measured = run(chosen.name)
    if isinstance(measured, str):
        return row._replace(why_not=measured)
    value, version = measured
    if value == found.total:
        return row._replace(measured=value)
    why = f"{chosen.name} {version} reports {value - found.total:+,}"
    return row._replace(measured=value, exact=False, why_not=f"{row.why_not}; {why}" if row.why_not else why)


def _steps(network: Network, shares: Sequence[Share], factor: int) -> Iterable[Step]:
    """The lines between the MACs and the sum of the shares; they add up exactly."""
    products: dict[int, int] = {}
    others: dict[str, list[tuple[int, int]]] = {}
    for share in shares:
        if share.what in _PRODUCTS or share.what.startswith("products"):
            products[share.layer] = products.get(share.layer, 0) + share.amount
        else:
            others.setdefault(_WORDS.get(share.what, share.what), []).append((share.layer, share.amount))
    lines: dict[str, list[tuple[int, int]]] = {}
    doubled = 0
    for index, layer in enumerate(network.layers):
        macs, amount = int(layer.cost.macs), products.get(index, 0)
        if not macs and not amount:
            continue
        if macs and not amount:
            lines.setdefault(f"not seen: {_kind(network, layer)}", []).append((index, -macs))
            continue
        doubled += (factor - 1) * macs
        rest = amount - factor * macs
        if rest:
            lines.setdefault(_reason(network, layer, rest, factor), []).append((index, rest))
    unseen = {what: found for what, found in lines.items() if what.startswith("not seen")}
    for what, found in unseen.items():
        yield _step(network, what, found)
    if doubled:
        yield Step("a second operation for each multiply-accumulate", doubled, ())
    for what, found in {**{key: one for key, one in lines.items() if key not in unseen}, **others}.items():
        step = _step(network, what, found)
        if step.amount:
            yield step


def _step(network: Network, what: str, found: Sequence[tuple[int, int]]) -> Step:
    names = tuple(dict.fromkeys(network.layers[index].name for index, _ in found))
    return Step(what + _rate(network, what, found), sum(amount for _, amount in found), names)


def _rate(network: Network, what: str, found: Sequence[tuple[int, int]]) -> str:
    """`, 2 per element`, where this is so in each of the layers."""
    if not (what.endswith("norm") or what.startswith(("activations", "sums", "softmax"))):
        return ""
    by_layer: dict[int, int] = {}
    for index, amount in found:
        by_layer[index] = by_layer.get(index, 0) + amount
    rates = set()
    for index, amount in by_layer.items():
        elements = network.batch * prod(network.layers[index].out_shape)
        rates.add(amount // elements if elements and amount % elements == 0 else 0)
    rate = rates.pop() if len(rates) == 1 else 0
    return f", {rate} per element" if rate else ""


def _kind(network: Network, layer: Layer) -> str:
    """What multiplies there: a type of layer, and attention where computed tensors are multiplied."""
    works = {part.work for part in layer.cost if part.macs}
    if works == {"matmul"}:
        return f"products of computed tensors in {layer.kind}"
    return f"{layer.kind} layers"


def _reason(network: Network, layer: Layer, rest: int, factor: int) -> str:
    """Why the number of a layer with products is not that of its MACs."""
    biases = sum(part.adds for part in labelled(layer, network.calls) if part.work in ("conv", "linear"))
    if rest == biases:
        return "biases"
    if layer.kind == "linear" and rest == layer.cost.macs - layer.cost.activations:
        return "linear layers twice: multiplications, and the additions between them"
    if layer.kind == "linear" and rest < 0:
        return "linear layers at one position: parameters instead of products, whatever the number of tokens"
    attention = -factor * sum(part.macs for part in layer.cost if part.work == "matmul")
    if attention and rest in (attention, attention + biases):
        return "not seen: products of attention" if rest == attention else "biases, without products of attention"
    return f"counted in another way: {layer.kind} layers"


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
        "uncounted": [{"op": one.op, "module": one.module, "count": one.times} for one in network.uncounted],
        "rows": [
            {**row._asdict(), "steps": [{**one._asdict(), "layers": list(one.layers)} for one in row.steps]}
            for row in rows
        ],
    }
    if readings is not None:
        record["readings"] = list(readings)
    return record
