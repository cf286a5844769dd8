"""Products of groups of rows, as mixtures of experts compute them, in all types that the kernel takes."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from flopcalc.pytorch.counting.counter import Witness, count_call
from flopcalc.pytorch.counting.grouped_products import GROUPED_MM, grouped_product

pytestmark = pytest.mark.skipif(GROUPED_MM is None, reason="this torch has no grouped products")

# Groups, rows, inner axis and columns; the last two have rows that are no multiple of 16 bytes.
SIZES = [(2, 8, 16, 8), (3, 12, 8, 24), (1, 8, 8, 8), (4, 8, 4, 4), (2, 6, 12, 20), (2, 3, 5, 7)]
TYPES = (torch.float32, torch.float16)


class Experts(nn.Module):
    """Each group of rows has an expert of its own."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(4, 32, 64, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        groups = torch.tensor([4, 4, 10, 16], dtype=torch.int32)
        made: Tensor = torch._grouped_mm(x, self.weight, offs=groups)
        return made.relu()


@pytest.mark.parametrize("witness", ["trace", "dispatch"])
@pytest.mark.parametrize("dtype", [*TYPES, torch.bfloat16], ids=str)
def test_no_values_are_needed(dtype: torch.dtype, witness: Witness) -> None:
    """16 rows of 32 times matrices of 64 columns, whatever the groups; the type makes no difference."""
    x = torch.rand(16, 32, dtype=dtype)
    for on in ("meta", "cpu"):
        found = count_call(Experts(dtype), [x], on=on, witness=witness)
        assert (found.macs, found.other, found.output) == (16 * 32 * 64, 16 * 64, [(16, 64)])
        assert not found.uncounted
    assert count_call(Experts(dtype), [x], witness=witness).on == "meta"


def _operand(axes: int, groups: int, rows: int, columns: int, turned: bool, dtype: torch.dtype) -> Tensor:
    lead = (groups,) if axes == 3 else ()
    if turned:
        return torch.rand(*lead, columns, rows).to(dtype).transpose(-1, -2)
    return torch.rand(*lead, rows, columns).to(dtype)


@pytest.mark.parametrize("axes", list(itertools.product((2, 3), (2, 3))), ids=str)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_results_as_those_of_the_kernel(dtype: torch.dtype, sizes: tuple[int, ...], axes: tuple[int, int]) -> None:
    """Shape, strides and type; what the kernel refuses is left to torch."""
    groups, rows, inner, columns = sizes
    split = {(2, 2): inner, (2, 3): rows, (3, 2): columns}.get(axes)
    offs: Any = split and torch.tensor([(i + 1) * split // groups for i in range(groups)], dtype=torch.int32)
    for turned in itertools.product((False, True), repeat=2):
        a = _operand(axes[0], groups, rows, inner, turned[0], dtype)
        b = _operand(axes[1], groups, inner, columns, turned[1], dtype)
        found = grouped_product(a.to("meta"), b.to("meta"), offs if offs is None else offs.to("meta"))
        try:
            wanted = GROUPED_MM(a, b, offs)
        except (RuntimeError, ValueError):
            assert found is None
            continue
        assert found is not None
        assert (found.shape, found.stride(), found.dtype) == (wanted.shape, wanted.stride(), wanted.dtype)


def test_what_is_left_to_torch() -> None:
    """Another type of results, a bias, ends of groups of another type, and operands that do not fit."""
    a, b = torch.empty(8, 16, device="meta"), torch.empty(2, 16, 8, device="meta")
    ends = torch.empty(2, dtype=torch.int32, device="meta")
    assert grouped_product(a, b, ends) is not None
    for given in (
        (a, b),
        (a, b, ends.long()),
        (a, b, ends[:1]),
        (a[:, :8], b, ends),
        (a, b, ends, b),
        (a, b, ends, None, torch.bfloat16),
        (a.double(), b.double(), ends),
        (a[0], b, ends),
        (b, b.mT, ends),
    ):
        assert grouped_product(*given) is None
