"""Layers that take several tensors: how many, and what ptflops reports for them in a batch."""

import pytest

torch = pytest.importorskip("torch")

from flopcalc import layer
from flopcalc.catalog import lookup
from flopcalc.catalog.cases import cases
from flopcalc.cost.convention import CONVENTIONS
from flopcalc.pytorch import build_layer
from flopcalc.pytorch.counters import Figure, run_counter, version_of
from flopcalc.pytorch.layers import input_shape
from flopcalc.spec.operator import Evaluation


@pytest.mark.parametrize("name", lookup.names())
def test_the_number_of_inputs(name: str) -> None:
    """As many as the module of the operator takes."""
    for evaluation in cases(lookup.get(name)):
        shape = input_shape(evaluation)
        assert evaluation.inputs == (1 if isinstance(shape[0], int) else len(shape)), evaluation


SEVERAL = [
    layer("octconv", 16, 32, hw=8, batch=3),
    layer("octconv", 16, 32, hw=8, batch=3, alpha_out=0),
    layer("octconv", 16, 32, hw=8, batch=3, alpha_in=0),
    layer("dynet", 16, 32, hw=8, batch=3, coefficients="block"),
    layer("dynet", 16, 32, hw=8, batch=3),
]


@pytest.mark.parametrize("evaluation", SEVERAL, ids=[one.label() for one in SEVERAL])
def test_ptflops_in_a_batch(evaluation: Evaluation) -> None:
    """It divides what modules cost by the batch, which it takes from a tensor by position; several go by name."""
    if not version_of("ptflops"):
        pytest.skip("ptflops is not installed")
    found = run_counter("ptflops", build_layer(evaluation), (input_shape(evaluation),))
    assert isinstance(found, Figure), found
    assert CONVENTIONS["ptflops"].of(evaluation.cost, 3, inputs=evaluation.inputs) == found.value
