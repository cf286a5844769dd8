"""Kernels without products: each figure follows from its definition in docs/conventions.md, by hand."""

import operator
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from kernel_runs import cost, run
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from flopcalc.pytorch.counting.kernels.table import work_kind_of

A = torch.rand(4, 6)
MAP = torch.rand(1, 2, 8, 8)
TOKENS = torch.rand(1, 5, 8)
HEADS = torch.rand(1, 2, 3, 4)
SPARSE = torch.eye(3).to_sparse()
with warnings.catch_warnings():
    # Of the first one torch says that they are new.
    warnings.simplefilter("ignore")
    CSR = torch.eye(3).to_sparse_csr()

CASES: dict[str, tuple[Callable[[], Any], dict[str, int]]] = {
    # Reductions: one operation for each of the 24 elements.
    "sum": (lambda: A.sum(1), {"adds": 24}),
    "mean": (lambda: A.mean(1), {"adds": 24, "other": 4}),
    "amax": (lambda: A.amax(1), {"other": 24}),
    "max over an axis": (lambda: A.max(1), {"other": 24}),
    "max of all": (A.max, {"other": 24}),
    "argmin": (lambda: A.argmin(1), {"other": 24}),
    "larger of two": (lambda: torch.max(A, A), {"other": 24}),
    "least and largest: two comparisons": (lambda: torch.aminmax(A), {"other": 48}),
    "any": (lambda: torch.any(A > 0, 1), {"other": 24 + 24}),
    "prod": (lambda: A.prod(1), {"muls": 24}),
    "cumsum": (lambda: A.cumsum(1), {"adds": 24}),
    "cumprod": (lambda: A.cumprod(1), {"muls": 24}),
    "median": (lambda: A.median(1), {"other": 24}),
    "topk": (lambda: A.topk(2), {"other": 24}),
    "sort: ceil(log2 6) = 3 comparisons each": (lambda: A.sort(1), {"other": 72}),
    "var: 2 adds, 1 mul each, a division": (lambda: A.var(1), {"adds": 48, "muls": 24, "other": 4}),
    "std: a root more": (lambda: A.std(1), {"adds": 48, "muls": 24, "other": 8}),
    "var_mean: a division more": (lambda: torch.var_mean(A, 1), {"adds": 48, "muls": 24, "other": 8}),
    "norm: squares, sum, root": (lambda: torch.linalg.vector_norm(A, dim=1), {"adds": 24, "muls": 24, "other": 4}),
    "norm 1: |x| is free": (lambda: torch.linalg.vector_norm(A, 1, dim=1), {"adds": 24}),
    "norm inf": (lambda: torch.linalg.vector_norm(A, float("inf"), dim=1), {"other": 24}),
    "logsumexp": (lambda: torch.ops.aten.logsumexp(A, [1]), {"adds": 24, "other": 24 + 4}),
    "softmax": (lambda: A.softmax(1), {"adds": 24, "other": 48}),
    "complex sum": (lambda: torch.view_as_complex(A.view(4, 3, 2)).sum(1), {"adds": 24}),
    # 24 results, ceil(log2(7 + 1)) = 3 comparisons each.
    "bucketize": (lambda: torch.bucketize(A, torch.linspace(0, 1, 7)), {"other": 72}),
    "histc": (lambda: torch.histc(A, 5), {"adds": 24, "other": 24}),
    "bincount": (lambda: torch.bincount(torch.zeros(7, dtype=torch.long)), {"adds": 7}),
    # One for each bit pattern; shifts in place are kernels of their own.
    **{
        f"bits, {name}": (lambda function=function: function(torch.arange(24), 2), {"other": 24})  # type: ignore[misc]
        for name, function in (
            ("<<", operator.lshift),
            (">>", operator.rshift),
            ("<<=", operator.ilshift),
            (">>=", operator.irshift),
            (">>= of a tensor", lambda a, b: a.__irshift__(torch.full((24,), b))),
            ("&=", operator.iand),
            ("|=", operator.ior),
            ("^=", operator.ixor),
        )
    },
    # Movement.
    "gather": (lambda: A.gather(1, torch.zeros(4, 2, dtype=torch.long)), {}),
    "index": (lambda: A[torch.zeros(3, dtype=torch.long)], {}),
    "scatter": (lambda: A.scatter(1, torch.zeros(4, 1, dtype=torch.long), 1.0), {}),
    "scatter_add of 8": (lambda: A.scatter_add(1, torch.zeros(4, 2, dtype=torch.long), A), {"adds": 8}),
    "scatter_reduce of 8": (
        lambda: A.scatter_reduce(1, torch.zeros(4, 2, dtype=torch.long), A, "prod"),
        {"muls": 8},
    ),
    "index_add of 3 rows": (lambda: A.index_add(0, torch.zeros(3, dtype=torch.long), A[:3]), {"adds": 18}),
    "put at 2 rows": (
        lambda: A.index_put((torch.tensor([0, 1]),), torch.zeros(2, 6), accumulate=True),
        {"adds": 12},
    ),
    "roll, flip, pad": (lambda: (A.roll(1), A.flip(0), F.pad(A, (1, 1))), {}),
    "unfold": (lambda: F.unfold(MAP, 3), {}),
    "fold: 9 x 6 x 6 x 2 values are added": (lambda: F.fold(torch.rand(1, 18, 36), 8, 3), {"adds": 648}),
    "nonzero": (A.nonzero, {}),
    "new tensors": (lambda: (torch.rand(3), torch.zeros_like(A), torch.randn_like(A), torch.arange(3)), {}),
    "dropout: mask and scale": (lambda: torch.native_dropout(A, 0.5, True), {"muls": 48}),
    "bags of 2 rows of 6": (
        lambda: F.embedding_bag(torch.tensor([[0, 1], [2, 3]]), torch.rand(5, 6), mode="mean"),
        {"adds": 24, "other": 12},
    ),
    # Norms: 3 adds and 2 muls with the input's own statistics, else one of each.
    "batch norm": (lambda: F.batch_norm(MAP, torch.zeros(2), torch.ones(2)), {"adds": 128, "muls": 128}),
    "batch norm in training": (
        lambda: F.batch_norm(MAP, torch.zeros(2), torch.ones(2), training=True),
        {"adds": 384, "muls": 256},
    ),
    "instance norm": (lambda: nn.InstanceNorm2d(2)(MAP), {"adds": 384, "muls": 256}),
    "instance norm with kept statistics": (
        lambda: nn.InstanceNorm2d(2, track_running_stats=True).eval()(MAP),
        {"adds": 128, "muls": 128},
    ),
    "group norm": (lambda: F.group_norm(MAP, 2), {"adds": 384, "muls": 256}),
    # Of each of 4 rows a root and a division; 24 squares, and 24 products with the factor of the row.
    "weight norm": (lambda: torch._weight_norm(A, torch.ones(4, 1), 0), {"adds": 24, "muls": 48, "other": 8}),
    # v . dw and what it takes off: 2 adds and 2 muls each, a factor more, and of each of 4 rows two divisions.
    "weight norm backward": (
        lambda: torch.ops.aten._weight_norm_interface_backward(A, A, torch.ones(4, 1), torch.ones(4, 1), 0),
        {"adds": 48, "muls": 72, "other": 8},
    ),
    # 2 heads x 3 x 3 = 18 scores, of 4 channels, used for 4: their scale, softmax, and both products.
    "fused attention": (
        lambda: F.scaled_dot_product_attention(HEADS, HEADS, HEADS),
        {"macs": 18 * 8, "adds": 18, "muls": 18, "other": 36},
    ),
    # Interpolation: t taps cost t muls and t - 1 adds; 2 x 16 x 16 = 512 results.
    "nearest": (lambda: F.interpolate(MAP, scale_factor=2), {}),
    "bilinear": (lambda: F.interpolate(MAP, scale_factor=2, mode="bilinear"), {"adds": 3 * 512, "muls": 4 * 512}),
    "bicubic": (lambda: F.interpolate(MAP, scale_factor=2, mode="bicubic"), {"adds": 15 * 512, "muls": 16 * 512}),
    "linear": (lambda: F.interpolate(A[None], scale_factor=2, mode="linear"), {"adds": 48, "muls": 96}),
    "trilinear, 8 results": (
        lambda: F.interpolate(torch.rand(1, 1, 4, 4, 4), size=2, mode="trilinear"),
        {"adds": 56, "muls": 64},
    ),
    # Half the size: 4 taps along each axis; 2 x 8 x 4 results of the first pass, 2 x 4 x 4 of the second.
    "antialias": (
        lambda: F.interpolate(MAP, size=(4, 4), mode="bilinear", antialias=True),
        {"adds": 3 * 96, "muls": 4 * 96},
    ),
    "grid_sample, 2 x 5 x 5": (
        lambda: F.grid_sample(MAP, torch.zeros(1, 5, 5, 2), align_corners=False),
        {"adds": 150, "muls": 200},
    ),
    "grid_sample of the nearest": (
        lambda: F.grid_sample(MAP, torch.zeros(1, 5, 5, 2), mode="nearest", align_corners=False),
        {},
    ),
    # 50 gradients: 4 of each for the map; for the grid, on each axis, a slope of 2 differences, interpolated (3 adds, 2
    # muls), times the gradient, summed.
    "grid_sample backward": (
        lambda: torch.ops.aten.grid_sampler_2d_backward(
            torch.rand(1, 2, 5, 5), MAP, torch.zeros(1, 5, 5, 2), 0, 0, False, [True, True]
        ),
        {"adds": 50 * (4 + 2 * 4), "muls": 50 * (4 + 2 * 3)},
    ),
    # 144 gradients of 2 x 9 weights, for the map and for the weights; the bias is their sum.
    "convolution backward": (
        lambda: torch.ops.aten.convolution_backward(
            torch.rand(1, 4, 6, 6),
            MAP,
            torch.rand(4, 2, 3, 3),
            [4],
            [1, 1],
            [0, 0],
            [1, 1],
            False,
            [0, 0],
            1,
            [True, True, True],
        ),
        {"macs": 2 * 144 * 18, "adds": 144},
    ),
    # 5 tokens of 8 channels in 2 heads: four projections with biases, and 50 scores, used for 4 channels, twice.
    "attention in one kernel": (
        lambda: torch._native_multi_head_attention(
            TOKENS, TOKENS, TOKENS, 8, 2, torch.rand(24, 8), torch.rand(24), torch.rand(8, 8), torch.rand(8)
        ),
        {"macs": 4 * 5 * 64 + 50 * 8, "adds": 4 * 40 + 50, "muls": 50, "other": 100},
    ),
    "attention in one kernel, with a mask, which is added": (
        lambda: torch._native_multi_head_attention(
            *(TOKENS, TOKENS, TOKENS, 8, 2, torch.rand(24, 8), torch.rand(24), torch.rand(8, 8), torch.rand(8)),
            torch.zeros(5, 5, dtype=torch.bool),
            mask_type=0,
        ),
        {"macs": 4 * 5 * 64 + 50 * 8, "adds": 4 * 40 + 100, "muls": 50, "other": 100},
    ),
    # Pooling.
    "adaptive max pooling, 8 -> 3: spans 3 + 4 + 3": (
        lambda: F.adaptive_max_pool2d(MAP, 3),
        {"other": 2 * 100},
    ),
    "average pooling backward: 32 gradients, each divided, to windows of 4": (
        lambda: torch.ops.aten.avg_pool2d_backward(
            torch.rand(1, 2, 4, 4), MAP, [2, 2], [2, 2], [0, 0], False, True, None
        ),
        {"adds": 128, "other": 32},
    ),
    # Transforms: n log2 n with n = 8, 4 rows: 2 n log2 n muls and 3 n log2 n adds; half for real ones.
    "fft": (lambda: torch.fft.fft(torch.rand(4, 8).to(torch.complex64)), {"adds": 288, "muls": 192}),
    "rfft": (lambda: torch.fft.rfft(torch.rand(4, 8)), {"adds": 144, "muls": 96}),
    "irfft": (lambda: torch.fft.irfft(torch.ones(4, 5, dtype=torch.complex64)), {"adds": 144, "muls": 96}),
    "fft2: 3 + 3 levels of 64": (
        lambda: torch.fft.fft2(torch.rand(8, 8).to(torch.complex64)),
        {"adds": 3 * 64 * 6, "muls": 2 * 64 * 6},
    ),
    # Linear algebra: n = 6, leading order in multiply-adds.
    "cholesky, 216 / 6": (lambda: torch.linalg.cholesky(torch.eye(6)), {"adds": 36, "muls": 36}),
    "inverse, 216": (lambda: torch.linalg.inv(torch.eye(6)), {"adds": 216, "muls": 216}),
    "solve, 216 / 3 + 36 x 2": (lambda: torch.linalg.solve(torch.eye(6), A.mT[:, :2]), {"adds": 144, "muls": 144}),
    "qr, twice 6 x 16 - 64 // 3": (lambda: torch.linalg.qr(A.mT), {"adds": 150, "muls": 150}),
    "lu of 6 x 4, 96 - 80 + 21": (lambda: torch.linalg.lu_factor(A.mT), {"adds": 37, "muls": 37}),
}
if hasattr(torch.ops.aten, "_upsample_lanczos2d_aa"):
    # 6 taps at the size, 12 along each axis at half of it; 96 results of both passes.
    CASES["antialias, Lanczos"] = (
        lambda: torch.ops.aten._upsample_lanczos2d_aa(MAP, [4, 4], False),
        {"adds": 11 * 96, "muls": 12 * 96},
    )


