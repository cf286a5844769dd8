"""Symbols, and the decisions about expressions in them.

A decision that holds for all sizes, as far as bounds can tell, leaves no trace. Any other one is made by the hints, and
is recorded as a condition.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from typing import Any, NamedTuple, cast

from flopcalc.symbolic.atoms import Atom, Number, Terms
from flopcalc.symbolic.bounds import tighter, without_common_factors
from flopcalc.symbolic.equalities import replaced, solved
from flopcalc.symbolic.evaluating import atoms_of, evaluate, holds, symbols_of
from flopcalc.symbolic.size import Size, hint_of, is_whole, made, of_numbers
from flopcalc.symbolic.writing import text

# The largest value of a symbol: no input of a network has a size beyond it.
LARGEST = 10**9
# Sizes far beyond those of networks, at which it is looked whether a condition still holds.
FAR = tuple(factor * 10**power + step for power in range(3, 9) for factor in (1, 3) for step in (-1, 0, 1))
# Rational symbols are larger than 0.
_TINY = Fraction(1, 10**6)
# Sizes below a lower bound are all looked at; a bound beyond this one is not used as one.
_LARGEST_BOUND = 4096


class Condition(NamedTuple):
    """A decision that was made by the hints: the expression compared with 0.

    relation: one of ">", ">=", "<=", "<", "==", "!=". where: what was computed, such as the name of a layer.
    bounds: the symbol whose least value it has raised, and that value, if it is a lower bound of a symbol.
    """

    expression: Size
    relation: str
    where: str
    bounds: tuple[str, int] | None = None


class Scope:
    """Symbols with their hints, the conditions on them, and the atoms of all expressions in them.

    hints: the value of each symbol at the reference point; a Fraction makes the symbol a rational number. least: the
    smallest value of each symbol, 1 for those that are not given (a rational one is larger than 0). where: asked for
    the place of each condition.
    """

    def __init__(
        self,
        hints: Mapping[str, Number],
        least: Mapping[str, Number] | None = None,
        where: Callable[[], str] = str,
    ) -> None:
        self.where = where
        self.conditions: list[Condition] = []
        self.structural: set[str] = set()
        self.atoms: list[Atom] = []
        self.halves: dict[int, tuple[Terms, Terms]] = {}
        self.texts: dict[tuple[str, int], str] = {}
        self.quotients: dict[int, tuple[Size | Number, int]] = {}
        self._index: dict[Any, int] = {}
        # Of atoms, and of the terms of expressions; the least values of symbols decide them.
        self._bounds: dict[int, tuple[Any, Any]] = {}
        self._tighter: dict[frozenset[Any], tuple[Any, Any]] = {}
        self._known: set[Any] = set()
        # By the index of an atom: what is equal to it under the conditions.
        self._equal: dict[int, Terms] = {}
        self._held: list[tuple[Size, str]] | None = None
        # As it was given, and as conditions have raised it.
        self.given_least: dict[str, Number] = {}
        self.least: dict[str, Number] = {}
        self.hints = dict(hints)
        for name, hint in hints.items():
            whole = not isinstance(hint, Fraction)
            self.least[name] = self.given_least[name] = (least or {}).get(name, 1 if whole else _TINY)
            self._atom(("symbol", name), Atom("symbol", name, (), whole, hint))

    def symbol(self, name: str) -> Size:
        """The symbol as a number."""
        return Size(self, {(self._index["symbol", name],): 1})

    def text(self, value: Size | Number) -> str:
        """The expression as text."""
        return text(value)

    def _atom(self, key: Any, atom: Atom) -> int:
        self._index[key] = len(self.atoms)
        self.atoms.append(atom)
        return len(self.atoms) - 1

    def of(self, kind: str, args: tuple[Size | Number, ...]) -> Size:
        """A floor, maximum, minimum or rounding of arguments as an expression of one factor."""
        # By their terms: sizes are compared by hints.
        key = (kind, *(frozenset(arg.terms.items()) if isinstance(arg, Size) else arg for arg in args))
        index = self._index.get(key)
        if index is None:
            values = [hint_of(arg) for arg in args]
            whole = kind in {"floor", "divisible"} or all(is_whole(arg) for arg in args)
            hint = of_numbers(kind, values)
            index = self._atom(key, Atom(kind, kind, args, whole, hint))
        return Size(self, {(index,): 1})

    # Bounds ------------------------------------------------------------------------------------

    def bounds(self, value: Size | Number) -> tuple[Any, Any]:
        """The smallest and largest value that an expression can have, or numbers beyond them."""
        if not isinstance(value, Size):
            return value, value
        low: Any = 0
        high: Any = 0
        for monomial, factor in value.terms.items():
            a: Any = factor
            b: Any = factor
            for index in monomial:
                ends = [x * y for x in (a, b) for y in self.atom_bounds(index)]
                a, b = min(ends), max(ends)
            low, high = low + a, high + b
        if low <= 0 <= high:
            key = frozenset(value.terms.items())
            tight = self._tighter.get(key)
            if tight is None:
                tight = self._tighter[key] = tighter(self, value)
            low, high = max(low, tight[0]), min(high, tight[1])
        return low, high

    def atom_bounds(self, index: int) -> tuple[Any, Any]:
        """The smallest and largest value of an atom, by its index."""
        found = self._bounds.get(index)
        if found is None:
            atom = self.atoms[index]
            if atom.kind == "symbol":
                found = self.least[atom.name], LARGEST
            else:
                ends = [self.bounds(arg) for arg in atom.args]
                if atom.kind == "divisible":
                    (low, high), (divisor, _) = ends
                    found = max(divisor, Fraction(9, 10) * low), max(divisor, high + divisor)
                elif atom.kind == "floor":
                    low, high = ends[0]
                    found = math.floor(low), math.floor(high)
                else:
                    pick: Any = max if atom.kind == "max" else min
                    found = pick(low for low, _ in ends), pick(high for _, high in ends)
                    both = atom.args[0] + atom.args[1]
                    if atom.kind == "max" and not isinstance(both, Size) and both == 0:
                        # An absolute value.
                        found = max(found[0], 0), found[1]
            self._bounds[index] = found
        return found

    # Decisions ---------------------------------------------------------------------------------

    def is_positive(self, value: Any, *, or_zero: bool = False) -> bool:
        """Whether value > 0, or value >= 0, decided as the module says."""
        low, high = self.bounds(self.reduced(value))
        if low > 0 or (or_zero and low == 0):
            return True
        if high < 0 or (not or_zero and high == 0):
            return False
        value = without_common_factors(self, value)
        hint = value.hint
        if or_zero:
            return self._record(value, ">=" if hint >= 0 else "<")
        return self._record(value, ">" if hint > 0 else "<=")

    def is_zero(self, value: Any) -> bool:
        """Whether value == 0, decided as the module says."""
        low, high = self.bounds(self.reduced(value))
        if low > 0 or high < 0:
            return False
        if low == high:
            return True
        value = without_common_factors(self, value)
        if value.hint:
            return self._record(value, "!=")
        return self._record(value, "==")

    def reduced(self, value: Any) -> Any:
        """An expression that is equal to another under the equalities recorded until now."""
        return made(self, replaced(value, self._equal)) if isinstance(value, Size) else value

    @contextmanager
    def holding(self) -> Iterator[list[tuple[Size, str]]]:
        """Decisions made meanwhile are put in the list, and are no conditions until `decide` gets them."""
        before, self._held = self._held, []
        try:
            yield self._held
        finally:
            self._held = before

    def decide(self, held: Iterable[tuple[Size, str]]) -> None:
        """Record decisions that were held back."""
        for value, relation in held:
            self._record(value, relation)

    def _record(self, value: Size, relation: str) -> bool:
        key = frozenset(value.terms.items()), relation
        if self._held is not None:
            self._held.append((value, relation))
        elif key not in self._known:
            self._known.add(key)
            self.conditions.append(Condition(value, relation, self.where(), self._narrow(value, relation)))
            if relation == "==" and (found := solved(value)) is not None:
                self._equal[found[0]] = found[1]
        return relation in (">", ">=", "==")

    def _narrow(self, value: Size, relation: str) -> tuple[str, int] | None:
        """Raise the least value of a symbol where the condition is a lower bound of it; returns what was raised."""
        names = symbols_of(value)
        if len(names) != 1:
            return None
        name = next(iter(names))
        hint, low = self.hints[name], self.least[name]
        if isinstance(hint, Fraction) or not holds(evaluate(value, {name: hint}), relation):
            return None
        # The condition holds from some size on, and fails below: found by halves, then confirmed around it.
        high = hint
        while low < high:
            middle = (low + high) // 2
            if holds(evaluate(value, {name: middle}), relation):
                high = middle
            else:
                low = middle + 1
        below = range(int(self.least[name]), int(high))
        above = [
            *range(int(high), int(high) + 200),
            *(int(hint) * factor + step for factor in (2, 5, 9) for step in (0, 1, 3)),
            *(size for size in FAR if size > high),
        ]
        if (
            0 < len(below) <= _LARGEST_BOUND
            and not any(holds(evaluate(value, {name: one}), relation) for one in below)
            and all(holds(evaluate(value, {name: one}), relation) for one in above)
        ):
            self.least[name] = high
            self._bounds.clear()
            self._tighter.clear()
            return name, int(high)
        return None

    def require(self, condition: Condition, value: Size | Number) -> bool:
        """Note a condition of another scope, whose expression has this value here; false where it never holds."""
        relation = condition.relation
        if not isinstance(value, Size):
            return holds(value, relation)
        low, high = self.bounds(value)
        if relation in (">", ">=", "!=") and (low > 0 or (low == 0 and relation == ">=")):
            return True
        if relation in ("<", "<=", "!=") and (high < 0 or (high == 0 and relation == "<=")):
            return True
        self.conditions.append(Condition(value, relation, condition.where, self._narrow(value, relation)))
        return True

    def fix(self, value: Size | Number, *, structure: bool = False) -> Number:
        """The value at the reference point, for code that needs a number.

        It is a condition, unless the value is the same everywhere. structure: it is a number of layers, and its symbols
        are noted in `structural` instead.
        """
        if not isinstance(value, Size):
            return value
        if structure:
            self.structural.update(symbols_of(value))
            for atom in atoms_of(value):
                if atom.kind in ("max", "min"):
                    # A polynomial of the number on this side only.
                    low, high = sorted(atom.args, key=hint_of)
                    self.is_positive(high - low, or_zero=True)
            return value.hint
        self.is_zero(value - value.hint)
        return value.hint


def scope_of(values: Iterable[Any]) -> Scope | None:
    """The scope of the first symbolic number among values and the items of tuples; None where there is none."""
    for value in values:
        if type(value) is Size:
            return cast("Scope", value.scope)
        if type(value) is tuple and (found := scope_of(value)) is not None:
            return found
    return None
