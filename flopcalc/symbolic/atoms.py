"""What expressions are made of: products of atoms with exact factors, and what a scope knows of them.

An argument or a value of type Any is a Size or a number.
"""

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any, NamedTuple, Protocol, TypeAlias

Number: TypeAlias = int | Fraction
# The indices of the atoms of a product, in order, one for each factor: H * H * W is (0, 0, 1). () is the constant term.
Monomial: TypeAlias = tuple[int, ...]
Terms: TypeAlias = dict[Monomial, Number]


class Atom(NamedTuple):
    """A factor of a product. kind: "symbol", "floor", "max", "min" or "divisible". args: what it is taken of.

    whole: whether its value is a whole number. hint: its value at the reference point.
    """

    kind: str
    name: str
    args: tuple[Any, ...]
    whole: bool
    hint: Number


class Decides(Protocol):
    """The scope of a Size: the atoms of its expressions, and the decisions about them."""

    atoms: list[Atom]
    # By the index of an atom, for `without_halves`.
    halves: dict[int, tuple[Terms, Terms]]
    # Atoms as text, by the name of the style and their index.
    texts: dict[tuple[str, int], str]
    # Of floors, by their index: a whole dividend and a whole divisor.
    quotients: dict[int, tuple[Any, int]]

    def of(self, kind: str, args: tuple[Any, ...]) -> Any:
        """An expression of one atom."""

    def bounds(self, value: Any) -> tuple[Any, Any]:
        """The smallest and largest value of an expression."""

    def is_positive(self, value: Any, *, or_zero: bool = False) -> bool:
        """Whether value > 0, or value >= 0."""

    def is_zero(self, value: Any) -> bool:
        """Whether value == 0."""

    def reduced(self, value: Any) -> Any:
        """An expression that is equal to another under the equalities that are known."""

    def fix(self, value: Any, *, structure: bool = False) -> Number:
        """The value at the reference point."""

    def text(self, value: Any) -> str:
        """The expression as text."""


def shared_factors(monomials: Iterable[Monomial], allowed: Callable[[int], bool] | None = None) -> Monomial:
    """The atoms that are in all products, as often as they are in each; of those that are allowed."""
    common: list[int] | None = None
    for monomial in monomials:
        if common is None:
            common = [index for index in monomial if allowed is None or allowed(index)]
            continue
        left = list(monomial)
        kept = []
        for index in common:
            if index in left:
                left.remove(index)
                kept.append(index)
        common = kept
    return tuple(common or ())


def without_factors(terms: Mapping[Monomial, Number], factors: Monomial) -> Terms:
    """The terms without factors that all of them have."""
    found: Terms = {}
    for monomial, factor in terms.items():
        left = list(monomial)
        for index in factors:
            left.remove(index)
        found[tuple(left)] = factor
    return found
