"""Counted models next to the figures that torchvision and timm publish: the witness from outside.

A spread of them; `python benchmarks/published_zoo.py` and `published_timm.py` go through all.
"""

from typing import Any

import published_timm
import published_zoo
import pytest
from helpers import import_torchvision

# One or two of every task, the smaller ones. For detectors the box heads run on as many boxes as there.
TORCHVISION = (
    "alexnet",
    "convnext_tiny",
    "deeplabv3_mobilenet_v3_large",
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "googlenet",
    "lraspp_mobilenet_v3_large",
    "maxvit_t",
    "mvit_v2_s",
    "raft_small",
    "regnet_y_400mf",
    "s3d",
    "ssdlite320_mobilenet_v3_large",
    "swin_v2_t",
    "vit_b_32",
)
# Of these the published figure is another: timm's own way of counting leaves something out.
TIMM = ("beit", "crossvit", "edgenext", "ghostnet", "mobilevit", "repvit", "sequencer", "swin_transformer", "volo")


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvisions_figures(name: str) -> None:
    """Parameters to the unit (without those of batch norms that the published detectors freeze), GMACs to the digit."""
    entries = [entry for entry in published_zoo.published(import_torchvision()) if entry.name == name]
    assert entries
    assert published_zoo.difference(entries[0], published_zoo.count(entries[0])) == ""


@pytest.mark.parametrize("family", TIMM)
def test_timms_figures(family: str) -> None:
    """Parameters and activations in millions to two digits, and GMACs as fvcore counts them."""
    import_torchvision()
    timm: Any = pytest.importorskip("timm")
    (row,) = [row for row in published_timm.rows() if row["family"] == family]
    network = published_timm.count(timm, row)
    assert bool(published_timm.difference(row, network)) == bool(row["differs"])
    assert not network.uncounted


def test_a_figure_that_differs_is_seen() -> None:
    """The comparison can fail: in each of its figures."""
    row = next(row for row in published_timm.rows() if row["family"] == "ghostnet")
    for key in ("params_m", "gmacs", "macts"):
        assert published_timm.off(float(row[key]), row[key]) is False
        assert published_timm.off(float(row[key]) + 0.006, row[key]) is True
