"""The two passes of training in the records of networks and operators, and in their documents."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from flopcalc.cost.cost import DTYPE_BYTES
from flopcalc.errors import FlopcalcError
from flopcalc.report.columns import Field
from flopcalc.report.document import Column, people
from flopcalc.report.uncounted import at_least

if TYPE_CHECKING:
    from flopcalc.analysis.training.training import Training
    from flopcalc.cost.convention import Convention

# A tool that counts training has its own rules for it.
CONVENTIONS = ("macs", "flops", "two-per-mac")
# Columns that are shown if they are chosen.
GRADIENTS = ("input_gradient", "weight_gradient")


def check_convention(chosen: "Convention") -> None:
    """Raise FlopcalcError (bad-usage) for a convention that is defined for inference only."""
    if chosen.name not in CONVENTIONS:
        why = f"--convention {chosen.name} is defined for inference"
        raise FlopcalcError("bad-usage", why, f"with --mode training, use one of: {', '.join(CONVENTIONS)}")


def add_to_model(record: dict[str, Any], found: "Training", dtype: str) -> None:
    """mode, forward, backward, frozen: of the network; forward_macs and backward_macs of each layer."""
    _add_passes(record, found, dtype)
    record["freeze"], record["checkpoint"] = list(found.options.freeze), list(found.options.checkpoint)
    record["frozen"] = list(found.frozen)
    for layer, row in zip(record["layers"], found.to_rows(), strict=True):
        layer["forward_macs"], layer["backward_macs"] = row["forward"], row["backward"]
        layer["input_gradient_macs"], layer["weight_gradient_macs"] = row["input_gradient"], row["weight_gradient"]


def add_to_layer(record: dict[str, Any], found: "Training", dtype: str) -> None:
    """mode, first, forward, backward of an operator, and of each part which pass it belongs to."""
    _add_passes(record, found, dtype)
    record["first"] = found.first
    forward = len(found.forward.layers[0].cost.parts)
    for place, part in enumerate(record["parts"]):
        part["pass"] = "forward" if place < forward else "backward"
    record["notes"] = [*record["notes"], *found.remarks]


def _add_passes(record: dict[str, Any], found: "Training", dtype: str) -> None:
    # Only training needs it.
    from flopcalc.analysis.training.training import shares, totals

    element = DTYPE_BYTES[dtype]
    record["mode"] = "training"
    for which, network in (("forward", found.forward), ("backward", found.backward)):
        sums = totals(network)
        record[which] = {**sums, "traffic": sums["traffic"] * element}
    record["backward"] |= shares(found)


def pass_fields(record: Mapping[str, Any]) -> list[Field]:
    """The columns of the two passes, if the record has them."""
    if "backward" not in record:
        return []
    return [
        Field("forward", Column("forward", key="forward_macs"), _of("forward")),
        Field("backward", Column("backward", key="backward_macs"), _of("backward")),
        Field("input_gradient", Column("input gradient", key="input_gradient_macs"), _of("input_gradient")),
        Field("weight_gradient", Column("weight gradient", key="weight_gradient_macs"), _of("weight_gradient")),
    ]


def _of(which: str) -> Any:
    key = f"{which}_macs"
    # The row of the total is the record of the network.
    return lambda row: row[which]["macs"] if which in row else row.get("backward", row).get(key, row.get(key))


def with_passes(record: Mapping[str, Any], default: tuple[str, ...]) -> tuple[str, ...]:
    """The default columns, with the two passes before the headline if there are any."""
    if "backward" not in record:
        return default
    place = default.index("cost")
    return (*default[:place], "forward", "backward", *default[place:])


def training_facts(record: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """What the two passes cost."""
    if "backward" not in record:
        return
    forward, backward, unknown = record["forward"]["macs"], record["backward"]["macs"], record.get("uncounted", [])
    yield "forward", at_least(f"{people(forward)} MACs", unknown)
    ratio = f", {backward / forward:.3f} x forward" if forward else ""
    yield "backward", at_least(f"{people(backward)} MACs{ratio}", unknown)
    split = [record["backward"][key] for key in ("input_gradient_macs", "weight_gradient_macs")]
    yield "gradients", at_least("{} MACs for inputs, {} for weights".format(*map(people, split)), unknown)
    again = record["backward"]["recomputed"]
    if again:
        yield "recomputed", f"{people(again)} of the MACs of the backward pass run a part of the forward pass again"


def passes_text(record: Mapping[str, Any]) -> str:
    """What the columns of a comparison in training are about."""
    given = "needs no gradient" if record["first"] else "needs a gradient"
    return f"MACs of the forward and the backward pass, of a layer whose input {given}"
