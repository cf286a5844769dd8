"""Element-wise kernels and reductions of sparse tensors: all seven figures, by the values that are stored."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from kernel_runs import run, whole, x
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from flopcalc.pytorch import count
from flopcalc.pytorch.counting.kernels import Work

aten: Any = torch.ops.aten

DENSE = x(16, 12)
DIAGONAL = torch.arange(10).expand(2, 10).contiguous()


def _entries(values: Tensor, shift: int = 0) -> Tensor:
    """16 x 12, with entries in column `shift` of row 0, the next in row 1, and so on."""
    places = DIAGONAL + torch.tensor([[0], [shift]])
    return torch.sparse_coo_tensor(places, values, (16, 12, *values.shape[1:])).coalesce()


with warnings.catch_warnings():
    # Of the first ones torch says that they are new, and that it does not check them.
    warnings.simplefilter("ignore")
    # 10 entries with two indices each; of the hybrid one 3 values each: 30 values and 20 indices.
    COO, ELSEWHERE, HYBRID = _entries(x(10)), _entries(x(10), 2), _entries(x(10, 3))
    TWICE = torch.sparse_coo_tensor(DIAGONAL // 2, x(10), (16, 12))
    # 10 values, 10 columns and 17 borders.
    ROWS = COO.to_sparse_csr()
    # One block of 4 x 4 in rows 0 to 3: 5 borders and a column.
    BLOCKS = F.pad(x(4, 4), (0, 8, 0, 12)).to_sparse_bsr((4, 4))

CASES: dict[str, tuple[Callable[[], Any], Work]] = {
    "activation": (COO.relu, Work(other=10, reads=30, writes=30)),
    "activation in rows": (ROWS.relu, Work(other=10, reads=37, writes=37)),
    "activation of a block": (BLOCKS.relu, Work(other=16, reads=22, writes=22)),
    "activation in place": (lambda: COO.clone().relu_(), Work(other=10, reads=2 * 30, writes=2 * 30)),
    "product": (lambda: COO * COO, Work(muls=10, reads=60, writes=30)),
    "product of entries that do not meet": (lambda: COO * ELSEWHERE, Work(reads=60)),
    "product with a number": (lambda: HYBRID * 2, Work(muls=30, reads=50, writes=50)),
    "product with a dense one": (lambda: COO * DENSE, Work(muls=10, reads=30 + 192, writes=30)),
    "sum, all meet": (lambda: COO + COO, Work(adds=10, reads=60, writes=30)),
    "sum, in rows": (lambda: ROWS + ROWS, Work(adds=10, reads=74, writes=37)),
    "sum of three values each": (lambda: HYBRID + HYBRID, Work(adds=30, reads=100, writes=50)),
    "sum, none meet": (lambda: COO + ELSEWHERE, Work(reads=60, writes=60)),
    "sum with a dense one": (lambda: DENSE + COO, Work(adds=10, reads=192 + 30, writes=192)),
    "sum in place, all meet": (lambda: COO.clone().add_(COO), Work(adds=10, reads=30 + 60, writes=30 + 30)),
    "sum in place, none meet": (lambda: COO.clone().add_(ELSEWHERE), Work(reads=30 + 60, writes=30 + 60)),
    # Of a dense tensor only 10 places.
    "sum into a dense one": (lambda: x(16, 12).add_(COO), Work(adds=10, reads=30 + 10, writes=10)),
    "reduction": (COO.sum, Work(adds=10, reads=30, writes=1)),
    "reduction of its values alone": (lambda: torch.sparse.sum(HYBRID), Work(adds=30, reads=30, writes=1)),
    # The places along one axis are left: 30 values and 10 indices.
    "reduction along an axis": (lambda: torch.sparse.sum(HYBRID, 0), Work(adds=30, reads=50, writes=40)),
    "reduction of rows": (lambda: torch.sum(ROWS, 1, keepdim=True), Work(adds=10, reads=37, writes=37)),
    "norm": (COO.norm, Work(adds=10, muls=10, other=1, reads=30, writes=1)),
    "softmax": (lambda: torch.sparse.softmax(COO, 1), Work(adds=10, other=20, reads=30, writes=30)),
    "softmax of three values each": (
        lambda: torch.sparse.softmax(HYBRID, 1),
        Work(adds=30, other=60, reads=50, writes=50),
    ),
    "softmax backward": (
        lambda: aten._sparse_softmax_backward_data(COO, COO, 1, COO),
        Work(adds=20, muls=20, reads=90, writes=30),
    ),
    # Ten entries at 5 places: ceil(log2 10) = 4 comparisons each, 5 additions.
    "coalesced": (TWICE.coalesce, Work(adds=5, other=40, reads=30, writes=15)),
    "copied": (COO.clone, Work(reads=30, writes=30)),
    "copied over": (lambda: COO.clone().copy_(TWICE), Work(reads=30 + 30, writes=30 + 30)),
    "set to 0: no entry is left": (lambda: COO.clone().zero_(), Work(reads=30, writes=30)),
    "joined": (lambda: torch.cat([COO, COO]), Work(reads=60, writes=60)),
    "made dense": (COO.to_dense, Work(reads=30, writes=192)),
    "made sparse": (COO.to_sparse_csr, Work(reads=30, writes=37)),
    "picked": (lambda: DENSE.sparse_mask(COO), Work(reads=192 + 30, writes=30)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore")
def test_all_figures_by_hand(name: str) -> None:
    """Each comment or name says where the figures come from."""
    function, wanted = CASES[name]
    assert whole(function) == wanted


def test_complex_sums() -> None:
    """Two additions for each of the 10 values that meet."""
    both = COO.to(torch.complex64)
    assert run(lambda: both + both).work.adds == 20


def test_entries_that_the_meta_device_loses() -> None:
    """10 and 30 values, in one count each: a sparse buffer moved to the meta device has none, so the CPU runs."""

    class Summed(nn.Module):
        def __init__(self, kept: Tensor, loose: bool) -> None:
            super().__init__()
            self.loose = loose
            self.register_buffer("kept", kept)

        def forward(self, scale: Tensor) -> Tensor:
            kept: Any = self.kept
            return (kept.sum() if self.loose else torch.sparse.sum(kept)) * scale

    for kept, values in ((COO, 10), (HYBRID, 30)):
        found = count(Summed(kept, loose=False), x(1))
        assert (found.total("adds"), found.on) == (values, "cpu")
    assert count(Summed(ROWS, loose=True), x(1)).total("adds") == 10
