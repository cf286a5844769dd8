"""The cost of an einsum is the one that NumPy prints."""

import random
from string import ascii_letters

import pytest
from presets.equations import drawn

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
    # Two pairs are small enough, of different costs, and what each leaves is contracted at once.
    ("cxd,xbc,acx,exc->eba", [(5, 3, 2), (3, 9, 5), (9, 5, 3), (2, 3, 5)]),
    ("...ij,...jk->...ik", [(2, 3, 4, 5), (2, 3, 5, 6)]),
    ("...ij,...jk->...ik", [(3, 4, 5), (2, 1, 5, 6)]),
    ("b...i,io", [(2, 3, 4, 5), (5, 7)]),
    ("...i->...", [(2, 3, 4)]),
]


def _numpys(equation: str, shapes: list[tuple[int, ...]]) -> float:
    report = np.einsum_path(equation, *[np.broadcast_to(0.0, shape) for shape in shapes], optimize="optimal")[1]
    line = next(line for line in report.splitlines() if "optimized flop" in line.lower())
    return float(line.split(":")[-1])


@pytest.mark.parametrize(("equation", "shapes"), CASES, ids=[equation for equation, _ in CASES])
def test_as_numpy_prints_it(equation: str, shapes: list[tuple[int, ...]]) -> None:
    """All of the four digits."""
    assert printed_flops(equation, shapes) == _numpys(equation, shapes)


@pytest.mark.parametrize("seed", range(10))
def test_random_equations(seed: int) -> None:
    """100 for each seed."""
    draw = random.Random(seed)  # noqa: S311 - no secrets
    for _ in range(100):
        equation, shapes = drawn(draw, operands=draw.choice([1, 2, 2, 3, 3, 4]))
        assert printed_flops(equation, shapes) == _numpys(equation, shapes), (equation, shapes)


@pytest.mark.parametrize("free", ["A", "Z", "a", "z"])
def test_all_letters_but_one_are_taken(free: str) -> None:
    """The axis of the dots has the one that is left."""
    taken = ascii_letters.replace(free, "")
    parts = [taken[:25], taken[25:]]  # NumPy's arrays have at most 32 axes
    equation = ",".join(f"...{part}" for part in parts) + "->..."
    shapes = [(3, 2, *(1,) * (len(part) - 1)) for part in parts]
    assert printed_flops(equation, shapes) == _numpys(equation, shapes)


def test_an_equation_that_does_not_fit() -> None:
    """A counter that asks NumPy fails, too."""
    with pytest.raises(ValueError, match="does not fit"):
        printed_flops("ij,jk->ik", [(3, 4), (4,)])
    with pytest.raises(ValueError, match="is not counted"):
        printed_flops("ij,jk->ik", [(3, 4), (4, 5), (5, 6)])
