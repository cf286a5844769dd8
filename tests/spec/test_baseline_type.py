"""The operator that the ratio of an operator compares with."""

import json

import pytest
from helpers import Runner

from flopcalc.catalog import lookup
from flopcalc.spec.layer_record import baseline_type


@pytest.mark.parametrize("name", lookup.names())
def test_it_is_an_operator(name: str) -> None:
    """The one that the text in tables names."""
    operator = lookup.get(name)
    assert lookup.get(baseline_type(operator)).name in operator.baseline_text.replace(",", " ").split()


@pytest.mark.parametrize(("name", "baseline"), [("lstm", "linear"), ("gru", "linear"), ("ghost", "conv")])
def test_json_names_it(run: Runner, name: str, baseline: str) -> None:
    """Keys stay; the value is the operator that was counted."""
    data = json.loads(run("layer", "--type", name, "--cin", "16", "--cout", "8", "--hw", "4", "--format", "json").out)
    assert data["baseline"]["type"] == baseline
    if baseline == "linear":
        # 16 x 8 weights, at each of the positions.
        assert data["baseline"]["macs"] % (16 * 8) == 0
