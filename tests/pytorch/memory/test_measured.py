"""Peaks that were measured on a GPU: benchmarks/measured/h100_torchvision.csv, a part of the networks."""

from typing import Any

import pytest
from helpers import ROOT, import_torchvision, script

FOLDER = ROOT / "benchmarks" / "measured"
PLAIN = ("mobilenet_v3_large", "efficientnet_b0", "shufflenet_v2_x1_0", "vit_b_16")
# Backward passes at batch 1 in which cuDNN takes a workspace: large maps, maps of less than two tiles, both.
WITH_WORKSPACE = ("vgg11", "resnet18", "squeezenet1_1", "resnet101")


@pytest.fixture(scope="module")
def rows() -> list[Any]:
    """The figures of both lists."""
    import_torchvision()
    return list(script(ROOT / "benchmarks" / "memory.py").rows(FOLDER, "h100", PLAIN + WITH_WORKSPACE))


def test_the_bytes_that_were_asked_for(rows: list[Any]) -> None:
    """Tensors alone: inference within a thousandth, training within a hundredth."""
    found = [row for row in rows if row.network in PLAIN]
    assert len(found) == 4 * len(PLAIN)
    for row in found:
        allowed = 0.001 if row.what == "inference" else 0.01
        assert abs(row.without_blocks - 1) < allowed, row


def test_no_peak_is_above_the_measured_one(rows: list[Any]) -> None:
    """By more than a thousandth: blocks of small tensors."""
    assert max(row.ratio for row in rows) < 1.001


def test_with_both_estimates(rows: list[Any]) -> None:
    """The blocks of the allocator, and cuDNN's workspace, which were at most 12 % of these steps."""
    found = [row for row in rows if (row.what, row.batch) == ("training", 1) and row.network in WITH_WORKSPACE]
    assert len(found) == len(WITH_WORKSPACE)
    assert min(row.ratio for row in found) < 0.9
    for row in found:
        assert row.workspace > 0
        assert abs(row.with_all - 1) < 0.01, row
