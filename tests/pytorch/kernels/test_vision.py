"""torchvision's operators: declared where its compiled part is missing, right, and counted."""

from typing import Any

import pytest
import torch
from kernel_runs import run
from torch.nn import functional as F  # noqa: N812

from flopcalc.pytorch.counting.kernels import Work, work_of
from flopcalc.pytorch.loading import torchvision_operators
from flopcalc.pytorch.loading.importing import import_named, with_operators


@pytest.fixture(scope="module")
def ops() -> Any:
    """torchvision.ops, with its operators."""
    pytest.importorskip("PIL")
    ops = with_operators(lambda: import_named("torchvision", None)).ops
    torchvision_operators.enable()
    return ops


def test_a_deformable_convolution_without_offsets_is_a_convolution(ops: Any) -> None:
    """In groups, with stride, padding and dilation."""
    x, w, b = torch.randn(2, 4, 9, 7), torch.randn(6, 2, 3, 3), torch.randn(6)
    plain = F.conv2d(x, w, b, stride=2, padding=2, dilation=2, groups=2)
    offsets = torch.zeros(2, 2 * 18, *plain.shape[-2:])
    found = ops.deform_conv2d(x, offsets, w, b, stride=2, padding=2, dilation=2)
    torch.testing.assert_close(found, plain)


def test_offsets_and_mask(ops: Any) -> None:
    """A 1 x 1 kernel half a row down and a whole column to the right, times a mask of 3."""
    x = torch.arange(12.0).reshape(1, 1, 3, 4)
    offsets = torch.zeros(1, 2, 3, 4)
    offsets[:, 0], offsets[:, 1] = 0.5, 1
    found = ops.deform_conv2d(x, offsets, torch.ones(1, 1, 1, 1), mask=torch.full((1, 1, 3, 4), 3.0))
    # (x[0][1] + x[1][1]) / 2 = 3; the last row reads half of what is below it, which is 0; the last column is 0.
    assert found[0, 0, 0].tolist() == [9.0, 12.0, 15.0, 0.0]
    assert found[0, 0, 2, 0].item() == 3 * 9 / 2


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_deformable_convolution_is_counted(ops: Any, device: str) -> None:
    """256 positions x 16 x 72; each of the 8 x 9 taps a position takes 4 products and 3 additions."""
    x, offsets, w = (torch.zeros(s, device=device) for s in ((1, 8, 16, 16), (1, 18, 16, 16), (16, 8, 3, 3)))
    found = run(lambda: ops.deform_conv2d(x, offsets, w, padding=1))
    assert not found.unknown
    assert (found.work.macs, found.work.muls) == (256 * 16 * 72, 4 * 256 * 72)
    # Without a bias torchvision adds zeros: one addition for each output.
    assert found.work.adds == 3 * 256 * 72 + 16 * 256


def test_non_maximum_suppression(ops: Any) -> None:
    """The best box wins; a box that shares half of it goes, one that shares a seventh of the union stays."""
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 5], [5, 5, 15, 15], [50, 50, 60, 60]])
    scores = torch.tensor([0.5, 0.9, 0.8, 0.1])
    assert ops.nms(boxes, scores, 0.4).tolist() == [1, 2, 3]
    assert ops.nms(boxes, scores, 0.6).tolist() == [1, 2, 0, 3]
    assert ops.nms(boxes[:0], scores[:0], 0.5).tolist() == []
    assert run(ops.nms, boxes, scores, 0.5).work.other == 6


@pytest.mark.parametrize("name", ["roi_pool", "ps_roi_pool", "ps_roi_align"])
def test_pooled_boxes_have_shapes(ops: Any, name: str) -> None:
    """On the meta device; 5 boxes, 2 x 2 cells, of 8 channels those of each cell where they depend on it."""
    boxes = torch.zeros(5, 5, device="meta")
    found = getattr(ops, name)(torch.zeros(1, 8, 16, 16, device="meta"), boxes, 2)
    assert found.shape == (5, 8 if name == "roi_pool" else 2, 2, 2)


@pytest.mark.parametrize(
    ("boxes", "points"),
    [
        # 3 x 1 points in cells of 2.5 x 0.5, and 1 x 2 in those of 1 x 1.5.
        ([[0.0, 0, 0, 1, 5], [0.0, 0, 0, 3, 2]], 5),
        # A box without a width or a height has one point along it.
        ([[0.0, 4, 0, 4, 5], [0.0, 0, 4, 5, 4]], 6),
    ],
)
@pytest.mark.usefixtures("ops")
def test_points_of_boxes_that_can_be_read(boxes: list[list[float]], points: int) -> None:
    """As many points as a cell has positions, rounded up: 4 cells, 2 channels, 4 products for each point and 1 more."""
    kernel = torch.ops.torchvision.ps_roi_align.default
    x, out = torch.zeros(1, 8, 16, 16), torch.zeros(2, 2, 2, 2)
    found = work_of(kernel, (x, torch.tensor(boxes), 1.0, 2, 2, -1), {}, (out, out), 2058)
    assert isinstance(found, Work)
    assert (found.muls, found.adds) == (4 * points * 2 * 4 + out.numel(), 4 * points * 2 * 4)


def test_points_of_boxes_that_cannot_be_read_are_unknown(ops: Any) -> None:
    """With a fixed ratio the number of points is known: 5 boxes x 4 cells x 9 points x 2 channels, 4 muls each."""
    x, boxes = torch.zeros(1, 8, 16, 16, device="meta"), torch.zeros(5, 5, device="meta")
    assert run(lambda: ops.ps_roi_align(x, boxes, 2)).unknown
    found = run(lambda: ops.ps_roi_align(x, boxes, 2, sampling_ratio=3))
    assert found.work.muls == 5 * 4 * 9 * 2 * 4 + 5 * 2 * 4


def test_declaring_twice_changes_nothing() -> None:
    """The operators are defined once."""
    torchvision_operators.declare()
    torchvision_operators.declare()
