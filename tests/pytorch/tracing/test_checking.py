"""The comparison of a form with a count finds whatever differs."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from torch import nn

from flopcalc.networks.network import Network
from flopcalc.pytorch.tracing.checking import differences
from flopcalc.pytorch.tracing.symbolic import SymbolicNetwork, counted_at, symbolic_network

SHAPE = (3, 8, 8)
POINT = {"N": 2, "H": 9, "W": 7}


def _module(bias: bool = True, layers: int = 2) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3, bias=bias), *(nn.Conv2d(4, 4, 1) for _ in range(layers - 1)))


@pytest.fixture(scope="module")
def form() -> SymbolicNetwork:
    """Of two layers."""
    return symbolic_network(_module(), SHAPE)


def _counted(form: SymbolicNetwork, **other: Any) -> Network:
    return counted_at(form, _module(**other), SHAPE, 1, POINT)


def test_nothing_differs_from_a_count_of_the_same_module(form: SymbolicNetwork) -> None:
    """At another point than that of the count, the first layer differs."""
    assert differences(form, POINT, _counted(form)) == []
    (first, *_) = differences(form, {**POINT, "N": 3}, _counted(form))
    # 27 weights for each of 4 channels at 7 x 5 places.
    assert first == f"0: macs {3 * 4 * 27 * 35}, counted {2 * 4 * 27 * 35}"


def test_each_kind_that_differs(form: SymbolicNetwork) -> None:
    """Without the bias of the first layer: 4 parameters and a sum for each element of a map of 4 x 7 x 5, twice."""
    sums = 2 * 4 * 35
    found = differences(form, POINT, _counted(form, bias=False))
    assert f"0: params {27 * 4 + 4}, counted {27 * 4}" in found
    assert f"0: adds {sums}, counted 0" in found
    assert f"all layers: params {27 * 4 + 4 + 20}, counted {27 * 4 + 20}" in found
    assert f"all layers: adds {2 * sums}, counted {sums}" in found
    assert not any("macs" in one for one in found)


@pytest.mark.parametrize(
    ("layers", "said"), [(1, "the layers: 1 and no other"), (3, "the layers: no other and 2")], ids=["fewer", "more"]
)
def test_other_layers(form: SymbolicNetwork, layers: int, said: str) -> None:
    """The first pair of names that differ."""
    assert differences(form, POINT, _counted(form, layers=layers)) == [said]


def _renamed(counted: Network) -> Network:
    return replace(counted, layers=(counted.layers[0], counted.layers[1]._replace(name="last")))


def _connected(counted: Network) -> Network:
    return replace(counted, layers=(counted.layers[0], counted.layers[1]._replace(inputs=("input",))))


def _longer(counted: Network) -> Network:
    return replace(counted, counted_steps=77)


@pytest.mark.parametrize(
    ("change", "said"),
    [(_renamed, "the layers: 1 and last"), (_connected, "1: its inputs"), (_longer, "all layers: steps 2, counted 77")],
)
def test_one_thing_that_differs(form: SymbolicNetwork, change: Callable[[Network], Network], said: str) -> None:
    """A name, an input, and the longest chain of kernels, which is that of the whole network."""
    assert differences(form, POINT, change(_counted(form))) == [said]
