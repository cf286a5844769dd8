"""The two passes of training in the record of a network and in its document."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from flopcalc.cost.cost import DTYPE_BYTES
from flopcalc.cost.kinds import KINDS
from flopcalc.errors import FlopcalcError
from flopcalc.report.columns import Field, cell_of
from flopcalc.report.document import Column, people
from flopcalc.report.uncounted import at_least

if TYPE_CHECKING:
    from flopcalc.analysis.training.training import Training
    from flopcalc.cost.convention import Convention

# A tool that counts training has its own rules for it.
CONVENTIONS = ("macs", "flops", "two-per-mac")


def check_convention(chosen: "Convention") -> None:
    """Raise FlopcalcError (bad-usage) for a convention that is defined for inference only."""
    if chosen.name not in CONVENTIONS:
        why = f"--convention {chosen.name} is defined for inference"
        raise FlopcalcError("bad-usage", why, f"with --mode training, use one of: {', '.join(CONVENTIONS)}")


def add_to_model(record: dict[str, Any], found: "Training", dtype: str) -> None:
    """mode, forward, backward, frozen: of the network; forward_macs and backward_macs of each layer."""
    element = DTYPE_BYTES[dtype]

    def totals(network: Any) -> dict[str, int]:
        sums = {kind: network.total(kind) for kind in KINDS}
        return {**sums, "traffic": sums["traffic"] * element}

    record["mode"] = "training"
    record["forward"] = totals(found.forward)
    record["backward"] = {**totals(found.backward), "recomputed": found.recomputed}
    record["freeze"], record["checkpoint"] = list(found.options.freeze), list(found.options.checkpoint)
    record["frozen"] = list(found.frozen)
    for layer, forward, backward in zip(record["layers"], found.forward.layers, found.backward.layers, strict=True):
        layer["forward_macs"], layer["backward_macs"] = forward.cost.macs, backward.cost.macs


def pass_fields(record: Mapping[str, Any]) -> list[Field]:
    """The columns of the two passes, if the record has them."""
    if "backward" not in record:
        return []
    return [
        Field("forward", Column("forward", key="forward_macs"), _of("forward")),
        Field("backward", Column("backward", key="backward_macs"), _of("backward")),
    ]


def _of(which: str) -> Any:
    cell = cell_of(f"{which}_macs")
    # The row of the total is the record of the network.
    return lambda row: row[which]["macs"] if which in row else cell(row)


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
    forward, backward, unknown = record["forward"]["macs"], record["backward"]["macs"], record["uncounted"]
    yield "forward", at_least(f"{people(forward)} MACs", unknown)
    ratio = f", {backward / forward:.3f} x forward" if forward else ""
    yield "backward", at_least(f"{people(backward)} MACs{ratio}", unknown)
    again = record["backward"]["recomputed"]
    if again:
        yield "recomputed", f"{people(again)} of the MACs of the backward pass run a part of the forward pass again"
