"""A limit on the cost of an operator, solved for a size or an option: `b < n k^2 / (n + k^2)`."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from flopcalc.algebra import sympy
from flopcalc.algebra.closed_form import ClosedForm, at_stride_1, closed_form, tidy
from flopcalc.algebra.comparison import values_of
from flopcalc.algebra.writing import text
from flopcalc.errors import FlopcalcError
from flopcalc.spec.operator import Evaluation, Operator
from flopcalc.spec.rules import EQUAL_CHANNELS

Expr = Any


class Asked(NamedTuple):
    """A limit `kind COMPARISON bound`, or on a ratio, to be solved for one name.

    name: a size (c_in, c_out, k, h, w, hw) or an option. strict: whether the bound itself does not meet the limit.
    base: what a ratio compares with: an operator with its options, or `baseline`; None for a cost. equal_channels:
    whether c_out follows c_in.
    """

    name: str
    kind: str
    bound: Fraction
    strict: bool
    base: tuple[Operator, Mapping[str, Any]] | str | None
    equal_channels: bool


class Solved(NamedTuple):
    """The limit solved for a name: as text in the names of this program, in the letters of the paper, and as a number.

    letters: what these letters mean, where they are other ones.
    """

    text: str
    in_letters: str
    letters: Mapping[str, str]
    at: str
    value: float


def solved(evaluation: Evaluation, asked: Asked, upper: bool, number: Fraction) -> Solved | None:
    """The limit as an inequality for one name, where its cost is a polynomial in it; None for any other.

    evaluation: the operator at the answer, `number`, which the inequality is compared with. upper: whether the name has
    an upper bound.
    """
    operator = evaluation.operator
    param = operator.param.get(asked.name)
    if param is not None and not param.letter:
        return None
    given = {name: evaluation.named[name] for name in evaluation.given if name != asked.name}
    lettered = {name: value for name, value in given.items() if not operator.param[name].letter}
    try:
        form = closed_form(operator, lettered)
        base = _base(form, asked)
    except FlopcalcError:
        return None
    cost = form.expand(form.cost(asked.kind))
    unknown = param.letter if param is not None else asked.name
    values = values_of(evaluation)
    expression = cost if base is None else sympy.cancel(at_stride_1(cost) / at_stride_1(base))
    expression, values = _renamed(expression, values, asked, unknown, operator)
    x = next((symbol for symbol in expression.free_symbols if symbol.name == unknown), None)
    if x is None or not _agrees(expression, values, evaluation, asked):
        return None
    bound = sympy.Rational(asked.bound.numerator, asked.bound.denominator)
    top = sympy.fraction(sympy.together(expression - bound))[0]
    if any(piece.has(x) for piece in expression.atoms(sympy.floor, sympy.ceiling, sympy.Max, sympy.Min)):
        return None
    if not top.is_polynomial(x) or sympy.degree(top, x) not in (1, 2):
        return None
    # A whole number would have no irrational bound.
    y = sympy.Dummy("y", positive=True)
    for root in sympy.solve(top.subs(x, y), y):
        numbers = {symbol: values[symbol.name] for symbol in root.free_symbols if symbol.name in values}
        at = root.subs(numbers)
        if (
            at.is_number
            and at.is_real
            and at > 0
            and _is_nearest(at, asked, upper, number, param is None or param.kind == "int")
        ):
            sign = ("<" if upper else ">") + ("" if asked.strict else "=")
            return _written(operator, x, sign, tidy(root), numbers, at)
    return None


def _base(form: ClosedForm, asked: Asked) -> Expr | None:
    if asked.base is None:
        return None
    if isinstance(asked.base, str):
        return form.baseline(asked.kind)
    other = closed_form(*asked.base)
    return other.expand(other.cost(asked.kind)).subs(other.defaults)


def _renamed(
    expression: Expr, values: dict[str, Any], asked: Asked, unknown: str, operator: Operator
) -> tuple[Expr, dict[str, Any]]:
    """Sizes that follow from another one as the same symbol, and one group as a number."""
    names: dict[str, str] = {}
    if asked.equal_channels or EQUAL_CHANNELS in operator.rules:
        names["c_out"] = "c_in"
    if unknown == "hw":
        names |= dict.fromkeys(("h", "w", "h_out", "w_out"), "hw")
    if unknown in ("h", "w"):
        names[f"{unknown}_out"] = unknown
    symbols = {symbol.name: symbol for symbol in expression.free_symbols}
    if "groups" in symbols and values["groups"] == 1:
        expression = expression.subs(symbols["groups"], 1)
    made = {name: sympy.Symbol(name, integer=True, positive=True) for name in names.values()}
    expression = expression.subs({symbols[old]: made[new] for old, new in names.items() if old in symbols})
    return expression, {**values, "hw": values["h"]}


def _agrees(expression: Expr, values: Mapping[str, Any], evaluation: Evaluation, asked: Asked) -> bool:
    """Whether the expression has the cost that the formula has."""
    found = expression.subs({symbol: values.get(symbol.name, symbol) for symbol in expression.free_symbols})
    if asked.base is not None:
        # The ratio was compared with the limit by the search.
        return bool(found.is_number)
    return bool(found == evaluation.total(asked.kind))


def _is_nearest(at: Expr, asked: Asked, upper: bool, number: Fraction, whole: bool) -> bool:
    """Whether the answer of the search is the last value that the inequality allows."""
    value = sympy.Rational(number.numerator, number.denominator)
    meets = (value < at if upper else value > at) if asked.strict else (value <= at if upper else value >= at)
    if not whole:
        return bool(meets)
    after = value + (1 if upper else -1)
    misses = (after >= at if upper else after <= at) if asked.strict else (after > at if upper else after < at)
    return bool(meets and misses)


def _written(operator: Operator, x: Expr, sign: str, root: Expr, numbers: Mapping[Expr, Any], at: Expr) -> Solved:
    used = {symbol.name: symbol for symbol in root.free_symbols | {x}}
    letters: dict[str, str] = {}
    for equation in operator.equations:
        found = {letter: name for letter, name in equation.letters.items() if name in used and letter not in used}
        # The letters of one equation, so that none has two meanings.
        if len(set(found.values())) == len(found) > len(letters):
            letters = found
    as_letters = {used[name]: sympy.Symbol(letter, positive=True) for letter, name in letters.items()}
    shown = f"{x.name} {sign} {text(root)}"
    lettered = f"{text(x.subs(as_letters))} {sign} {text(root.subs(as_letters))}"
    where = ", ".join(
        f"{symbol.name} = {value}" for symbol, value in sorted(numbers.items(), key=lambda pair: pair[0].name)
    )
    return Solved(shown, lettered, letters, where, float(at))
