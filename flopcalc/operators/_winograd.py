"""Matrices of Winograd's minimal filtering F(m, r), and the element-wise work of their products with tiles.

They follow from the points 0, 1, -1, 2, -2, 1/2, -1/2, ... and infinity (Toom and Cook). For m outputs and r taps,
y = A^T ((G g) * (B^T d)) with m + r - 1 products for each tile d and each filter g.
"""

from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

TAPS = 3
_POINTS = tuple(map(Fraction, ("0", "1", "-1", "2", "-2", "1/2", "-1/2")))
LARGEST = len(_POINTS) - TAPS + 2


class Row(NamedTuple):
    """One result: factor * sum(coefficient * element). terms: (coefficient, index), one of 1 first if there is one."""

    factor: Fraction
    terms: tuple[tuple[Fraction, int], ...]


class Transform(NamedTuple):
    """A matrix that is applied along one axis, row by row, with element-wise kernels; the results are stacked.

    columns: elements that it reads. Work in elements of one slice: adds, muls. depth: kernels in the longest row.
    """

    rows: tuple[Row, ...]
    columns: int

    @property
    def adds(self) -> int:
        """Additions and subtractions."""
        return sum(len(row.terms) - 1 for row in self.rows)

    @property
    def muls(self) -> int:
        """Products by a coefficient or a factor other than 1; a coefficient of -1 is a subtraction."""
        return sum(sum(map(is_product, _places(row))) + (row.factor != 1) for row in self.rows)

    @property
    def signs(self) -> int:
        """Subtractions: as many changes of sign in the gradient."""
        return sum(coefficient == -1 and not first for row in self.rows for coefficient, first in _places(row))

    @property
    def depth(self) -> int:
        """Kernels in a row, with the one that stacks the results."""
        return 1 + max(_depth(row) for row in self.rows)


def _places(row: Row) -> list[tuple[Fraction, bool]]:
    return [(coefficient, place == 0) for place, (coefficient, _) in enumerate(row.terms)]


def is_product(term: tuple[Fraction, bool]) -> bool:
    """Whether a term needs a product: (coefficient, whether it is the first one)."""
    coefficient, first = term
    return coefficient != 1 and (first or coefficient != -1)


def _depth(row: Row) -> int:
    depth = 0
    for coefficient, first in _places(row):
        ready = int(is_product((coefficient, first)))
        depth = ready if first else max(depth, ready) + 1
    return depth + (row.factor != 1)


class Transforms(NamedTuple):
    """The three transforms of F(m, 3)."""

    data: Transform
    weights: Transform
    output: Transform


@lru_cache(maxsize=16)
def transforms(m: int) -> Transforms:
    """Those of F(m, 3), m from 1 to LARGEST."""
    points = _POINTS[: m + TAPS - 2]
    size = len(points) + 1
    data, weights = [], []
    for point in points:
        others = [other for other in points if other != point]
        scale = Fraction(1)
        for other in others:
            scale *= point - other
        # A factor of -1 for the filter costs nothing as the sign of the data's row.
        sign = -1 if scale == -1 else 1
        data.append(_row([sign * one for one in _polynomial(others)]))
        weights.append(_row([point**power for power in range(TAPS)], sign / scale))
    data.append(_row(_polynomial(points)))
    weights.append(_row([Fraction(0)] * (TAPS - 1) + [Fraction(1)]))
    output = [_row([*(point**power for point in points), Fraction(power == m - 1)]) for power in range(m)]
    return Transforms(Transform(tuple(data), size), Transform(tuple(weights), TAPS), Transform(tuple(output), size))


def _row(coefficients: list[Fraction], factor: Fraction = Fraction(1)) -> Row:
    terms = [(one, index) for index, one in enumerate(coefficients) if one]
    return Row(factor, tuple(sorted(terms, key=lambda term: (term[0] != 1, term[1]))))


def _polynomial(roots: list[Fraction] | tuple[Fraction, ...]) -> list[Fraction]:
    """Coefficients of the product of (x - root), the constant first."""
    out = [Fraction(1)]
    for root in roots:
        out = [low - root * high for low, high in zip([Fraction(0), *out], [*out, Fraction(0)], strict=True)]
    return out