@pytest.mark.parametrize("name", CASES)
def test_by_hand(name: str) -> None:
    """Each comment or name says where the figure comes from."""
    function, wanted = CASES[name]
    assert cost(function) == wanted


TRAFFIC: dict[str, tuple[Callable[[], Any], tuple[int, int]]] = {
    "copy_ does not read what it overwrites": (lambda: torch.empty(4, 6).copy_(A), (24, 24)),
    "the gradient and the softmax are read": (
        lambda: torch.ops.aten._softmax_backward_data(A, A, 1, torch.float32),
        (48, 24),
    ),
    "fill_": (lambda: torch.empty(4, 6).fill_(1), (0, 24)),
    "out= is written, not read": (lambda: torch.mm(A, A.mT, out=torch.empty(4, 4)), (48, 16)),
    "both outputs of max": (lambda: A.max(1), (24, 8)),
    "rows of a table, and their index": (lambda: F.embedding(torch.tensor([1, 2]), A), (12 + 2, 12)),
    "in-place scatter of 4": (
        lambda: A.clone().scatter_(1, torch.zeros(4, 1, dtype=torch.long), A[:, :1]),
        (24 + 4 + 4, 24 + 4),
    ),
    "a sparse tensor: entries, and two indices each": (
        lambda: torch.ops.aten._to_dense(SPARSE),
        (9, 9),
    ),
    "a CSR tensor: 3 entries, their 3 columns, and where 3 rows begin and end": (
        lambda: torch.ops.aten._to_dense(CSR),
        (3 + 3 + 4, 9),
    ),
}


