"""Movement, resampling, transforms and linear algebra: all seven figures of their work, by hand."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from kernel_runs import c, direct, i, whole, x
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc.pytorch.counting.kernels import Work

aten: Any = torch.ops.aten


def _both(count: int, reads: int, writes: int) -> Work:
    """Multiply-adds of linear algebra: a product and a sum each."""
    return Work(adds=count, muls=count, reads=reads, writes=writes)


MASK = torch.ones(7, 5, dtype=torch.bool)

# Values are put into 7 x 5, by an index of 2 x 3 or of 3.
MOVES: dict[str, tuple[Callable[[], Any], Work]] = {
    "cat": (lambda: torch.cat([x(2, 3), x(5, 3)]), Work(reads=21, writes=21)),
    "pad": (lambda: F.pad(x(2, 3), (1, 3)), Work(reads=6, writes=14)),
    "where": (lambda: torch.where(MASK, x(7, 5), x(5)), Work(reads=35 + 35 + 5, writes=35)),
    "copy_ from a row": (lambda: x(2, 3).copy_(x(3)), Work(reads=3, writes=6)),
    "zero_": (lambda: x(2, 3).zero_(), Work(writes=6)),
    "rows picked": (lambda: x(7, 5).index_select(0, i(3)), Work(reads=15 + 3, writes=15)),
    "elements picked": (lambda: x(7, 5).gather(1, i(2, 3)), Work(reads=6 + 6, writes=6)),
    "pairs picked": (lambda: x(7, 5)[i(2, 1), i(3)], Work(reads=6 + 2 + 3, writes=6)),
    "embedding": (lambda: F.embedding(i(2, 3), x(7, 5)), Work(reads=30 + 6, writes=30)),
    "nonzero: two places of each": (lambda: x(2, 3).nonzero(), Work(reads=6, writes=2 * 6)),
    "masked_select": (lambda: x(7, 5).masked_select(MASK), Work(reads=35 + 35, writes=35)),
    "scatter a number": (lambda: x(7, 5).scatter(1, i(2, 3), 1.0), Work(reads=35 + 6, writes=35)),
    "scatter_add": (
        lambda: x(7, 5).scatter_add(1, i(2, 3), x(2, 3)),
        Work(adds=6, reads=35 + 6 + 6, writes=35),
    ),
    "complex scatter_add": (
        lambda: c(7, 5).scatter_add(1, i(2, 3), c(2, 3)),
        Work(adds=2 * 6, reads=35 + 6 + 6, writes=35),
    ),
    # In place the six that are added to are read, and written.
    "scatter_add_": (
        lambda: x(7, 5).scatter_add_(1, i(2, 3), x(2, 3)),
        Work(adds=6, reads=6 + 6 + 6, writes=6),
    ),
    "scatter_": (lambda: x(7, 5).scatter_(1, i(2, 3), x(2, 3)), Work(reads=6 + 6, writes=6)),
    "scatter with a product": (
        lambda: x(7, 5).scatter_reduce(1, i(2, 3), x(2, 3), "prod"),
        Work(muls=6, reads=47, writes=35),
    ),
    "scatter with a mean": (
        lambda: x(7, 5).scatter_reduce(1, i(2, 3), x(2, 3), "mean"),
        Work(adds=6, reads=47, writes=35),
    ),
    "scatter with a maximum": (
        lambda: x(7, 5).scatter_reduce(1, i(2, 3), x(2, 3), "amax"),
        Work(other=6, reads=47, writes=35),
    ),
    "scatter with a sum, by its old name": (
        lambda: x(7, 5).scatter(1, i(2, 3), x(2, 3), reduce="add"),
        Work(adds=6, reads=47, writes=35),
    ),
    "scatter with a product, by its old name": (
        lambda: x(7, 5).scatter(1, i(2, 3), x(2, 3), reduce="multiply"),
        Work(muls=6, reads=47, writes=35),
    ),
    "index_add of 3 rows": (lambda: x(7, 5).index_add(0, i(3), x(3, 5)), Work(adds=15, reads=35 + 3 + 15, writes=35)),
    "index_add of 2 columns": (
        lambda: x(7, 5).index_add(1, i(2), x(7, 2)),
        Work(adds=14, reads=35 + 2 + 14, writes=35),
    ),
    "index_add of a number": (lambda: x().index_add(0, i(1), x()), Work(adds=1, reads=3, writes=1)),
    "index_copy": (lambda: x(7, 5).index_copy(0, i(3), x(3, 5)), Work(reads=53, writes=35)),
    "index_reduce": (
        lambda: x(7, 5).index_reduce(0, i(3), x(3, 5), "amin"),
        Work(other=15, reads=53, writes=35),
    ),
    # Of 2 x 3 x 5 the index picks 2 x 2 x 5.
    "put in the middle": (
        lambda: aten.index_put(x(2, 3, 5), [None, i(2)], x(2, 2, 5), True),
        Work(adds=20, reads=30 + 2 + 20, writes=30),
    ),
    # Both indices are broadcast to 2 x 7, with rows of 5.
    "put by two indices": (
        lambda: x(2, 3, 5).index_put((i(2, 1), i(7)), x(2, 7, 5), accumulate=True),
        Work(adds=70, reads=30 + 2 + 7 + 70, writes=30),
    ),
    "put in place": (lambda: aten.index_put_(x(2, 3, 5), [None, i(2)], x(5)), Work(reads=2 + 5, writes=20)),
    "put by a mask": (lambda: x(7, 5).index_put_((MASK,), x()), Work(reads=35 + 1, writes=35)),
    "put by a mask, a value each": (lambda: x(7, 5).index_put_((MASK,), x(35)), Work(reads=35 + 35, writes=35)),
    "put": (lambda: x(7, 5).put(i(3), x(3), accumulate=True), Work(adds=3, reads=35 + 3 + 3, writes=35)),
    "put with a mask, added": (
        lambda: aten._unsafe_masked_index_put_accumulate(x(7), MASK[:3, 0], [i(3)], x(3)),
        Work(adds=3, reads=7 + 3 + 3 + 3, writes=7),
    ),
    # 4 x 5 windows of 2 x 3 in maps of 5 x 7.
    "fold": (lambda: F.fold(x(2, 18, 20), (5, 7), (2, 3)), Work(adds=720, reads=720, writes=210)),
    "gradient of padding": (
        lambda: aten.reflection_pad2d_backward(x(2, 3, 7, 11), x(2, 3, 5, 9), [1, 1, 1, 1]),
        Work(adds=462, reads=462 + 270, writes=270),
    ),
    "gradient of a table": (
        lambda: aten.embedding_dense_backward(x(2, 3, 5), i(2, 3), 7, -1, False),
        Work(adds=30, reads=30 + 6, writes=35),
    ),
    "gradient of a table, divided by how often a row was read": (
        lambda: aten.embedding_dense_backward(x(2, 3, 5), i(2, 3), 7, -1, True),
        Work(adds=30, other=30, reads=30 + 6, writes=35),
    ),
}

GRID, GRID_3D = x(2, 4, 6, 2), x(2, 2, 3, 5, 3)


def _grid_backward(*mask: bool, mode: int = 0) -> Any:
    return aten.grid_sampler_2d_backward(x(2, 3, 4, 6), x(2, 3, 5, 7), GRID, mode, 0, False, mask)


# Maps of 2 x 3 x 5 x 7 = 210; of 2 x 3 x 10 x 21 = 1260 where they get smaller.
RESAMPLING: dict[str, tuple[Callable[[], Any], Work]] = {
    "linear": (
        lambda: F.interpolate(x(2, 3, 5), 7, mode="linear"),
        Work(adds=42, muls=2 * 42, reads=30, writes=42),
    ),
    "bilinear": (
        lambda: F.interpolate(x(2, 3, 5, 7), (4, 11), mode="bilinear"),
        Work(adds=3 * 264, muls=4 * 264, reads=210, writes=264),
    ),
    "bicubic": (
        lambda: F.interpolate(x(2, 3, 5, 7), (4, 11), mode="bicubic"),
        Work(adds=15 * 264, muls=16 * 264, reads=210, writes=264),
    ),
    "trilinear": (
        lambda: F.interpolate(x(2, 3, 4, 5, 7), (2, 3, 11), mode="trilinear"),
        Work(adds=7 * 396, muls=8 * 396, reads=840, writes=396),
    ),
    "nearest": (lambda: F.interpolate(x(2, 3, 5, 7), (4, 11)), Work(reads=210, writes=264)),
    "linear backward": (
        lambda: aten.upsample_linear1d_backward(x(2, 3, 7), [7], [2, 3, 5], False),
        Work(adds=2 * 42, muls=2 * 42, reads=42, writes=30),
    ),
    "bilinear backward": (
        lambda: aten.upsample_bilinear2d_backward(x(2, 3, 4, 11), [4, 11], [2, 3, 5, 7], False),
        Work(adds=4 * 264, muls=4 * 264, reads=264, writes=210),
    ),
    "nearest backward": (
        lambda: aten.upsample_nearest2d_backward(x(2, 3, 10, 14), [10, 14], [2, 3, 5, 7]),
        Work(adds=840, reads=840, writes=210),
    ),
    "nearest backward 1d": (
        lambda: aten.upsample_nearest1d_backward(x(2, 3, 14), [14], [2, 3, 7]),
        Work(adds=84, reads=84, writes=42),
    ),
    # Columns first, 6 x 10 x 6 results of ceil(2 x 21 / 6) = 7 taps; then 6 x 4 x 6 of ceil(2 x 10 / 4) = 5.
    "antialias": (
        lambda: F.interpolate(x(2, 3, 10, 21), (4, 6), mode="bilinear", antialias=True),
        Work(adds=360 * 6 + 144 * 4, muls=360 * 7 + 144 * 5, reads=1260, writes=144),
    ),
    # 14 taps of a column; rows get more, from 10 to 11, with the 4 taps of any cubic.
    "antialias, one axis larger": (
        lambda: F.interpolate(x(2, 3, 10, 21), (11, 6), mode="bicubic", antialias=True),
        Work(adds=360 * 13 + 396 * 3, muls=360 * 14 + 396 * 4, reads=1260, writes=396),
    ),
    "antialias backward": (
        lambda: aten._upsample_bilinear2d_aa_backward(x(2, 3, 4, 6), [4, 6], [2, 3, 10, 21], False),
        Work(adds=360 * 7 + 144 * 5, muls=360 * 7 + 144 * 5, reads=144, writes=1260),
    ),
    # 2 x 3 x 4 x 6 = 144 results; the grid has 2 x 24 positions of 2.
    "sample": (
        lambda: F.grid_sample(x(2, 3, 5, 7), GRID, align_corners=False),
        Work(adds=3 * 144, muls=4 * 144, reads=210 + 96, writes=144),
    ),
    "sample the nearest": (
        lambda: F.grid_sample(x(2, 3, 5, 7), GRID, mode="nearest", align_corners=False),
        Work(reads=210 + 96, writes=144),
    ),
    "sample bicubic": (
        lambda: F.grid_sample(x(2, 3, 5, 7), GRID, mode="bicubic", align_corners=False),
        Work(adds=15 * 144, muls=16 * 144, reads=210 + 96, writes=144),
    ),
    # 2 x 3 x 30 results of 8 taps; 60 positions of 3.
    "sample a volume": (
        lambda: F.grid_sample(x(2, 3, 4, 5, 7), GRID_3D, align_corners=False),
        Work(adds=7 * 180, muls=8 * 180, reads=840 + 180, writes=180),
    ),
    # Of the map 8 of each; of the grid, on each of 3 axes, 4 differences, interpolated (4 muls, 3 adds), times the
    # gradient, summed.
    "sample a volume backward": (
        lambda: aten.grid_sampler_3d_backward(x(2, 3, 2, 3, 5), x(2, 3, 4, 5, 7), GRID_3D, 0, 0, False, [True, True]),
        Work(adds=(8 + 3 * 8) * 180, muls=(8 + 3 * 5) * 180, reads=180 + 840 + 180, writes=840 + 180),
    ),
    "sample backward, both": (
        lambda: _grid_backward(True, True),
        Work(adds=(4 + 2 * 4) * 144, muls=(4 + 2 * 3) * 144, reads=144 + 210 + 96, writes=210 + 96),
    ),
    "sample backward, the grid's": (
        lambda: _grid_backward(False, True),
        Work(adds=2 * 4 * 144, muls=2 * 3 * 144, reads=144 + 210 + 96, writes=96),
    ),
    "sample backward, the map's": (
        lambda: _grid_backward(True, False),
        Work(adds=4 * 144, muls=4 * 144, reads=144 + 210 + 96, writes=210),
    ),
    # The nearest element has no slope: each gradient is added to it.
    "sample backward, of the nearest": (
        lambda: _grid_backward(True, True, mode=1),
        Work(adds=144, reads=144 + 210 + 96, writes=210 + 96),
    ),
    # 16 taps; a slope is a sum of them with other weights (16 muls, 15 adds), times the gradient, summed.
    "sample backward, cubic": (
        lambda: _grid_backward(True, True, mode=2),
        Work(adds=(16 + 2 * 16) * 144, muls=(16 + 2 * 17) * 144, reads=144 + 210 + 96, writes=210 + 96),
    ),
}


def _square(n: int = 5) -> Tensor:
    """Two unit matrices; expanded ones would count once."""
    return torch.eye(n).repeat(2, 1, 1)


S, S_COMPLEX = _square(), _square().to(torch.complex64)
PIVOTS = torch.arange(1, 6, dtype=torch.int32).repeat(2, 1)

# Of each of two matrices 5 x 5, unless a name says otherwise. A kernel that tells whether it failed writes that too: 2.
ALGEBRA: dict[str, tuple[Callable[[], Any], Work]] = {
    # 3 and 2 n log2 n: ceil(log2 5) = 3, ceil(log2 3) = 2.
    "fft of 5": (lambda: torch.fft.fft(c(2, 5, 3), dim=1), Work(adds=3 * 90, muls=2 * 90, reads=30, writes=30)),
    "fft of 5 x 3": (
        lambda: torch.fft.fftn(c(2, 5, 3), dim=(1, 2)),
        Work(adds=3 * 150, muls=2 * 150, reads=30, writes=30),
    ),
    # Half, of the 36 real numbers; 6 real numbers give 4 complex ones.
    "rfft of 6": (lambda: torch.fft.rfft(x(2, 3, 6)), Work(adds=162, muls=108, reads=36, writes=24)),
    "irfft to 6": (lambda: torch.fft.irfft(c(2, 3, 4), 6), Work(adds=162, muls=108, reads=24, writes=36)),
    "cholesky, 125 // 6": (lambda: torch.linalg.cholesky_ex(S), _both(2 * 20, 50, 50 + 2)),
    "complex cholesky": (lambda: torch.linalg.cholesky_ex(S_COMPLEX), _both(4 * 2 * 20, 50, 50 + 2)),
    # n^2 (m - n / 3) / 2 = 9 x (5 - 1) / 2 of 5 x 3, and of 3 x 5; the pivots are 3 for each.
    "lu of 5 x 3": (lambda: torch.linalg.lu_factor_ex(x(2, 5, 3)), _both(2 * 18, 30, 30 + 6 + 2)),
    "lu of 3 x 5": (lambda: torch.linalg.lu_factor_ex(x(2, 3, 5)), _both(2 * 18, 30, 30 + 6 + 2)),
    "inverse": (lambda: torch.linalg.inv_ex(S), _both(2 * 125, 50, 50 + 2)),
    "complex inverse": (lambda: torch.linalg.inv_ex(S_COMPLEX), _both(4 * 2 * 125, 50, 50 + 2)),
    # 125 // 3 + 25 x 3; LU and pivots are results too.
    "solve for 3": (
        lambda: torch.linalg.solve(S, x(2, 5, 3)),
        _both(2 * (41 + 75), 50 + 30, 30 + 50 + 10 + 2),
    ),
    "solve for a vector": (
        lambda: torch.linalg.solve(S, x(2, 5)),
        _both(2 * (41 + 25), 50 + 10, 10 + 50 + 10 + 2),
    ),
    # The matrix is factorised once for all: its factors and 5 pivots come in its own shape. 25 for each of 2 x 3 sides.
    "solve a batch with one matrix": (
        lambda: torch.linalg.solve(torch.eye(5), x(2, 5, 3)),
        _both(41 + 150, 25 + 30, 30 + 25 + 5 + 1),
    ),
    "solve one side with two matrices": (
        lambda: torch.linalg.solve(S, x(5, 3)),
        _both(2 * (41 + 75), 50 + 15, 30 + 50 + 10 + 2),
    ),
    "solve one vector with two matrices": (
        lambda: torch.linalg.solve(S, x(5)),
        _both(2 * (41 + 25), 50 + 5, 10 + 50 + 10 + 2),
    ),
    "solve from the right, 3 rows": (
        lambda: torch.linalg.solve(torch.eye(5), x(3, 5), left=False),
        _both(41 + 75, 25 + 15, 15 + 25 + 5 + 1),
    ),
    "solve with LU: 25 x 3": (lambda: torch.linalg.lu_solve(S, PIVOTS, x(2, 5, 3)), _both(2 * 75, 50 + 10 + 30, 30)),
    "solve with Cholesky": (lambda: torch.cholesky_solve(x(2, 5, 3), S), _both(2 * 75, 30 + 50, 30)),
    # 30 // 2 x 5.
    "triangular": (
        lambda: torch.linalg.solve_triangular(S, x(2, 5, 3), upper=True),
        _both(75, 50 + 30, 30),
    ),
    "triangular, complex": (
        lambda: torch.linalg.solve_triangular(S_COMPLEX, c(2, 5, 3), upper=True),
        _both(4 * 75, 50 + 30, 30),
    ),
    "triangular, by its old name, with a copy of the matrix": (
        lambda: torch.triangular_solve(x(2, 5, 3), S),
        _both(75, 50 + 30, 30 + 50),
    ),
    # 7 x 9 - 27 // 3 = 54.
    "qr of 7 x 3": (lambda: torch.linalg.qr(x(2, 7, 3)), _both(2 * 2 * 54, 42, 42 + 18)),
    # Q of 3 x 3 from 3 reflections: 2 x 27 - 6 x 9 + 18.
    "qr of 3 x 7": (lambda: torch.linalg.qr(x(2, 3, 7)), _both(2 * (54 + 18), 42, 18 + 42)),
    # Q of 7 x 7 from 3 reflections: 2 x 147 - 14 x 9 + 18.
    "qr with all columns": (lambda: torch.linalg.qr(x(2, 7, 3), "complete"), _both(2 * (54 + 186), 42, 98 + 42)),
    "r alone": (lambda: torch.linalg.qr(x(2, 7, 3), mode="r"), _both(2 * 54, 42, 18)),
    "reflections": (lambda: torch.geqrf(x(2, 7, 3)), _both(2 * 54, 42, 42 + 6)),
    "q from reflections": (
        lambda: torch.linalg.householder_product(x(2, 7, 3), x(2, 3)),
        _both(2 * 54, 42 + 6, 42),
    ),
    # 3 columns from 2 reflections: 2 x 42 - 10 x 4 + 16 // 3.
    "q from fewer reflections": (
        lambda: torch.linalg.householder_product(x(2, 7, 3), x(2, 2)),
        _both(2 * 50, 42 + 4, 42),
    ),
    # Two reflections of 7 and of 6 numbers of each of 5 columns, to the leading order: 2 x 14 - 4 multiply-adds each.
    "q times a matrix": (
        lambda: torch.ormqr(x(2, 7, 2), x(2, 2), x(2, 7, 5)),
        _both(2 * 5 * 24, 28 + 4 + 70, 70),
    ),
    "a matrix times q": (
        lambda: torch.ormqr(x(2, 7, 2), x(2, 2), x(2, 5, 7), left=False),
        _both(2 * 5 * 24, 28 + 4 + 70, 70),
    ),
    "cross": (lambda: torch.linalg.cross(x(2, 3, 5), x(2, 3, 5), dim=1), Work(adds=30, muls=60, reads=60, writes=30)),
}

if not hasattr(aten, "_unsafe_masked_index_put_accumulate"):
    # Older torch lacks it.
    del MOVES["put with a mask, added"]
CASES = {**MOVES, **RESAMPLING, **ALGEBRA}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore")
def test_all_figures_by_hand(name: str) -> None:
    """Each comment or name says where the figures come from."""
    function, wanted = CASES[name]
    assert whole(function) == wanted


def test_one_pivoted_triangle_more() -> None:
    """LDL's solution costs what LU's does: 2 x 25 x 3; it has no pivots of its own here."""
    found = direct(aten.linalg_ldl_solve.default, S, PIVOTS, x(2, 5, 3), out=x(2, 5, 3))
    assert found == _both(2 * 75, 50 + 10 + 30, 30)


def test_gradients_of_bags() -> None:
    """2 bags of 3 rows of 5, in a table of 7: each row gets the gradient of its bag; of an extreme one in each bag."""
    rest = (i(6), i(6), i(2))
    backward = aten._embedding_bag_dense_backward.default
    found = direct(backward, x(2, 5), *rest, i(2), 7, False, 0, None, out=x(7, 5))
    assert found == Work(adds=30, reads=10 + 14 + 2, writes=35)
    found = direct(backward, x(2, 5), *rest, i(2), 7, False, 0, x(6), out=x(7, 5))
    assert found == Work(adds=30, muls=30, reads=10 + 14 + 2 + 6, writes=35)
    found = direct(backward, x(2, 5), *rest, i(2, 5), 7, False, 2, None, out=x(7, 5))
    assert found == Work(adds=10, reads=10 + 14 + 10, writes=35)
    # The gradient of a mean is divided once for each bag; each row's by how often the row was read.
    found = direct(backward, x(2, 5), *rest, i(0), 7, False, 1, None, out=x(7, 5))
    assert found == Work(adds=30, other=10, reads=10 + 14, writes=35)
    found = direct(backward, x(2, 5), *rest, i(0), 7, True, 1, None, out=x(7, 5))
    assert found == Work(adds=30, other=10 + 30, reads=10 + 14, writes=35)
    # Of the weight of a row: 5 products, summed.
    backward = aten._embedding_bag_per_sample_weights_backward.default
    found = direct(backward, x(2, 5), x(7, 5), i(6), i(2), i(6), 0, out=x(6))
    assert found == Work(adds=30, muls=30, reads=10 + 35 + 14, writes=6)
