"""What is in an expression, and its value at a point."""

import sys
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from flopcalc.symbolic.atoms import Atom, Decides, Number
from flopcalc.symbolic.size import Size, denominator_of, of_numbers, plain


def symbols_of(value: "Size | Number") -> dict[str, None]:
    """The names of the symbols in an expression, in order."""
    return {atom.name: None for atom in atoms_of(value) if atom.kind == "symbol"}


def atoms_of(value: "Size | Number") -> Iterator[Atom]:
    """All atoms in an expression, those inside other atoms first."""
    if not isinstance(value, Size):
        return
    atoms = value.scope.atoms
    for index in sorted({index for monomial in value.terms for index in monomial}):
        for arg in atoms[index].args:
            yield from atoms_of(arg)
        yield atoms[index]


def holds(value: Number, relation: str) -> bool:
    """Whether a number compares with 0 as a condition says."""
    match relation:
        case ">":
            return value > 0
        case ">=":
            return value >= 0
        case "<":
            return value < 0
        case "<=":
            return value <= 0
        case "==":
            return value == 0
    return value != 0


def evaluate(value: "Size | Number", point: Mapping[str, Any], known: dict[int, Any] | None = None) -> Any:
    """The value of an expression where the symbols have these values: ints, Fractions, arrays, or other Sizes.

    known: values of atoms of the same scope at the same point, filled here; share it between expressions.
    """
    if not isinstance(value, Size):
        return value
    known = {} if known is None else known
    scope = value.scope
    total: Any = 0
    for monomial, factor in value.terms.items():
        product: Any = factor
        for index in monomial:
            one = known.get(index)
            if one is None:
                one = known[index] = _value(scope, index, point, known)
            product = product * one
        total = total + product
    return plain(total)


def _value(scope: Decides, index: int, point: Mapping[str, Any], known: dict[int, Any]) -> Any:
    atom = scope.atoms[index]
    if atom.kind == "symbol":
        return point[atom.name]
    if atom.kind == "floor":
        return _floor_at(scope, index, point, known)
    a, b = (evaluate(arg, point, known) for arg in atom.args)
    if atom.kind == "divisible" and isinstance(a, Size):
        return a.scope.of("divisible", (a, b))
    if isinstance(a, Size | int | Fraction) and isinstance(b, Size | int | Fraction):
        return of_numbers(atom.kind, (a, b))
    # Arrays: their library is loaded.
    numpy: Any = sys.modules["numpy"]
    if atom.kind == "divisible":
        found = numpy.maximum(b, (2 * a + b) // (2 * b) * b)
        return found + b * (10 * found < 9 * a)
    return numpy.maximum(a, b) if atom.kind == "max" else numpy.minimum(a, b)


def _floor_at(scope: Decides, index: int, point: Mapping[str, Any], known: dict[int, Any]) -> Any:
    found = scope.quotients.get(index)
    if found is None:
        inner = scope.atoms[index].args[0]
        bottom = denominator_of(inner)
        found = scope.quotients[index] = inner * bottom, bottom
    top, bottom = evaluate(found[0], point, known), found[1]
    return top // bottom