@pytest.mark.parametrize("name", TRAFFIC)
def test_traffic_by_hand(name: str) -> None:
    """Reads and writes in elements."""
    function, wanted = TRAFFIC[name]
    found = run(function)
    assert (found.work.reads, found.work.writes) == wanted


def test_the_same_resize_in_several_ways() -> None:
    """Bilinear upsampling by a module, a function and grid_sample: 4 taps each."""
    theta = torch.eye(2, 3)[None]
    grid = F.affine_grid(theta, [1, 2, 16, 16], align_corners=False)
    ways: list[Callable[[], Tensor]] = [
        lambda: nn.Upsample(scale_factor=2, mode="bilinear")(MAP),
        lambda: F.interpolate(MAP, (16, 16), mode="bilinear"),
        lambda: F.grid_sample(MAP, grid, align_corners=False),
    ]
    assert [cost(way) for way in ways] == [{"adds": 1536, "muls": 2048}] * 3
    # A grid is a product of 256 positions x 3 with 3 x 2.
    assert cost(lambda: F.affine_grid(theta, [1, 2, 16, 16], align_corners=False))["macs"] == 256 * 3 * 2


def test_a_norm_in_several_ways() -> None:
    """The kernel, the same as a module, and on one sample as instance norm: equal cost."""
    ways: list[Callable[[], Tensor]] = [
        lambda: F.layer_norm(MAP, MAP.shape[1:]),
        lambda: nn.GroupNorm(1, 2)(MAP),
        lambda: F.instance_norm(MAP),
        lambda: F.batch_norm(MAP, None, None, training=True),
    ]
    assert [cost(way) for way in ways] == [{"adds": 384, "muls": 256}] * 4


def test_activations_of_attention_in_one_kernel() -> None:
    """5 x 8 outputs of the projections of queries, keys, values and the result, and of attention itself."""
    weights = torch.rand(24, 8), torch.rand(24), torch.rand(8, 8), torch.rand(8)
    found = run(lambda: torch._native_multi_head_attention(TOKENS, TOKENS, TOKENS, 8, 2, *weights))
    assert found.work.activations == 5 * 40


def test_the_kind_of_a_mean() -> None:
    """Over all axes of a map behind the first two it is global average pooling, whether the axes are kept or not."""
    mean = torch.ops.aten.mean
    assert work_kind_of(mean.dim, (MAP, [2, 3]), False) == "gap"
    assert work_kind_of(mean.dim, (MAP, [-1, -2], True), False) == "gap"
    assert work_kind_of(mean.dim, (MAP, [3]), False) == "other"
    assert work_kind_of(mean.default, (MAP,), False) == "other"
    # torch takes a number for one axis: 0 or -1.
    assert work_kind_of(mean.dim, (torch.tensor(1.0), [-1]), False) == "other"
    assert work_kind_of(mean.dim, (torch.tensor(1.0), [0]), False) == "other"
