"""Every operator of torch's core set has a rule, or is listed as free."""

import pytest
import torch

from flopcalc.pytorch.counting.kernels import FREE, RULES, transforms
from flopcalc.pytorch.counting.kernels.table import _place

NAMES = sorted({name.split(".")[0] for name in torch._C._dispatch_get_all_op_names()})
PACKETS = [getattr(torch.ops.aten, name[6:], None) for name in NAMES if name.startswith("aten::")]
CORE = [
    overload
    for packet in PACKETS
    if packet is not None
    for overload in (getattr(packet, name) for name in packet.overloads())
    if torch.Tag.core in overload.tags
]


def test_the_core_set_is_found() -> None:
    """Torch 2.13 marks about 200 overloads."""
    assert len(CORE) > 150


@pytest.mark.parametrize("operator", CORE, ids=str)
def test_each_core_operator_has_an_answer(operator: torch._ops.OpOverload) -> None:
    """A new one needs a rule in flopcalc/pytorch/counting/kernels/, or a line in `FREE`."""
    assert _place(operator) is not None


@pytest.mark.parametrize("name", sorted(transforms.UNCOUNTED))
def test_what_iterates_stays_uncounted(name: str) -> None:
    """Its work depends on the values; docs/conventions.md lists it."""
    packet = getattr(torch.ops.aten, name.removeprefix("aten::"))
    assert all(_place(getattr(packet, overload)) is None for overload in packet.overloads()), name


def test_rules_and_free_do_not_overlap() -> None:
    """One answer for each operator."""
    assert not set(RULES) & FREE
