"""Linear layers on maps of a description: a remark says what counters report for 1x1 convolutions instead."""

from helpers import WriteNetwork

from flopcalc import network
from flopcalc.cost.convention import CONVENTIONS
from flopcalc.networks.counted import counted

TEXT = """
name: maps
input: [4, 8, 8]
layers:
  - a: {op: linear, out: 6}
  - b: {op: linear, out: 2}
"""


def test_the_remark_has_the_amount(write_network: WriteNetwork) -> None:
    """By hand: torchinfo counts the parameters of nn.Linear once, those of a convolution at each of 64 positions."""
    found = counted(network(write_network(TEXT)), CONVENTIONS["torchinfo"])
    params = (4 * 6 + 6) + (6 * 2 + 2)
    assert found.total == params
    assert f"torchinfo 1.8.0 reports {64 * params:,} (+{63 * params:,})" in found.remarks[0]
    assert "a and 1 more" in found.remarks[0]


def test_none_where_it_makes_no_difference(write_network: WriteNetwork) -> None:
    """FlopCounterMode sees products of the same sizes."""
    assert counted(network(write_network(TEXT)), CONVENTIONS["flop-counter"]).remarks == ()
