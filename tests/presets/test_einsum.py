"""The cost of an einsum is the one that NumPy prints."""

import pytest

from flopcalc.presets.einsum import printed_flops

np = pytest.importorskip("numpy")

CASES = [
    ("ij,jk->ik", [(7, 5), (5, 3)]),
    ("ij,jk", [(7, 5), (5, 3)]),
    ("bhid,bhjd->bhij", [(2, 3, 49, 32), (2, 3, 49, 32)]),
    ("bghid,bghjd->bghij", [(1, 64, 4, 49, 32), (1, 64, 4, 49, 32)]),
    ("ne,eo->no", [(1, 3), (3, 270)]),
    ("i,j->ij", [(4,), (6,)]),
    ("bij,bij->b", [(3, 4, 5), (3, 4, 5)]),
    ("ii->i", [(6, 6)]),
    ("ij->", [(6, 7)]),
    ("ab,bc,cd->ad", [(3, 40), (40, 5), (5, 60)]),
    # All at once: all letters stay; each pair would be larger than the operands and the result.
    ("bld,bln,bld->bldn", [(1, 12, 64), (1, 12, 16), (1, 12, 64)]),
    ("ax,bx,cx->abc", [(2, 9), (2, 9), (2, 9)]),
    ("ij,kj,k,il->l", [(2, 9), (9, 9), (9,), (2, 3)]),
    ("...ij,...jk->...ik", [(2, 3, 4, 5), (2, 3, 5, 6)]),
    ("...ij,...jk->...ik", [(3, 4, 5), (2, 1, 5, 6)]),
    ("b...i,io", [(2, 3, 4, 5), (5, 7)]),
    ("...i->...", [(2, 3, 4)]),
]


@pytest.mark.parametrize(("equation", "shapes"), CASES, ids=[equation for equation, _ in CASES])
def test_as_numpy_prints_it(equation: str, shapes: list[tuple[int, ...]]) -> None:
    """All of the four digits."""
    report = np.einsum_path(equation, *[np.zeros(shape) for shape in shapes], optimize="optimal")[1]
    line = next(line for line in report.splitlines() if "optimized flop" in line.lower())
    assert printed_flops(equation, shapes) == float(line.split(":")[-1])


def test_an_equation_that_does_not_fit() -> None:
    """A counter that asks NumPy fails, too."""
    with pytest.raises(ValueError, match="does not fit"):
        printed_flops("ij,jk->ik", [(3, 4), (4,)])
