"""The one list of kinds of cost, and the one list of kinds of work."""

from helpers import ROOT, for_author

from flopcalc.catalog import lookup
from flopcalc.catalog.cases import cases
from flopcalc.cost.cost import Cost, Part
from flopcalc.cost.kinds import ELEMENTWISE, KINDS, OF_A_KERNEL, SUMMED, WORK_KINDS, WorkKind
from flopcalc.networks import library


def _unlisted(cost: Cost) -> set[WorkKind]:
    return {part.work for part in cost} - set(WORK_KINDS)


def test_every_part_has_a_listed_kind_of_work() -> None:
    """Also where the type checker does not see it: parts that were changed, and those of YAML operators."""
    for operator in lookup.every():
        for case in cases(operator):
            assert not _unlisted(case.cost), for_author(
                operator.name, f"use one of the kinds of work of cost/kinds.py: {', '.join(WORK_KINDS)}"
            )
    for name in library.names():
        for layer in library.load(name).layers:
            assert not _unlisted(layer.cost), f"{name}, {layer.name}"
    for path in (*(ROOT / "configs" / "published" / "operators").glob("*.yaml"), ROOT / "examples" / "squeezed.yaml"):
        assert not _unlisted(lookup.get(str(path)).evaluate(lookup.get(str(path)).geometry(64)).cost), path


def test_the_lists_follow_from_one() -> None:
    """A part holds what a kernel has of its own; everything but the critical path adds up."""
    assert set(OF_A_KERNEL) == {"params", "macs", "activations", "traffic", *ELEMENTWISE}
    assert set(KINDS) - set(SUMMED) == {"steps"}
    assert set(SUMMED) - set(OF_A_KERNEL) == {"flops"}
    assert set(OF_A_KERNEL) - {"traffic"} <= set(Part._fields)
