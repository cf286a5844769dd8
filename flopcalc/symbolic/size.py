"""Symbolic numbers: polynomials over symbols, floors, maxima and minima, with exact coefficients.

A `Size` takes the place of an int where code computes the sizes of a network. It has the exact expression, and its
value at a reference point, the hint. Where code compares sizes, the answer is the one that holds for all sizes, if
there is one; else it is that of the hints, and the scope records the condition under which it holds
(`flopcalc.symbolic.scope`). So a computation takes one path, and its result says where it is valid.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from flopcalc.errors import FlopcalcError
from flopcalc.symbolic.atoms import Decides, Number, Terms
from flopcalc.symbolic.halves import without_halves

# A cost has a few dozen terms. An expression of more is a sign of a computation that has no readable form.
MOST_TERMS = 20_000


class Size:
    """A number as an exact expression. Constants are plain ints and Fractions, never a Size."""

    __slots__ = ("_hash", "_hint", "scope", "terms")

    def __init__(self, scope: Decides, terms: Terms) -> None:
        self.scope = scope
        self.terms = terms
        self._hash: int | None = None
        self._hint: Number | None = None

    @property
    def hint(self) -> Number:
        """The value at the reference point."""
        if self._hint is None:
            atoms = self.scope.atoms
            total: Number = 0
            for monomial, factor in self.terms.items():
                for index in monomial:
                    factor = factor * atoms[index].hint  # noqa: PLW2901
                total += factor
            self._hint = plain(total)
        return self._hint

    # Arithmetic --------------------------------------------------------------------------------

    def __add__(self, other: Any) -> Any:
        if isinstance(other, Size):
            terms = dict(self.terms)
            for monomial, factor in other.terms.items():
                total = terms.get(monomial, 0) + factor
                if total:
                    terms[monomial] = total
                else:
                    del terms[monomial]
            return made(self.scope, without_halves(self.scope, terms))
        if not isinstance(other, int | Fraction):
            return NotImplemented
        if not other:
            return self
        terms = dict(self.terms)
        total = terms.get((), 0) + other
        if total:
            terms[()] = total
        else:
            del terms[()]
        return made(self.scope, terms)

    __radd__ = __add__

    def __neg__(self) -> "Size":
        return Size(self.scope, {monomial: -factor for monomial, factor in self.terms.items()})

    def __sub__(self, other: Any) -> Any:
        return self + -other

    def __rsub__(self, other: Any) -> Any:
        return -self + other

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, Size):
            if len(self.terms) * len(other.terms) > MOST_TERMS:
                raise too_long()
            terms: Terms = {}
            for a, x in self.terms.items():
                for b, y in other.terms.items():
                    key = tuple(sorted(a + b))
                    terms[key] = terms.get(key, 0) + x * y
            return made(self.scope, {key: factor for key, factor in terms.items() if factor})
        if not isinstance(other, int | Fraction):
            return NotImplemented
        if not other:
            return 0
        if other == 1:
            return self
        return Size(self.scope, {monomial: plain(factor * other) for monomial, factor in self.terms.items()})

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        if isinstance(other, Size):
            found = _exact(self, other)
            return NotImplemented if found is None else found
        if not isinstance(other, int | Fraction):
            return NotImplemented
        return self * Fraction(1, other)

    def __floordiv__(self, other: Any) -> Any:
        if isinstance(other, Size):
            # A quotient of two expressions is a form only if it is exact; else the divisor is needed as a number.
            found = _exact(self, other)
            return math.floor(self * Fraction(1, self.scope.fix(other)) if found is None else found)
        if not isinstance(other, int | Fraction):
            return NotImplemented
        return math.floor(self * Fraction(1, other))

    def __rfloordiv__(self, other: Any) -> Any:
        if not isinstance(other, int | Fraction):
            return NotImplemented
        return other // self.scope.fix(self)

    def __mod__(self, other: Any) -> Any:
        return self - other * (self // other)

    def __rmod__(self, other: Any) -> Any:
        return other % self.scope.fix(self)

    def __pow__(self, exponent: Any) -> Any:
        exponent = self.scope.fix(exponent)
        if not isinstance(exponent, int) or exponent < 0:
            return NotImplemented
        found: Any = 1
        for _ in range(exponent):
            found = found * self
        return found

    def __floor__(self) -> Any:
        return _floored(self)

    def __ceil__(self) -> Any:
        return -_floored(-self)

    def __round__(self, digits: None = None) -> Any:
        up = self + Fraction(1, 2)
        down = math.floor(up)
        # One less at a half above an even number: where `up` is whole, and odd.
        return down - (1 - (math.ceil(up) - down)) * (down % 2)

    def __abs__(self) -> Any:
        return extreme("max", self, -self)

    # Comparisons -------------------------------------------------------------------------------

    def __lt__(self, other: Any) -> bool:
        return self.scope.is_positive(other - self)

    def __le__(self, other: Any) -> bool:
        return self.scope.is_positive(other - self, or_zero=True)

    def __gt__(self, other: Any) -> bool:
        return self.scope.is_positive(self - other)

    def __ge__(self, other: Any) -> bool:
        return self.scope.is_positive(self - other, or_zero=True)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Size | int | Fraction):
            return NotImplemented
        return self.scope.is_zero(self - other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __deepcopy__(self, memo: object) -> "Size":
        # It is a value, and its scope is known by it.
        return self

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(frozenset(self.terms.items()))
        return self._hash

    def __bool__(self) -> bool:
        return not self.scope.is_zero(self)

    def __repr__(self) -> str:
        return self.scope.text(self)

    def __format__(self, spec: str) -> str:
        """The expression, also where a number would have commas: the text of a network may have either."""
        return str(self) if spec == "," else format(str(self), spec)


def hint_of(value: Any) -> Any:
    """The value at the reference point, of a Size or a number."""
    return value.hint if isinstance(value, Size) else value


def is_whole(value: "Size | Number") -> bool:
    """Whether a number is whole at all sizes, as far as its expression shows."""
    if not isinstance(value, Size):
        return isinstance(value, int) or value.denominator == 1
    atoms = value.scope.atoms
    return all(
        isinstance(factor, int) and all(atoms[index].whole for index in monomial)
        for monomial, factor in value.terms.items()
    )


def too_long() -> FlopcalcError:
    """The error for an expression of too many terms."""
    return FlopcalcError(
        "no-closed-form", f"the expression has more than {MOST_TERMS:,} terms", "vary fewer sizes, with --vary"
    )


def rounded_to(value: Any, divisor: Any) -> Any:
    """divisible(value, divisor) of `flopcalc.text.expression` in floors, maxima and minima."""
    found = largest(divisor, math.floor(value * Fraction(1, divisor) + Fraction(1, 2)) * divisor)
    # One more where 10 * found < 9 * value.
    return found + divisor * smallest(1, largest(0, math.ceil(9 * value - 10 * found)))


def of_numbers(kind: str, values: Sequence[Any]) -> Any:
    """The value of an atom whose arguments have these values; a Size where they are."""
    if kind == "floor":
        return math.floor(values[0])
    if kind == "divisible":
        return rounded_to(*values)
    return extreme(kind, *values)


def largest(a: Any, b: Any) -> Any:
    """The larger of two numbers."""
    return extreme("max", a, b)


def smallest(a: Any, b: Any) -> Any:
    """The smaller of two numbers."""
    return extreme("min", a, b)


def extreme(kind: str, a: Any, b: Any) -> Any:
    """The larger ("max") or smaller ("min") of two numbers."""
    sized = a if isinstance(a, Size) else b
    if not isinstance(sized, Size):
        return max(a, b) if kind == "max" else min(a, b)
    scope = sized.scope
    bottom = math.lcm(*(denominator_of(one) for one in (a, b)))
    if bottom > 1:
        # Whole factors inside, so that the expression is exact as Python source too.
        return extreme(kind, a * bottom, b * bottom) * Fraction(1, bottom)
    low, high = scope.bounds(a - b)
    if low >= 0:
        return a if kind == "max" else b
    if high <= 0:
        return b if kind == "max" else a
    first, second = sorted((a, b), key=lambda one: (isinstance(one, Size), hash(one)))
    return scope.of(kind, (first, second))


def denominator_of(value: Any) -> int:
    """The least whole number that makes every factor of an expression whole."""
    factors = value.terms.values() if isinstance(value, Size) else (value,)
    return math.lcm(*(Fraction(factor).denominator for factor in factors))


def plain(value: Number) -> Number:
    """A whole Fraction as an int."""
    return value.numerator if isinstance(value, Fraction) and value.denominator == 1 else value


def made(scope: Decides, terms: Terms) -> Any:
    """The expression of terms: a plain number where it is one."""
    if len(terms) > 1:
        return Size(scope, terms)
    if not terms:
        return 0
    constant = terms.get(())
    return Size(scope, terms) if constant is None else plain(constant)


def _floored(value: Size) -> Any:
    """The floor in its normal form: floor((H - 1) / 2) is floor((H + 1) / 2) - 1, and floors of floors are one."""
    scope, atoms = value.scope, value.scope.atoms
    outside: Terms = {}
    inside: Terms = {}
    for monomial, factor in value.terms.items():
        if not all(atoms[index].whole for index in monomial):
            inside[monomial] = factor
            continue
        # Towards zero, so that the sign of what remains is kept and can be made the usual one below.
        whole = math.floor(factor) if not monomial else math.trunc(factor)
        if whole:
            outside[monomial] = whole
        if factor != whole:
            inside[monomial] = factor - whole
    more = _floor_of_rest(scope, inside)
    return made(scope, outside) + more


def _floor_of_rest(scope: Decides, inside: Terms) -> Any:
    products = {monomial: factor for monomial, factor in inside.items() if monomial}
    if not products:
        return 0
    atoms = scope.atoms
    if not all(atoms[index].whole for monomial in products for index in monomial):
        return scope.of("floor", (Size(scope, inside),))
    # (sum of a_i x_i + rest) / bottom, with whole a_i and x_i.
    bottom = math.lcm(*(Fraction(factor).denominator for factor in products.values()))
    tops = {monomial: int(factor * bottom) for monomial, factor in products.items()}
    rest = math.floor(inside.get((), 0) * bottom)
    leading = tops[min(tops)]
    if leading < 0:
        # floor(-x / q) = -ceil(x / q)
        flipped: Terms = {monomial: Fraction(-top, bottom) for monomial, top in tops.items()}
        flipped[()] = Fraction(bottom - 1 - rest, bottom)
        return -_floored(Size(scope, flipped))
    if any(not 0 < top < bottom for top in tops.values()):
        outside: Terms = {monomial: top // bottom for monomial, top in tops.items() if top // bottom}
        left: Terms = {monomial: Fraction(top % bottom, bottom) for monomial, top in tops.items() if top % bottom}
        left[()] = Fraction(rest, bottom)
        return made(scope, outside) + _floored(Size(scope, left))
    (only, top), *others = tops.items()
    if not others and top == 1 and len(only) == 1 and atoms[only[0]].kind == "floor":
        inner = atoms[only[0]].args[0]
        return math.floor((inner + rest) * Fraction(1, bottom))
    terms: Terms = {monomial: plain(Fraction(top, bottom)) for monomial, top in tops.items()}
    if rest:
        terms[()] = Fraction(rest, bottom)
    return scope.of("floor", (Size(scope, terms),))


def _exact(top: Size, bottom: Size) -> Any:
    """The quotient as an expression, also where it is one under the equalities that are known; None where it is not."""
    found = _divided(top, bottom)
    if found is None:
        above, below = top.scope.reduced(top), top.scope.reduced(bottom)
        if isinstance(above, Size) and isinstance(below, Size):
            return _divided(above, below)
    return found


def _divided(top: Size, bottom: Size) -> Any:
    """The quotient where it is an expression: the divisor is one product, or a multiple of the dividend; else None."""
    scope = top.scope
    if len(bottom.terms) == 1:
        ((product, factor),) = bottom.terms.items()
        terms: Terms = {}
        for monomial, one in top.terms.items():
            left = list(monomial)
            for index in product:
                if index not in left:
                    return None
                left.remove(index)
            terms[tuple(left)] = plain(Fraction(one) / factor)
        return made(scope, terms)
    # Long division by the leading product.
    lead = max(bottom.terms, key=lambda monomial: (len(monomial), monomial))
    quotient: Any = 0
    rest: Any = top
    for _ in range(64):
        if not isinstance(rest, Size):
            return quotient if rest == 0 else None
        high = max(rest.terms, key=lambda monomial: (len(monomial), monomial))
        left = list(high)
        for index in lead:
            if index not in left:
                return None
            left.remove(index)
        step = made(scope, {tuple(left): plain(Fraction(rest.terms[high]) / bottom.terms[lead])})
        quotient, rest = quotient + step, rest - step * bottom
    return None
