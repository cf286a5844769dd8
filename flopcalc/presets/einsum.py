"""The cost of an einsum as NumPy's `einsum_path` prints it, which several counters read."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import prod
from operator import itemgetter
from string import ascii_letters

from flopcalc.presets.call import Shape


def printed_flops(equation: str, shapes: Sequence[Shape]) -> float:
    """The `Optimized FLOP count` that NumPy prints, with its four digits: 2 for each multiply-add of two operands.

    Raises ValueError for an equation that NumPy does not take.
    """
    equation = equation.replace(" ", "")
    left, arrow, out = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise ValueError(f"einsum {equation} is not counted")
    if "..." in equation:
        terms, out = _spelled_out(terms, shapes, out if arrow else None)
        left, arrow = ",".join(terms), "->"
    if not arrow:
        out = "".join(sorted(letter for letter in set(left) - {","} if left.count(letter) == 1))
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        if len(term) != len(shape):
            raise ValueError(f"einsum {equation} does not fit its operands")
        for letter, size in zip(term, shape, strict=True):
            sizes[letter] = max(sizes.get(letter, 1), size)
    # NumPy adds one to the sum.
    return float(f"{_along_path(terms, frozenset(out), sizes) + 1:.3e}")


def _spelled_out(terms: Sequence[str], shapes: Sequence[Shape], out: str | None) -> tuple[list[str], str]:
    """The terms of an equation with letters in place of their dots. out: None where the equation has none."""
    widths = [len(shape) - len(term.replace("...", "")) for term, shape in zip(terms, shapes, strict=True)]
    used = set("".join(terms))
    free = "".join(letter for letter in ascii_letters if letter not in used)
    most = max(width for term, width in zip(terms, widths, strict=True) if "..." in term)
    if out is None:
        letters = "".join(terms)
        out = "..." + "".join(sorted(one for one in used - {"."} if letters.count(one) == 1))
    # Axes are matched from the last one.
    spelled = [term.replace("...", free[most - width : most]) for term, width in zip(terms, widths, strict=True)]
    return spelled, out.replace("...", free[:most])


def _along_path(terms: Sequence[str], out: frozenset[str], sizes: Mapping[str, int]) -> int:
    """The cost of the contractions that NumPy chooses: the cheapest pairs, none larger than all operands and result.

    Where all letters are in the result, and where no pair is small enough, the operands are contracted all at once.
    """
    operands = [frozenset(term) for term in terms]
    if len(operands) == 1 or frozenset().union(*operands) == out:
        return _cost(operands, out, sizes)
    most = max(prod(sizes[letter] for letter in one) for one in (*terms, out))
    paths = [(0, operands)]
    while len(paths[0][1]) > 1:
        longer = []
        for cost, left in paths:
            for pair in combinations(range(len(left)), 2):
                rest = [one for place, one in enumerate(left) if place not in pair]
                joined = [left[place] for place in pair]
                kept = joined[0].union(joined[1]) & out.union(*rest)
                if prod(sizes[letter] for letter in kept) <= most:
                    longer.append((cost + _cost(joined, kept, sizes), [*rest, kept]))
        if not longer:
            cost, left = min(paths, key=itemgetter(0))
            return cost + _cost(left, out, sizes)
        paths = longer
    return min(cost for cost, _ in paths)


def _cost(terms: Sequence[frozenset[str]], kept: frozenset[str], sizes: Mapping[str, int]) -> int:
    letters = frozenset().union(*terms)
    factor = max(1, len(terms) - 1) + (1 if letters - kept else 0)
    return prod(sizes[letter] for letter in letters) * factor
