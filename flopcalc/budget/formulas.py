"""Closed forms of operators for the lock file, and their differences as algebra. Loads SymPy."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sympy

from flopcalc import registry, symbolic
from flopcalc.budget.lock import Formula
from flopcalc.errors import FlopcalcError
from flopcalc.expression import evaluate

_ALWAYS = ("params", "macs")


def formulas(names: Sequence[str]) -> Iterator[Formula]:
    """The closed forms of operators, all kinds that are not zero; of all our own without names."""
    for name in names or registry.names():
        form = symbolic.closed_form(registry.get(name))
        terms = {symbolic.text(symbol): symbolic.text(value) for symbol, value in form.definitions.items()}
        for kind in (*_ALWAYS, *symbolic.kinds_present(form.evaluation.cost)):
            yield Formula(name, kind, symbolic.text(form.cost(kind)), terms)


def compare(before: Iterable[Formula], now: Iterable[Formula]) -> Iterator[dict[str, Any]]:
    """One row for each locked or present closed form. difference: now - locked, as algebra, where both are there."""
    old = {(one.operator, one.kind): one for one in before}
    new = {(one.operator, one.kind): one for one in now}
    for key in dict.fromkeys((*old, *new)):
        was, one = old.get(key), new.get(key)
        difference = _difference(was, one) if was and one else None
        yield {
            "operator": key[0],
            "kind": key[1],
            "locked": was.text if was else None,
            "now": one.text if one else None,
            "difference": difference,
            "ok": difference == "0",
        }


def _difference(was: Formula, now: Formula) -> str:
    if (was.text, was.terms) == (now.text, now.terms):
        return "0"
    difference = sympy.simplify(sympy.expand(_spelled(now) - _spelled(was)))
    return "0" if difference == 0 else symbolic.text(symbolic.tidy(difference))


class _Symbols(dict[str, Any]):
    """Names as symbols, as they come."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> Any:
        return sympy.Symbol(name, integer=True, positive=True)


def _spelled(formula: Formula) -> Any:
    """The formula in the symbols of shape and options alone."""
    symbols = _Symbols()
    try:
        # Later terms may be written in earlier ones.
        for name, text in formula.terms.items():
            symbols[name] = sympy.sympify(evaluate(text, symbols))
        return sympy.sympify(evaluate(formula.text, symbols))
    except FlopcalcError as error:
        where = f"the {formula.kind} of {formula.operator} in the lock file"
        raise FlopcalcError(
            "bad-lock", f"{where}: {error.message}", "`flopcalc lock --update` writes it anew"
        ) from None
