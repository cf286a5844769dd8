"""What counters report for the module of every operator, next to the preset of its formula."""

import os
from itertools import islice
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from drawn import spread
from helpers import for_author

from flopcalc import layer
from flopcalc.catalog import lookup
from flopcalc.catalog.cases import cases
from flopcalc.cost.convention import CONVENTIONS
from flopcalc.pytorch import build_layer
from flopcalc.pytorch.counters import COUNTERS, Figure, run_counter, version_of
from flopcalc.pytorch.layers import input_shape
from flopcalc.spec.operator import Evaluation, Operator

OPERATORS = list(lookup.every())
# `make campaign` takes every shape and every set of options: 81,187 figures.
EVERY = "FLOPCALC_FUZZ" in os.environ
TOOLS = [tool for tool in COUNTERS if tool in CONVENTIONS and version_of(COUNTERS[tool].package)]
# A module without parameters, and one that takes a pair of maps: calflops fails on them, and says so.
NO_FIGURE = {("calflops", "StopIteration"), ("calflops", "AttributeError: 'tuple' object has no attribute 'to'")}


def _figures(evaluation: Evaluation) -> int:
    """The number of tools that give a figure; each is that of its preset, to the unit."""
    module, shape = build_layer(evaluation), input_shape(evaluation)
    pair = isinstance(shape[0], tuple)
    value = tuple(map(torch.zeros, shape)) if pair else torch.zeros(shape)
    figures = 0
    for tool in TOOLS:
        found = run_counter(tool, module, (value,))
        if not isinstance(found, Figure):
            assert (tool, found) in NO_FIGURE
            continue
        figures += 1
        assert found.value == CONVENTIONS[tool].of(
            evaluation.cost, evaluation.geometry.batch, inputs=evaluation.inputs
        ), for_author(
            f"{tool} on {evaluation.label()}, {evaluation.geometry}",
            "the preset gives another number than the tool; name in `call` of each part the function or the "
            "module that computes it, with its sizes in `extra`",
            "docs/adding-an-operator.md",
        )
    return figures


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
def test_the_figures_of_the_tools(operator: Operator) -> None:
    """To the unit, on the module as it is built."""
    assert sum(map(_figures, cases(operator) if EVERY else spread(operator))) >= len(TOOLS) - 1


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
def test_a_bias_with_other_channels(operator: Operator) -> None:
    """Where the sets of options have a bias with as many channels out as in only."""
    biased = (one for one in cases(operator) if one.named.get("bias") and one.geometry.c_in != one.geometry.c_out)
    for evaluation in islice(biased, 1):
        _figures(evaluation)


@pytest.mark.parametrize(("c_in", "c_out"), [(8, 12), (12, 8), (8, 8)])
def test_transposed_convolutions_in_torchprofile(c_in: int, c_out: int) -> None:
    """It takes those with as many channels out as in for convolutions, and forgets the groups of the others."""
    if not version_of("torchprofile"):
        pytest.skip("torchprofile is not installed")
    evaluation = layer("transposed", c_in, c_out, hw=6, k=2, stride=2, groups=4)
    found = run_counter("torchprofile", build_layer(evaluation), (torch.zeros(input_shape(evaluation)),))
    assert isinstance(found, Figure)
    assert found.value == CONVENTIONS["torchprofile"].of(evaluation.cost)


@pytest.mark.parametrize("hw", [(5, 9), (9, 5)], ids=str)
def test_transposed_convolutions_of_maps_that_are_not_square(hw: tuple[int, int]) -> None:
    """Some tools compute the output's size as that of a convolution, along each axis."""
    assert _figures(layer("transposed", 6, 4, hw=hw, k=(3, 2), stride=(2, 1), bias=True)) == len(TOOLS)
