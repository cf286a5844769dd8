"""The cost of an einsum as NumPy's `einsum_path` prints it, which several counters read."""

from collections.abc import Mapping, Sequence
from math import prod

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
    return float(f"{_cheapest(tuple(map(frozenset, terms)), frozenset(out), sizes) + 1:.3e}")


def _spelled_out(terms: Sequence[str], shapes: Sequence[Shape], out: str | None) -> tuple[list[str], str]:
    """The terms of an equation with letters in place of their dots. out: None where the equation has none."""
    widths = [len(shape) - len(term.replace("...", "")) for term, shape in zip(terms, shapes, strict=True)]
    used = set("".join(terms))
    free = "".join(letter for letter in map(chr, range(65, 123)) if letter.isalpha() and letter not in used)
    most = max(width for term, width in zip(terms, widths, strict=True) if "..." in term)
    if out is None:
        letters = "".join(terms)
        out = "..." + "".join(sorted(one for one in used - {"."} if letters.count(one) == 1))
    # Axes are matched from the last one.
    spelled = [term.replace("...", free[most - width : most]) for term, width in zip(terms, widths, strict=True)]
    return spelled, out.replace("...", free[:most])


def _cheapest(terms: tuple[frozenset[str], ...], out: frozenset[str], sizes: Mapping[str, int]) -> int:
    """The cost of the cheapest order of pairwise contractions."""
    if len(terms) <= 2:
        return _cost(terms, out, sizes)
    best = None
    for i in range(len(terms)):
        for j in range(i + 1, len(terms)):
            rest = tuple(term for k, term in enumerate(terms) if k not in (i, j))
            kept = (terms[i] | terms[j]) & out.union(*rest)
            cost = _cost((terms[i], terms[j]), kept, sizes) + _cheapest((*rest, kept), out, sizes)
            best = cost if best is None else min(best, cost)
    return best or 0


def _cost(terms: Sequence[frozenset[str]], kept: frozenset[str], sizes: Mapping[str, int]) -> int:
    letters = frozenset().union(*terms)
    factor = max(1, len(terms) - 1) + (1 if letters - kept else 0)
    return prod(sizes[letter] for letter in letters) * factor
