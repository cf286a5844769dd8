"""A Python target before and after its layers are replaced: what each is when it is run again, and what stays."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from torch import nn

from flopcalc.analysis.training.training import training
from flopcalc.budget.assertions import Costs
from flopcalc.cost.convention import CONVENTIONS
from flopcalc.networks.counted import counted
from flopcalc.networks.inputs import Input
from flopcalc.networks.network import Network
from flopcalc.pytorch import counted_network, replace
from flopcalc.pytorch.target import read_object
from flopcalc.replacing.decide import plan

SHAPE = (3, 12, 12)


class Net(nn.Module):
    """Two convolutions, of which the second is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.conv = nn.Conv2d(8, 8, 3, padding=1)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Any) -> Any:
        x = self.norm(self.stem(x)).relu()
        return self.head(self.conv(self.conv(x)).relu().mean((2, 3)))


def _both(what: Any) -> tuple[Network, Network]:
    """The network before and after its convolutions are replaced."""
    plain, done = read_object(what, {}, (Input(SHAPE),), 2, plan("ghost"))
    assert done is not None
    assert done.replaced == ("stem", "conv")
    return plain, done.network


@pytest.mark.parametrize("what", [Net, Net()], ids=["built", "own"])
@pytest.mark.parametrize("name", CONVENTIONS)
def test_the_number_of_another_counter_before_and_after(what: Any, name: str) -> None:
    convention = CONVENTIONS[name]
    plain, changed = _both(what)
    after = counted_network(replace(Net(), "ghost", inputs=(2, *SHAPE)).module, SHAPE, 2)
    # In both orders: each is found out when it is asked for.
    numbers = counted(changed, convention).total, counted(plain, convention).total, counted(changed, convention).total
    before = counted(counted_network(Net(), SHAPE, 2), convention).total
    assert numbers == (counted(after, convention).total, before, counted(after, convention).total)


@pytest.mark.parametrize("what", [Net, Net()], ids=["built", "own"])
def test_training_before_and_after(what: Any) -> None:
    plain, changed = _both(what)
    step = training(plain)
    assert step.macs == training(counted_network(Net(), SHAPE, 2)).macs
    assert step.forward.macs == plain.macs
    after = counted_network(replace(Net(), "ghost", inputs=(2, *SHAPE)).module, SHAPE, 2)
    assert training(changed).macs == training(after).macs < step.macs


def test_a_module_that_its_factory_keeps_is_left_as_it_was() -> None:
    """It is built for the call, as far as flopcalc knows, and so it is not copied."""
    kept = Net()
    modules, tensors = dict(kept.named_modules()), kept.state_dict(keep_vars=True)

    def make() -> nn.Module:
        return kept

    plain, changed = _both(make)
    assert training(plain).macs > training(changed).macs
    assert dict(kept.named_modules()) == modules
    assert all(one is tensors[name] for name, one in kept.state_dict(keep_vars=True).items())
    costs = Costs(str(Path(__file__)), "test", update=False)
    assert costs.assert_cost(make, SHAPE, replace="ghost", macs="<= 1G")["params"] == changed.params
    assert costs.assert_cost(make, SHAPE, macs="<= 1G")["params"] == plain.params


class Reads(Net):
    """A forward that reads a value."""

    def forward(self, x: Any) -> Any:
        found = super().forward(x)
        return found if found.sum().item() > -1e9 else -found


def test_a_factory_that_keeps_a_module_that_reads_values() -> None:
    """It is built again for its values, and is the same module, with the new layers in it."""
    plain, changed = _both(cache(Reads))
    assert (plain.params, changed.params) == tuple(net.params for net in _both(Net))
    assert (plain.macs, changed.macs) == tuple(net.macs for net in _both(Net))
