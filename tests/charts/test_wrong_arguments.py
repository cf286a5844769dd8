"""Charts of something else than the results that they are of."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import flopcalc
from flopcalc import FlopcalcError

pytest.importorskip("numpy")
pytest.importorskip("altair")
pytest.importorskip("vl_convert")

from flopcalc import charts as typed

# Wrong types are the point here.
charts: Any = typed
NETWORK = flopcalc.network("resnet18")
SWEEP = flopcalc.sweep("conv", "ghost", c_in="16:64:16")


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda: charts.cost_by_size(None), "sweep is None, not the result of flopcalc.sweep"),
        (lambda: charts.cost_by_size(NETWORK), "not the result of flopcalc.sweep"),
        (lambda: charts.front(NETWORK, "macs", "params"), "not the result of flopcalc.sweep"),
        (lambda: charts.front(SWEEP, 3, 4), "the column is 3"),
        (lambda: charts.cost_by_stage("resnet18"), "networks is 'resnet18', not the result of flopcalc.network"),
        (lambda: charts.cost_by_stage({"a": 3}), "networks is 3, not the result of flopcalc.network"),
        (lambda: charts.cost_by_stage({3: NETWORK}), "the bar is 3"),
        (lambda: charts.cost_by_stage(3), "networks is 3"),
        (lambda: charts.replacement(NETWORK, None), "after is None, not the result of flopcalc.network"),
        (lambda: charts.roofline(NETWORK), "not the result of flopcalc.roofline"),
        (lambda: charts.memory_by_layer(None), "found is None, not the result of flopcalc.memory"),
        (lambda: charts.svg(NETWORK), "not one of Altair"),
        (lambda: charts.svg(charts.cost_by_size(SWEEP), width_mm="84mm"), "the width is '84mm', not a number"),
        (lambda: charts.save(charts.cost_by_size(SWEEP), None), "the picture is None"),
    ],
)
def test_it_says_what_to_give(call: Callable[[], Any], why: str) -> None:
    with pytest.raises(FlopcalcError, match=why):
        call()


def test_networks_in_a_list_have_their_names(tmp_path: Path) -> None:
    named = charts.cost_by_stage({"resnet18": NETWORK}).to_dict()
    assert charts.cost_by_stage([NETWORK]).to_dict() == named
    charts.save(charts.cost_by_stage([NETWORK]), tmp_path / "figure.svg", width_mm=60)
    assert (tmp_path / "figure.svg").read_text().startswith("<svg")
