"""BOPs in the records of layers and networks: keys that are there if `--bits` was given."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from flopcalc.cost.bits import Bits, Width, binary_operations
from flopcalc.cost.cost import Cost
from flopcalc.report.columns import Field, cell_of
from flopcalc.report.document import Column, people
from flopcalc.spec.operator import Evaluation

if TYPE_CHECKING:
    from flopcalc.networks.network import Network


def add_to_layer(record: dict[str, Any], e: Evaluation, bits: Bits) -> None:
    """bits, bops, binary_ops: of the layer; bops of each part and of the plain convolution."""
    record |= _of([bits.width], [e.cost], bits)
    for part, found in zip(e.cost, record["parts"], strict=True):
        found["bops"] = bits.width.of(Cost((part,)))
    record["baseline"]["bops"] = bits.width.of(e.baseline)


def add_to_model(record: dict[str, Any], network: "Network", plain: "Network", bits: Bits) -> None:
    """bits, bops, binary_ops: of the network; bits and bops of each layer; bops of the network before replacement.

    Raises FlopcalcError (bad-option) where an entry names no layer.
    """
    widths = _widths(network, bits)
    record |= _of(widths, [layer.cost for layer in network.layers], bits)
    for layer, width, found in zip(network.layers, widths, record["layers"], strict=True):
        found |= {"bits": str(width), "bops": width.of(layer.cost)}
    if record["baseline"] is not None:
        before = zip(_widths(plain, bits), plain.layers, strict=True)
        record["baseline"]["bops"] = sum(width.of(layer.cost) for width, layer in before)


def _widths(network: "Network", bits: Bits) -> list[Width]:
    return bits.of_layers([layer.name for layer in network.layers], [layer.cost for layer in network.layers])


def _of(widths: list[Width], costs: list[Cost], bits: Bits) -> dict[str, Any]:
    operations = binary_operations(widths, costs)
    return {
        "bits": bits.text,
        "bops": sum(width.of(cost) for width, cost in zip(widths, costs, strict=True)),
        "binary_ops": None if operations is None else float(operations),
    }


def bops_field(record: Mapping[str, Any]) -> list[Field]:
    """The column, if there are BOPs."""
    return [Field("bops", Column("BOPs"), cell_of("bops"))] if "bops" in record else []


def with_bops(record: Mapping[str, Any], default: tuple[str, ...]) -> tuple[str, ...]:
    """The default columns, with BOPs after the headline if there are any."""
    if "bops" not in record:
        return default
    place = default.index("cost") + 1
    return (*default[:place], "bops", *default[place:])


def bops_facts(record: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """What BOPs are, and the operations of a binary network."""
    if "bops" not in record:
        return
    yield (
        "BOPs",
        f"{people(record['bops'])} = MACs x bits of weights x bits of activations ({record['bits']}); where both "
        "factors are activations, x bits of activations twice",
    )
    if record["binary_ops"] is not None:
        yield "OPs", f"{record['binary_ops']:,.0f} = binary MACs / 64 + the MACs of layers with 32 bits"
