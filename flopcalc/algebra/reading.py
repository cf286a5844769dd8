"""Expressions from their text, safely, and their difference."""

import ast
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from flopcalc.algebra import sympy
from flopcalc.algebra.closed_form import ClosedForm, at_stride_1, kinds_present, tidy
from flopcalc.errors import FlopcalcError, clip
from flopcalc.text.expression import evaluate, parse

# A closed form has a few dozen terms; multiplying out many more takes minutes.
_MOST_TERMS = 500


def symbols_of(form: ClosedForm) -> dict[str, Any]:
    """The symbols that a closed form may be written in, by name: of shape, options and derived values."""
    used: set[Any] = {*form.definitions, *form.defaults}
    used = used.union(*(sympy.sympify(value).free_symbols for value in form.definitions.values()))
    kinds = ("params", "macs", *kinds_present(form.evaluation.cost))
    used = used.union(*(sympy.sympify(form.evaluation.cost.total(kind)).free_symbols for kind in kinds))
    return {symbol.name: symbol for symbol in used | at_stride_1(sum(used)).free_symbols}


def read(written: str, terms: Mapping[str, str], symbols: Mapping[str, Any]) -> Any:
    """An expression as `text` writes it, with its terms written out. Raises FlopcalcError (bad-expression).

    A name that is not among the symbols becomes a new symbol without assumptions: a floor of it stays.
    """
    names = _Names(symbols)
    for name, meaning in terms.items():
        # Later terms may be written in earlier ones.
        names[name] = _read(meaning, names)
    return _read(written, names)


class _Names(dict[str, Any]):
    """Symbols by name; an unknown name becomes a new symbol."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> Any:
        return sympy.Symbol(name, positive=True)


def _read(written: str, names: Mapping[str, Any]) -> Any:
    # SymPy would execute a string.
    if not any(isinstance(node, ast.Constant) and isinstance(node.value, str) for node in ast.walk(parse(written))):
        with suppress(RecursionError):
            found = sympy.sympify(evaluate(written, names))
            if isinstance(found, sympy.Expr) and _terms(found) <= _MOST_TERMS:
                return found
    raise FlopcalcError("bad-expression", f"{clip(written)} is not a formula, or it is too long", "correct it")


def _terms(expression: Any) -> int:
    """An upper bound of the number of terms of an expression when it is multiplied out."""
    if expression.is_Add or isinstance(expression, sympy.Max | sympy.Min):
        return sum(map(_terms, expression.args))
    if expression.is_Pow and expression.exp.is_Integer:
        return int(min(_terms(expression.base), 10**6) ** min(abs(int(expression.exp)), 100))
    found = 1
    for one in expression.args:
        found = min(found * max(_terms(one), 1), 10**9)
    return found


def subtract(a: Any, b: Any) -> Any:
    """A - b in a readable form: 0 where both are the same function."""
    difference = sympy.expand(a - b)
    return sympy.Integer(0) if sympy.simplify(difference) == 0 else tidy(difference)
