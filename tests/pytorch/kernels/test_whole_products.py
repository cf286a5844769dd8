"""Convolutions and matrix products, dense, sparse and quantised: all seven figures of their work, by hand."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from kernel_runs import c, direct, whole, x
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc.pytorch.counting.kernels import Work, tensors, work_of
from flopcalc.pytorch.counting.kernels.work import elements

aten: Any = torch.ops.aten
quantized: Any = torch.ops.quantized

# 2 x 4 x 7 x 9 = 504 in two groups, six filters of 2 x 3 x 2 = 12: 2 x 6 x 5 x 8 = 480 results.
MAP, FILTERS, RESULT = x(2, 4, 7, 9), x(6, 2, 3, 2), x(2, 6, 5, 8)
PLAIN = [1, 1], [0, 0], [1, 1]
# 2 x 4 x 5 x 7 = 280, each spread over 3 x 2 x 3 = 18, at stride (2, 2): 2 x 6 x 10 x 15 = 1800.
SMALL, SPREAD, LARGE = x(2, 4, 5, 7), x(4, 3, 2, 3), x(2, 6, 10, 15)


def _conv_backward(*mask: bool) -> Any:
    return aten.convolution_backward(RESULT, MAP, FILTERS, [6], *PLAIN, False, [0, 0], 2, mask)


CONVOLUTIONS: dict[str, tuple[Callable[[], Any], Work]] = {
    "conv": (
        lambda: F.conv2d(MAP, FILTERS, x(6), groups=2),
        Work(480 * 12, adds=480, activations=480, reads=504 + 72 + 6, writes=480),
    ),
    "conv without a bias": (
        lambda: F.conv2d(MAP, FILTERS, groups=2),
        Work(480 * 12, activations=480, reads=504 + 72, writes=480),
    ),
    "conv transposed": (
        lambda: F.conv_transpose2d(SMALL, SPREAD, x(6), stride=2, groups=2),
        Work(280 * 18, adds=1800, activations=1800, reads=280 + 72 + 6, writes=1800),
    ),
    # 11 - 3 + 1 = 9 steps x 2 x 7 results of 3 x 5.
    "conv_tbc": (
        lambda: torch.conv_tbc(x(11, 2, 5), x(3, 5, 7), x(7)),
        Work(126 * 15, adds=126, activations=126, reads=110 + 105 + 7, writes=126),
    ),
    # The gradient of a bias is a sum, not a product that counts as an activation.
    "conv backward": (
        lambda: _conv_backward(True, True, True),
        Work(2 * 480 * 12, adds=480, activations=504 + 72, reads=480 + 504 + 72, writes=504 + 72 + 6),
    ),
    "conv backward, the input's": (
        lambda: _conv_backward(True, False, False),
        Work(480 * 12, activations=504, reads=480 + 504 + 72, writes=504),
    ),
    "conv backward, those of weight and bias": (
        lambda: _conv_backward(False, True, True),
        Work(480 * 12, adds=480, activations=72, reads=480 + 504 + 72, writes=72 + 6),
    ),
    "conv backward, the bias's": (
        lambda: _conv_backward(False, False, True),
        Work(adds=480, reads=480 + 504 + 72, writes=6),
    ),
    "conv transposed, backward": (
        lambda: aten.convolution_backward(
            LARGE, SMALL, SPREAD, [6], [2, 2], [0, 0], [1, 1], True, [0, 0], 2, [True, True, False]
        ),
        Work(2 * 280 * 18, activations=280 + 72, reads=1800 + 280 + 72, writes=280 + 72),
    ),
    # What was not wanted may still be a tensor, with nothing in it that counts.
    "conv backward, a result that was not wanted": (
        lambda: direct(
            aten.convolution_backward.default,
            *(RESULT, MAP, FILTERS, [6], *PLAIN, False, [0, 0], 2, [True, False, False]),
            out=(MAP, FILTERS, x(6)),
        ),
        Work(480 * 12, activations=504, reads=480 + 504 + 72, writes=504),
    ),
    # A complex multiply-add is four; a sum two.
    "complex conv": (
        lambda: direct(
            aten.convolution.default,
            *(c(2, 4, 7, 9), c(6, 2, 3, 2), c(6), *PLAIN, False, [0, 0], 2),
            out=c(2, 6, 5, 8),
        ),
        Work(4 * 480 * 12, adds=2 * 480, activations=480, reads=504 + 72 + 6, writes=480),
    ),
    "complex conv backward": (
        lambda: direct(
            aten.convolution_backward.default,
            *(c(2, 6, 5, 8), c(2, 4, 7, 9), c(6, 2, 3, 2), [6], *PLAIN, False, [0, 0], 2, [True, True, True]),
            out=(c(2, 4, 7, 9), c(6, 2, 3, 2), c(6)),
        ),
        Work(4 * 2 * 480 * 12, 2 * 480, activations=504 + 72, reads=480 + 504 + 72, writes=504 + 72 + 6),
    ),
    "conv and activation": (
        lambda: direct(aten.cudnn_convolution_relu.default, MAP, FILTERS, x(6), *PLAIN, 2, out=RESULT),
        Work(480 * 12, adds=480, other=480, activations=480, reads=504 + 72 + 6, writes=480),
    ),
    "conv, sum and activation": (
        lambda: direct(aten.cudnn_convolution_add_relu.default, MAP, FILTERS, RESULT, 1.0, x(6), *PLAIN, 2, out=RESULT),
        Work(480 * 12, adds=2 * 480, other=480, activations=480, reads=504 + 72 + 480 + 6, writes=480),
    ),
}

A, B, BIAS = x(3, 5), x(5, 7), x(7)
INF = float("inf")


def _cdist_backward(p: float) -> Any:
    return aten._cdist_backward(x(2, 3, 7), x(2, 3, 5), x(2, 7, 5), p, x(2, 3, 7))


# Products of 3 x 5 with 5 x 7: 21 results of 5 multiply-adds. One of a batch of 2: 42 of 5.
MATRICES: dict[str, tuple[Callable[[], Any], Work]] = {
    "mm": (lambda: A @ B, Work(21 * 5, activations=21, reads=15 + 35, writes=21)),
    "complex mm": (lambda: c(3, 5) @ c(5, 7), Work(4 * 21 * 5, activations=21, reads=50, writes=21)),
    "bmm": (lambda: x(2, 3, 5) @ x(2, 5, 7), Work(42 * 5, activations=42, reads=30 + 70, writes=42)),
    "mv": (lambda: torch.mv(A, x(5)), Work(3 * 5, activations=3, reads=15 + 5, writes=3)),
    "dot": (lambda: torch.dot(x(5), x(5)), Work(5, activations=1, reads=10, writes=1)),
    "addmm": (
        lambda: torch.addmm(BIAS, A, B),
        Work(21 * 5, adds=21, activations=21, reads=7 + 15 + 35, writes=21),
    ),
    "complex addmm": (
        lambda: torch.addmm(c(7), c(3, 5), c(5, 7)),
        Work(4 * 21 * 5, adds=2 * 21, activations=21, reads=7 + 15 + 35, writes=21),
    ),
    "addmm, beta 0": (
        lambda: torch.addmm(BIAS, A, B, beta=0),
        Work(21 * 5, activations=21, reads=15 + 35, writes=21),
    ),
    "addmv": (
        lambda: torch.addmv(x(3), A, x(5)),
        Work(3 * 5, adds=3, activations=3, reads=3 + 15 + 5, writes=3),
    ),
    "baddbmm": (
        lambda: torch.baddbmm(x(2, 3, 7), x(2, 3, 5), x(2, 5, 7)),
        Work(42 * 5, adds=42, activations=42, reads=42 + 30 + 70, writes=42),
    ),
    "addmm and activation": (
        lambda: aten._addmm_activation(BIAS, A, B),
        Work(21 * 5, adds=21, other=21, activations=21, reads=7 + 15 + 35, writes=21),
    ),
    "a batch summed": (
        lambda: torch.addbmm(x(3, 7), x(2, 3, 5), x(2, 5, 7)),
        Work(2 * 21 * 5, adds=21, activations=21, reads=21 + 30 + 70, writes=21),
    ),
    "a batch summed, beta 0": (
        lambda: torch.addbmm(x(3, 7), x(2, 3, 5), x(2, 5, 7), beta=0),
        Work(2 * 21 * 5, activations=21, reads=30 + 70, writes=21),
    ),
    "addr": (lambda: torch.addr(x(3, 7), x(3), x(7)), Work(adds=21, muls=21, reads=21 + 3 + 7, writes=21)),
    # A product is four muls and two adds; the sum two adds more.
    "complex addr": (
        lambda: torch.addr(c(3, 7), c(3), c(7)),
        Work(adds=4 * 21, muls=4 * 21, reads=21 + 3 + 7, writes=21),
    ),
    "addr, beta 0": (lambda: torch.addr(x(3, 7), x(3), x(7), beta=0), Work(muls=21, reads=3 + 7, writes=21)),
    "bilinear: 5 outer products of 2 x 3, times 7 columns": (
        lambda: F.bilinear(x(5, 2), x(5, 3), x(7, 2, 3)),
        Work(5 * 7 * 6, muls=5 * 6, activations=35, reads=10 + 15 + 42, writes=35),
    ),
    "affine_grid: 2 x 5 x 7 positions of 3, times 3 x 2": (
        lambda: F.affine_grid(x(2, 2, 3), [2, 1, 5, 7], align_corners=False),
        Work(140 * 3, activations=140, reads=12, writes=140),
    ),
    # 2 x 3 x 7 pairs of rows of 5.
    "distances 1": (
        lambda: aten._cdist_forward(x(2, 3, 5), x(2, 7, 5), 1.0, None),
        Work(adds=2 * 210, activations=42, reads=30 + 70, writes=42),
    ),
    "distances 3: a power each, a root for each pair": (
        lambda: aten._cdist_forward(x(2, 3, 5), x(2, 7, 5), 3.0, None),
        Work(adds=2 * 210, other=210 + 42, activations=42, reads=30 + 70, writes=42),
    ),
    # A difference of each of 42 x 5 pairs of elements, then the norm of 42 vectors of 5.
    "distances 2: squares, sums, a root for each pair": (
        lambda: aten._cdist_forward(x(2, 3, 5), x(2, 7, 5), 2.0, None),
        Work(adds=2 * 210, muls=210, other=42, activations=42, reads=30 + 70, writes=42),
    ),
    "distances inf: a comparison each, no sum and no root": (
        lambda: aten._cdist_forward(x(2, 3, 5), x(2, 7, 5), INF, None),
        Work(adds=210, other=210, activations=42, reads=30 + 70, writes=42),
    ),
    "distances 0: a comparison each, counted, no root": (
        lambda: aten._cdist_forward(x(2, 3, 5), x(2, 7, 5), 0.0, None),
        Work(adds=2 * 210, other=210, activations=42, reads=30 + 70, writes=42),
    ),
    "distances between 5 rows of 3: 10 pairs": (
        lambda: torch.pdist(x(5, 3)),
        Work(adds=2 * 30, muls=30, other=10, activations=10, reads=15, writes=10),
    ),
    "largest distances between 5 rows of 3": (
        lambda: torch.pdist(x(5, 3), INF),
        Work(adds=30, other=30, activations=10, reads=15, writes=10),
    ),
    # sign(d) g, summed.
    "distances 1 backward": (
        lambda: _cdist_backward(1.0),
        Work(adds=2 * 210, muls=210, reads=42 + 30 + 70 + 42, writes=30),
    ),
    # d (g / distance).
    "distances 2 backward": (
        lambda: _cdist_backward(2.0),
        Work(adds=2 * 210, muls=210, other=42, reads=42 + 30 + 70 + 42, writes=30),
    ),
    # d |d|^(p - 2) (g / distance^(p - 1)).
    "distances 3 backward": (
        lambda: _cdist_backward(3.0),
        Work(adds=2 * 210, muls=2 * 210, other=210 + 2 * 42, reads=42 + 30 + 70 + 42, writes=30),
    ),
    # sign(d) g where |d| is the distance.
    "distances inf backward": (
        lambda: _cdist_backward(INF),
        Work(adds=2 * 210, muls=210, other=210, reads=42 + 30 + 70 + 42, writes=30),
    ),
    "distances 0 backward: zeros": (lambda: _cdist_backward(0.0), Work(reads=42 + 30 + 70 + 42, writes=30)),
    # 10 pairs of 3: added to one row and taken off the other.
    "distances between rows, backward": (
        lambda: aten._pdist_backward(x(10), x(5, 3), 2.0, x(10)),
        Work(adds=3 * 30, muls=30, other=10, reads=10 + 15 + 10, writes=15),
    ),
    # Two columns more, for the squares of both.
    "Euclidean distances": (
        lambda: aten._euclidean_dist(A, x(7, 5)),
        Work(21 * (5 + 2), 15 + 35, 15 + 35, 21, activations=21, reads=15 + 35, writes=21),
    ),
    "linear": (
        lambda: direct(aten.linear.default, A, x(7, 5), BIAS, out=x(3, 7)),
        Work(21 * 5, adds=21, activations=21, reads=15 + 35 + 7, writes=21),
    ),
    "matmul of a row": (
        lambda: direct(aten.matmul.default, x(5), B, out=x(7)),
        Work(7 * 5, activations=7, reads=5 + 35, writes=7),
    ),
    "int8 weights: a scale for each result": (
        lambda: direct(aten._weight_int8pack_mm.default, A, x(7, 5).to(torch.int8), x(7), out=x(3, 7)),
        Work(21 * 5, muls=21, activations=21, reads=15 + 35 + 7, writes=21),
    ),
    # 8 entries kept of each row of 16, two of four; 28 multiply-adds for each of 2 x 3 tokens.
    "structured: entries kept": (
        lambda: direct(
            aten._sparse_semi_structured_linear.default, x(2, 3, 8), x(7, 4), x(7, 2), bias=BIAS, out=x(2, 3, 7)
        ),
        Work(6 * 28, adds=42, activations=42, reads=48 + 28 + 14 + 7, writes=42),
    ),
}
if hasattr(aten, "_grouped_mm"):
    # 2 groups share 11 inner columns: each of 42 results is a sum over its own, 11 for both.
    MATRICES["groups of the inner axis"] = (
        lambda: direct(aten._grouped_mm.default, x(3, 11), x(11, 7), x(2), out=x(2, 3, 7)),
        Work(21 * 11, activations=42, reads=33 + 77 + 2, writes=42),
    )
    MATRICES["groups with matrices of their own"] = (
        lambda: direct(aten._grouped_mm.default, x(2, 3, 5), x(2, 5, 7), out=x(2, 3, 7)),
        Work(42 * 5, activations=42, reads=30 + 70, writes=42),
    )

# 3 x 5 with 4 entries; as COO two indices each, as CSR a column each and 3 + 1 places where rows begin and end.
DENSE = torch.tensor([[1.0, 0, 2, 0, 0], [0, 0, 3, 0, 0], [0, 0, 0, 0, 4]])
COO = DENSE.to_sparse()
RIGHT = torch.zeros(5, 7).index_fill(0, torch.tensor([2]), 1.0).to_sparse()
with warnings.catch_warnings():
    # Of the first one torch says that they are new.
    warnings.simplefilter("ignore")
    SAMPLED = DENSE.to_sparse_csr()

SPARSE: dict[str, tuple[Callable[[], Any], Work]] = {
    "sparse times dense: 4 entries x 7 columns": (
        lambda: torch.mm(COO, B),
        Work(4 * 7, activations=21, reads=12 + 35, writes=21),
    ),
    "sparse times a vector": (lambda: torch.mv(COO, x(5)), Work(4, activations=3, reads=12 + 5, writes=3)),
    "dense times sparse: 4 entries x 2 rows": (
        lambda: direct(aten.mm.default, x(2, 3), COO, out=x(2, 5)),
        Work(4 * 2, activations=10, reads=6 + 12, writes=10),
    ),
    "a row times sparse": (
        lambda: direct(aten.matmul.default, x(3), COO, out=x(5)),
        Work(4, activations=5, reads=3 + 12, writes=5),
    ),
    # Two entries in column 2, which meet the 7 of row 2; 2 rows of 7 entries, with two indices each.
    "two sparse": (
        lambda: torch.mm(COO, RIGHT),
        Work(2 * 7, activations=3 * 14, reads=12 + 3 * 7, writes=3 * 14),
    ),
    "sparse, added to a tensor": (
        lambda: torch.sparse.addmm(x(3, 7), COO, B),
        Work(4 * 7, adds=21, activations=21, reads=21 + 12 + 35, writes=21),
    ),
    "sparse, not added": (
        lambda: torch.addmm(x(3, 7), COO, B, beta=0),
        Work(4 * 7, activations=21, reads=12 + 35, writes=21),
    ),
    "complex sparse, added to a tensor": (
        lambda: direct(aten.addmm.default, c(3, 7), COO.to(torch.complex64), c(5, 7), out=c(3, 7)),
        Work(4 * 4 * 7, adds=2 * 21, activations=21, reads=21 + 12 + 35, writes=21),
    ),
    # The sizes of a sparse result: 4 entries, 4 columns, 4 places.
    "sampled: 4 entries x 11": (
        lambda: direct(aten.sparse_sampled_addmm.default, SAMPLED, x(3, 11), x(11, 5), out=SAMPLED),
        Work(4 * 11, adds=4, activations=12, reads=12 + 33 + 55, writes=12),
    ),
    "dense ones added to a sparse matrix": (
        lambda: direct(aten.addmm.default, SAMPLED, x(3, 11), x(11, 5), out=x(3, 5)),
        Work(15 * 11, adds=15, activations=15, reads=12 + 33 + 55, writes=15),
    ),
}


class _Packed:
    """Packed weights as a quantised kernel takes them, with or without a bias."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self.found = weight, bias

    def unpack(self) -> tuple[Tensor, Tensor | None]:
        return self.found


