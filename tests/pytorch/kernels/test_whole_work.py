"""Element-wise kernels and reductions: all seven figures of their work, by hand from the definitions."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from kernel_runs import c, direct, i, whole, x
from torch.nn import functional as F  # noqa: N812

from flopcalc.pytorch.counting.kernels import Work

aten: Any = torch.ops.aten
MEAN, NO_REDUCTION = 1, 0
INF = float("inf")

# Sizes are different primes where the kernel allows it, so that no two figures agree by chance. Where a figure is a
# product, its factors are what the definition names: 2 x 30 is twice the 30 elements.
ELEMENTWISE: dict[str, tuple[Callable[[], Any], Work]] = {
    "add, the smaller tensor read once": (lambda: x(2, 3, 5) + x(5), Work(adds=30, reads=30 + 5, writes=30)),
    "complex add: two sums each": (lambda: c(2, 3) + c(2, 3), Work(adds=2 * 6, reads=12, writes=6)),
    "sum and activation": (lambda: aten._add_relu(x(2, 3), x(3)), Work(adds=6, other=6, reads=6 + 3, writes=6)),
    "mul": (lambda: x(2, 3) * x(2, 3), Work(muls=6, reads=12, writes=6)),
    "complex mul: (a + bi)(c + di)": (lambda: c(2, 3) * c(3), Work(adds=2 * 6, muls=4 * 6, reads=9, writes=6)),
    "real times complex": (lambda: x(2, 3) * c(2, 3), Work(muls=2 * 6, reads=12, writes=6)),
    "complex times a complex number": (lambda: c(2, 3) * 2j, Work(adds=2 * 6, muls=4 * 6, reads=6, writes=6)),
    "complex times a real number": (lambda: c(2, 3) * 2.0, Work(muls=2 * 6, reads=6, writes=6)),
    "activation": (lambda: F.relu(x(2, 3)), Work(other=6, reads=6, writes=6)),
    "a broadcast result counts in full": (lambda: x(2, 1) / x(3), Work(other=6, reads=2 + 3, writes=6)),
    "glu: an activation of one half times the other": (
        lambda: F.glu(x(2, 10)),
        Work(muls=10, other=10, reads=20, writes=10),
    ),
    "fake quantised": (
        lambda: torch.fake_quantize_per_tensor_affine(x(2, 3), 0.1, 0, 0, 255),
        Work(other=6, reads=6, writes=6),
    ),
    "dropout: mask and scale, both results": (
        lambda: aten.native_dropout(x(2, 3), 0.5, True),
        Work(muls=2 * 6, reads=6, writes=2 * 6),
    ),
    "dropout backward": (
        lambda: aten.native_dropout_backward(x(2, 3), torch.ones(2, 3, dtype=torch.bool), 2.0),
        Work(muls=2 * 6, reads=2 * 6, writes=6),
    ),
    "loss, summed": (lambda: F.mse_loss(x(2, 3), x(2, 3)), Work(adds=6, other=6, reads=12, writes=1)),
    "loss, not summed": (
        lambda: F.mse_loss(x(2, 3), x(2, 3), reduction="none"),
        Work(other=6, reads=12, writes=6),
    ),
    "loss, by keyword": (
        lambda: aten.mse_loss(x(2, 3), x(2, 3), reduction=NO_REDUCTION),
        Work(other=6, reads=12, writes=6),
    ),
    "picked loss: 5 elements and 5 targets": (
        lambda: F.nll_loss(x(5, 3), i(5)),
        Work(adds=5, other=5, reads=2 * 5, writes=1),
    ),
    "picked loss with weights: a product each": (
        lambda: F.nll_loss(x(5, 3), i(5), x(3)),
        Work(adds=5, muls=5, other=5, reads=3 * 5, writes=1),
    ),
    "picked loss, not summed": (
        lambda: F.nll_loss(x(5, 3), i(5), reduction="none"),
        Work(other=5, reads=2 * 5, writes=5),
    ),
    "picked loss of a map: 2 x 5 x 7 targets": (
        lambda: F.nll_loss(x(2, 3, 5, 7), i(2, 5, 7)),
        Work(adds=70, other=70, reads=2 * 70, writes=1),
    ),
    "gradient of a loss": (
        lambda: aten.mse_loss_backward(x(), x(2, 3), x(2, 3), MEAN),
        Work(other=6, reads=1 + 12, writes=6),
    ),
    # a s(b): s(b) again and its slope; of a product, two products.
    "gradient of glu, of both halves": (
        lambda: aten.glu_backward(x(2, 5), x(2, 10), -1),
        Work(muls=2 * 10, other=2 * 10, reads=10 + 20, writes=20),
    ),
    # Zeros but for one element of each of 5 targets: its share of the sum of the weights; of the input only the sizes
    # are needed.
    "gradient of a picked loss": (
        lambda: aten.nll_loss_backward(x(), x(5, 3), i(5), None, MEAN, -100, x()),
        Work(other=5, reads=1 + 5 + 1, writes=15),
    ),
    "gradient of a picked loss with weights": (
        lambda: aten.nll_loss_backward(x(), x(5, 3), i(5), x(3), MEAN, -100, x()),
        Work(muls=5, other=5, reads=1 + 5 + 5 + 1, writes=15),
    ),
    "gradient of a picked loss of a map, not summed": (
        lambda: aten.nll_loss2d_backward(x(2, 5, 7), x(2, 3, 5, 7), i(2, 5, 7), None, 0, -100, x()),
        Work(other=70, reads=70 + 70 + 1, writes=210),
    ),
    # 2 x 3 tokens of 3 x 10 channels: each has its bias; the query, a third, is scaled.
    "bias and scale of query, key, value": (
        lambda: aten._transform_bias_rescale_qkv(x(2, 3, 30), x(30), 2),
        Work(adds=180, muls=60, reads=180 + 30, writes=180),
    ),
    "list, add": (lambda: torch._foreach_add([x(2, 3), x(5)], 1.0), Work(adds=11, reads=11, writes=11)),
    "list, sub": (lambda: torch._foreach_sub([x(2, 3)], [x(2, 3)]), Work(adds=6, reads=12, writes=6)),
    "list, mul in place": (lambda: torch._foreach_mul_([x(2, 3), x(5)], 2.0), Work(muls=11, reads=11, writes=11)),
    "list, sqrt": (lambda: torch._foreach_sqrt([x(2, 3), x(5)]), Work(other=11, reads=11, writes=11)),
    "list, copied over: what is overwritten is not read": (
        lambda: torch._foreach_copy_([x(2, 3), x(5)], [x(2, 3), x(5)]),
        Work(reads=11, writes=11),
    ),
    "list, set to 0": (lambda: torch._foreach_zero_([x(2, 3), x(5)]), Work(writes=11)),
}
if hasattr(aten, "_foreach_clone"):
    ELEMENTWISE["list, copied"] = lambda: aten._foreach_clone([x(2, 3), x(5)]), Work(reads=11, writes=11)


def _bags(mode: str, **options: Any) -> Any:
    """2 bags of 3 rows of 5: 30 elements are picked, by 6 indices; 2 places where bags begin."""
    return F.embedding_bag(i(2, 3), x(7, 5), mode=mode, **options)


def _segments(how: str) -> Any:
    """6 rows of 5 in segments of 2 and 4."""
    return torch.segment_reduce(x(6, 5), how, lengths=torch.tensor([2, 4]), axis=0)


def _segments_backward(how: str) -> Any:
    """The gradients of 2 x 5 results, to 6 rows of 5."""
    lengths = torch.tensor([2, 4])
    return torch.ops.aten._segment_reduce_backward(x(2, 5), x(2, 5), x(6, 5), how, lengths=lengths, axis=0)


REDUCTIONS: dict[str, tuple[Callable[[], Any], Work]] = {
    # 7 x 11 in windows of 2 x 3: 3 x 3 of them, in 6 maps.
    "max pool": (lambda: F.max_pool2d(x(2, 3, 7, 11), (2, 3)), Work(other=54 * 6, reads=462, writes=54)),
    "max pool, one number, no batch": (lambda: F.max_pool2d(x(3, 7, 11), 2), Work(other=45 * 4, reads=231, writes=45)),
    "max pool 1d": (lambda: F.max_pool1d(x(2, 3, 11), 2), Work(other=30 * 2, reads=66, writes=30)),
    "max pool 1d, quantised": (
        lambda: torch.quantized_max_pool1d(torch.quantize_per_tensor(x(2, 3, 11), 0.1, 0, torch.quint8), 2),
        Work(other=66 + 30 * 2, reads=66 + 66, writes=66 + 30),
    ),
    # 2 x 2 x 3 windows of 2 x 3 x 2.
    "max pool 3d": (
        lambda: F.max_pool3d(x(2, 3, 5, 6, 7), (2, 3, 2)),
        Work(other=72 * 12, reads=1260, writes=72),
    ),
    "max pool 3d, one number": (lambda: F.max_pool3d(x(2, 3, 5, 6, 7), 2), Work(other=108 * 8, reads=1260, writes=108)),
    "average pool": (
        lambda: F.avg_pool2d(x(2, 3, 7, 11), (2, 3)),
        Work(adds=54 * 6, other=54, reads=462, writes=54),
    ),
    "average pool 3d": (
        lambda: F.avg_pool3d(x(2, 3, 5, 6, 7), (2, 3, 2)),
        Work(adds=72 * 12, other=72, reads=1260, writes=72),
    ),
    # 7 rows to 3: windows of 3 + 3 + 3; 11 columns to 4: 3 + 4 + 4 + 3.
    "adaptive average pool": (
        lambda: F.adaptive_avg_pool2d(x(2, 3, 7, 11), (3, 4)),
        Work(adds=6 * 9 * 14, other=72, reads=462, writes=72),
    ),
    "adaptive max pool": (
        lambda: F.adaptive_max_pool2d(x(2, 3, 7, 11), (3, 4)),
        Work(other=6 * 9 * 14, reads=462, writes=72),
    ),
    # Two windows of 3 of 5 planes, of 7 rows 9, of 11 columns 14.
    "adaptive max pool 3d": (
        lambda: F.adaptive_max_pool3d(x(2, 3, 5, 7, 11), (2, 3, 4)),
        Work(other=6 * 6 * 9 * 14, reads=2310, writes=144),
    ),
    "max pool backward": (
        lambda: aten.max_pool2d_with_indices_backward(
            x(2, 3, 3, 3), x(2, 3, 7, 11), [2, 3], [2, 3], [0, 0], [1, 1], False, i(2, 3, 3, 3)
        ),
        Work(adds=54, reads=54 + 462 + 54, writes=462),
    ),
    "average pool backward": (
        lambda: aten.avg_pool2d_backward(x(2, 3, 3, 3), x(2, 3, 7, 11), [2, 3], [2, 3], [0, 0], False, True, None),
        Work(adds=54 * 6, other=54, reads=54 + 462, writes=462),
    ),
    "adaptive average pool backward": (
        lambda: aten._adaptive_avg_pool2d_backward(x(2, 3, 3, 4), x(2, 3, 7, 11)),
        Work(adds=6 * 9 * 14, other=72, reads=72 + 462, writes=462),
    ),
    "mean": (lambda: x(2, 3, 5).mean(1), Work(adds=30, other=10, reads=30, writes=10)),
    "complex mean": (lambda: c(2, 3, 5).mean(1), Work(adds=2 * 30, other=10, reads=30, writes=10)),
    "sum": (lambda: x(2, 3, 5).sum(1), Work(adds=30, reads=30, writes=10)),
    "complex sum": (lambda: c(2, 3, 5).sum(1), Work(adds=2 * 30, reads=30, writes=10)),
    "prod": (lambda: x(2, 3, 5).prod(1), Work(muls=30, reads=30, writes=10)),
    "complex prod": (lambda: c(2, 3, 5).prod(1), Work(adds=2 * 30, muls=4 * 30, reads=30, writes=10)),
    "amax": (lambda: x(2, 3, 5).amax(1), Work(other=30, reads=30, writes=10)),
    "max and its place": (lambda: x(2, 3, 5).max(1), Work(other=30, reads=30, writes=2 * 10)),
    "least and largest": (lambda: torch.aminmax(x(2, 3, 5), dim=1), Work(other=2 * 30, reads=30, writes=2 * 10)),
    "var": (lambda: x(2, 3, 5).var(1), Work(adds=60, muls=30, other=10, reads=30, writes=10)),
    "std": (lambda: x(2, 3, 5).std(1), Work(adds=60, muls=30, other=2 * 10, reads=30, writes=10)),
    "var_mean": (
        lambda: torch.var_mean(x(2, 3, 5), 1),
        Work(adds=60, muls=30, other=2 * 10, reads=30, writes=2 * 10),
    ),
    "std_mean": (
        lambda: torch.std_mean(x(2, 3, 5), 1),
        Work(adds=60, muls=30, other=3 * 10, reads=30, writes=2 * 10),
    ),
    "norm 2": (
        lambda: torch.linalg.vector_norm(x(2, 3, 5), dim=1),
        Work(adds=30, muls=30, other=10, reads=30, writes=10),
    ),
    # re^2 + im^2 of each.
    "complex norm 2": (
        lambda: torch.linalg.vector_norm(c(2, 3, 5), dim=1),
        Work(adds=60, muls=60, other=10, reads=30, writes=10),
    ),
    "norm 1": (lambda: torch.linalg.vector_norm(x(2, 3, 5), 1, dim=1), Work(adds=30, reads=30, writes=10)),
    "norm 3: powers, sums, roots": (
        lambda: torch.linalg.vector_norm(x(2, 3, 5), 3, dim=1),
        Work(adds=30, other=30 + 10, reads=30, writes=10),
    ),
    "norm 0: comparisons, counted, no root": (
        lambda: torch.linalg.vector_norm(x(2, 3, 5), 0, dim=1),
        Work(adds=30, other=30, reads=30, writes=10),
    ),
    "norm inf": (lambda: torch.linalg.vector_norm(x(2, 3, 5), INF, dim=1), Work(other=30, reads=30, writes=10)),
    "norm -inf": (lambda: torch.linalg.vector_norm(x(2, 3, 5), -INF, dim=1), Work(other=30, reads=30, writes=10)),
    "norms of a list": (
        lambda: torch._foreach_norm([x(2, 3), x(5)]),
        Work(adds=11, muls=11, other=2, reads=11, writes=2),
    ),
    "norm by its old name": (lambda: aten.norm.Scalar(x(2, 3), 1), Work(adds=6, reads=6, writes=1)),
    "distance": (lambda: torch.dist(x(2, 3), x(2, 3)), Work(adds=12, muls=6, other=1, reads=12, writes=1)),
    "distance 3": (lambda: torch.dist(x(2, 3), x(2, 3), p=3), Work(adds=12, other=6 + 1, reads=12, writes=1)),
    "log of a sum of exponentials": (
        lambda: aten.logsumexp(x(2, 3, 5), [1]),
        Work(adds=30, other=30 + 10, reads=30, writes=10),
    ),
    "the same, of each beginning": (
        lambda: torch.logcumsumexp(x(2, 3, 5), 1),
        Work(adds=30, other=30 + 30, reads=30, writes=30),
    ),
    # ceil(log2 3) = 2, ceil(log2 5) = 3, ceil(log2 30) = 5; values and places.
    "sort columns": (lambda: x(2, 3, 5).sort(1), Work(other=30 * 2, reads=30, writes=2 * 30)),
    "sort rows": (lambda: x(2, 3, 5).sort(), Work(other=30 * 3, reads=30, writes=2 * 30)),
    "sort one": (lambda: x().sort(), Work(reads=1, writes=2)),
    "unique: values, places, counts": (
        lambda: torch.arange(30).view(2, 3, 5).unique(return_inverse=True, return_counts=True),  # type: ignore[no-untyped-call]
        Work(other=30 * 5, reads=30, writes=3 * 30),
    ),
    # All the same: one of them, 3 places, a count.
    "unique along an axis of 3": (
        lambda: aten.unique_dim(x(2, 3, 5), 1, True, True, True),
        Work(other=30 * 2, reads=30, writes=10 + 3 + 1),
    ),
    "repeats dropped": (
        lambda: torch.unique_consecutive(torch.arange(7), return_inverse=True, return_counts=True),
        Work(other=7, reads=7, writes=3 * 7),
    ),
    # ceil(log2(8 + 1)) = 4.
    "bucketize": (lambda: torch.bucketize(x(2, 3, 5), x(8)), Work(other=30 * 4, reads=38, writes=30)),
    "searchsorted": (lambda: torch.searchsorted(x(2, 8), x(2, 5)), Work(other=10 * 4, reads=26, writes=10)),
    "isin: 6 + 5 sorted, 4 comparisons each": (
        lambda: torch.isin(x(2, 3), x(5)),
        Work(other=11 * 4, reads=11, writes=6),
    ),
    "isin of one number: 6 + 1, 3 comparisons each": (
        lambda: torch.isin(x(2, 3), 1),
        Work(other=7 * 3, reads=6, writes=6),
    ),
    "histc": (lambda: torch.histc(x(2, 3, 5), 7), Work(adds=30, other=30, reads=30, writes=7)),
    "histogram: 7 counts, 8 edges": (
        lambda: torch.histogram(x(2, 3, 5), 7),
        Work(adds=30, other=30, reads=30, writes=7 + 8),
    ),
    "bincount": (lambda: torch.bincount(i(11), minlength=7), Work(adds=11, reads=11, writes=7)),
    "bags, sum": (lambda: _bags("sum"), Work(adds=30, reads=30 + 6 + 2, writes=10)),
    "bags, mean": (lambda: _bags("mean"), Work(adds=30, other=10, reads=30 + 6 + 2, writes=10)),
    "bags, max": (lambda: _bags("max"), Work(other=30, reads=30 + 6 + 2, writes=10)),
    "bags, weighted": (
        lambda: _bags("sum", per_sample_weights=x(2, 3)),
        Work(adds=30, muls=30, reads=30 + 6 + 2 + 6, writes=10),
    ),
    "segments, sum": (lambda: _segments("sum"), Work(adds=30, reads=30 + 2, writes=10)),
    "segments, mean": (lambda: _segments("mean"), Work(adds=30, other=10, reads=30 + 2, writes=10)),
    "segments, prod": (lambda: _segments("prod"), Work(muls=30, reads=30 + 2, writes=10)),
    "segments, max": (lambda: _segments("max"), Work(other=30, reads=30 + 2, writes=10)),
    "segments, min": (lambda: _segments("min"), Work(other=30, reads=30 + 2, writes=10)),
    # Copies; a division of each gradient; a product of gradient and result, divided by the element; a comparison.
    "gradient of segments, sum": (lambda: _segments_backward("sum"), Work(reads=10 + 2, writes=30)),
    "gradient of segments, mean": (lambda: _segments_backward("mean"), Work(other=10, reads=10 + 2, writes=30)),
    "gradient of segments, prod": (
        lambda: _segments_backward("prod"),
        Work(muls=30, other=30, reads=10 + 10 + 30 + 2, writes=30),
    ),
    "gradient of segments, max": (
        lambda: _segments_backward("max"),
        Work(other=30, reads=10 + 10 + 30 + 2, writes=30),
    ),
}

# Kernels that torch takes apart before a mode sees them, or that not every CPU runs.
DIRECT: dict[str, tuple[Callable[[], Work], Work]] = {
    "the larger of two": (
        lambda: direct(aten.max.other, x(2, 3, 5), x(5), out=x(2, 3, 5)),
        Work(other=30, reads=35, writes=30),
    ),
}

CASES = {**ELEMENTWISE, **REDUCTIONS}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_all_figures_by_hand(name: str) -> None:
    """Each comment or name says where the figures come from."""
    function, wanted = CASES[name]
    assert whole(function) == wanted


@pytest.mark.parametrize("name", DIRECT)
def test_kernels_that_do_not_run(name: str) -> None:
    """By their arguments and the sizes of their output."""
    function, wanted = DIRECT[name]
    assert function() == wanted
