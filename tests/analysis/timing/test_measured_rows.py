"""Times that were measured on a GPU: benchmarks/measured, every ninth row of the operators and all others."""

from math import log
from statistics import correlation, median
from typing import Any

import pytest
from helpers import ROOT, script

from flopcalc.analysis.timing.bound import kernel_bound
from flopcalc.analysis.timing.device import Device
from flopcalc.analysis.timing.fitting import Measured, estimates
from flopcalc.analysis.timing.library import device as find_device


@pytest.fixture(scope="module")
def rows() -> list[Any]:
    """Passes with their kernels."""
    found = script(ROOT / "benchmarks" / "timing_data.py").measured(ROOT / "benchmarks" / "measured", "h100")
    return [*[row for row in found if row.kind == "operator"][::9], *[row for row in found if row.kind != "operator"]]


@pytest.fixture(scope="module")
def h100() -> Device:
    """The device."""
    return find_device("h100")


def test_no_row_is_faster_than_its_bound(rows: list[Any], h100: Device) -> None:
    """All kinds of rows are there."""
    assert {row.kind for row in rows} == {"operator", "replaced", "torchvision"}
    for row in rows:
        bound = sum(kernel_bound(kernel, h100, row.dtype).seconds for kernel in row.kernels)
        assert row.seconds > bound, (row.name, row.batch, row.dtype, row.execution)


# Of estimates with the parameters of the H200, none of which was fitted on these rows, and with the device's own.
@pytest.mark.parametrize(("like", "most", "least"), [("h200", 0.25, 0.98), ("h100", 0.17, 0.985)])
def test_estimates_in_a_graph(rows: list[Any], h100: Device, like: str, most: float, least: float) -> None:
    """Median error and correlation of the logarithms."""
    chosen = [row for row in rows if row.execution == "graph"]
    used = h100._replace(efficiency=find_device(like).efficiency)
    measured = [Measured(row.name, row.layers, row.dtype, row.seconds) for row in chosen]
    found = estimates(used, measured, "graph")
    truth = [row.seconds for row in chosen]
    error = median(abs(one / other - 1) for one, other in zip(found, truth, strict=True))
    assert error < most
    assert correlation(list(map(log, found)), list(map(log, truth))) > least