FILTER_PACK, LINEAR_PACK = _Packed(FILTERS, x(6)), _Packed(x(7, 5), BIAS)
# As the dense kernels above, with a product for the scale of each result.
QUANTISED: dict[str, tuple[Callable[[], Any], Work]] = {
    "linear": (
        lambda: direct(quantized.linear.default, x(2, 3, 5), LINEAR_PACK, 0.1, 0, out=x(2, 3, 7)),
        Work(42 * 5, adds=42, muls=42, activations=42, reads=30 + 35 + 7, writes=42),
    ),
    "linear and activation, without a bias": (
        lambda: direct(quantized.linear_relu.default, x(2, 3, 5), _Packed(x(7, 5), None), 0.1, 0, out=x(2, 3, 7)),
        Work(42 * 5, muls=42, other=42, activations=42, reads=30 + 35, writes=42),
    ),
    "linear that cannot be unpacked: 5 x 7 weights": (
        lambda: direct(quantized.linear.default, x(2, 3, 5), object(), 0.1, 0, out=x(2, 3, 7)),
        Work(42 * 5, muls=42, activations=42, reads=30 + 35, writes=42),
    ),
    "conv": (
        lambda: direct(quantized.conv2d.new, MAP, FILTER_PACK, 0.1, 0, out=RESULT),
        Work(480 * 12, adds=480, muls=480, activations=480, reads=504 + 72 + 6, writes=480),
    ),
    "conv, sum and activation": (
        lambda: direct(quantized.conv2d_add_relu.default, MAP, RESULT, FILTER_PACK, 0.1, 0, out=RESULT),
        Work(480 * 12, 2 * 480, 480, 480, activations=480, reads=504 + 480 + 72 + 6, writes=480),
    ),
    "conv transposed": (
        lambda: direct(quantized.conv_transpose2d.default, SMALL, _Packed(SPREAD, None), 0.1, 0, out=LARGE),
        Work(280 * 18, muls=1800, activations=1800, reads=280 + 72, writes=1800),
    ),
}
TABLES = {"conv": CONVOLUTIONS, "dense": MATRICES, "sparse": SPARSE, "quantised": QUANTISED}
CASES = {f"{subject}: {name}": case for subject, table in TABLES.items() for name, case in table.items()}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore")
def test_all_figures_by_hand(name: str) -> None:
    """Each comment or name says where the figures come from."""
    function, wanted = CASES[name]
    found = function()
    assert (found if isinstance(found, Work) else whole(function)) == wanted


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_nested_members_are_summed() -> None:
    """2 x 3 with 3 x 11, and 5 x 7 with 7 x 2: 66 + 70 multiply-adds, 22 + 10 results."""
    a = torch.nested.nested_tensor([x(2, 3), x(5, 7)])
    b = torch.nested.nested_tensor([x(3, 11), x(7, 2)])
    out = torch.nested.nested_tensor([x(2, 11), x(5, 2)])
    assert direct(aten.matmul.default, a, b, out=out) == Work(
        66 + 70, activations=32, reads=6 + 35 + 33 + 14, writes=32
    )


def test_products_that_depend_on_values() -> None:
    """Which entries of two sparse matrices meet cannot be seen on the meta device, or is not worked out in batches."""
    from flopcalc.pytorch.counting.kernels import UNKNOWN

    batch = torch.stack([COO, COO])
    assert work_of(aten.bmm.default, (batch, batch), {}, batch, sum(map(elements, tensors(batch)))) is UNKNOWN
