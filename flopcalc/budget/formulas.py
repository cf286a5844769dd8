"""Closed forms of operators for the lock file, and their differences as algebra. Loads SymPy."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from flopcalc import registry, symbolic
from flopcalc.budget.config import Config
from flopcalc.budget.lock import Formula
from flopcalc.errors import FlopcalcError, clip
from flopcalc.expression import evaluate, parse

# symbolic says what to do where SymPy is missing.
sympy: Any = symbolic.sympy  # type: ignore[attr-defined]

_ALWAYS = ("params", "macs")


class Present(NamedTuple):
    """A closed form as it is now. symbols: those it is written in, by name."""

    formula: Formula
    value: Any
    symbols: Mapping[str, Any]


def formulas(config: Config) -> Iterator[Present]:
    """The closed forms of the operators that a file names, all kinds that are not zero; of all our own without names.

    At stride 1 and default options; options that have a letter are symbols.
    """
    for name in config.formulas or registry.names():
        try:
            form = symbolic.closed_form(registry.get(name))
        except FlopcalcError as error:
            raise config.formulas_error(error) from None
        terms = {symbolic.text(symbol): symbolic.text(value) for symbol, value in form.definitions.items()}
        symbols = symbols_of(form)
        for kind in (*_ALWAYS, *symbolic.kinds_present(form.evaluation.cost)):
            value = form.cost(kind)
            yield Present(Formula(name, kind, symbolic.text(value), terms), form.expand(value), symbols)


def compare(before: Iterable[Formula], now: Iterable[Present]) -> Iterator[dict[str, Any]]:
    """One row for each locked or present closed form. difference: now - locked, as algebra, where both are there."""
    old = {(one.operator, one.kind): one for one in before}
    new = {(one.formula.operator, one.formula.kind): one for one in now}
    for key in dict.fromkeys((*old, *new)):
        was, one = old.get(key), new.get(key)
        difference = _difference(was, one) if was and one else None
        yield {
            "operator": key[0],
            "kind": key[1],
            "locked": was.text if was else None,
            "now": one.formula.text if one else None,
            "difference": difference,
            "terms": _changed_terms(was.terms, one.formula.terms) if was and one else [],
            "ok": difference == "0",
        }


def _changed_terms(was: Mapping[str, str], now: Mapping[str, str]) -> list[dict[str, str | None]]:
    """The values that a form is written in and that changed themselves."""
    names = [name for name in dict.fromkeys((*was, *now)) if was.get(name) != now.get(name)]
    return [{"name": name, "locked": was.get(name), "now": now.get(name)} for name in names]


def _difference(was: Formula, now: Present) -> str:
    if (was.text, was.terms) == (now.formula.text, now.formula.terms):
        return "0"
    try:
        return symbolic.text(subtract(now.value, read(was.text, was.terms, now.symbols)))
    except FlopcalcError as error:
        where = f"the {was.kind} of {was.operator} in the lock file"
        raise FlopcalcError(
            "bad-lock", f"{where}: {error.message}", "`flopcalc lock --update` writes it anew"
        ) from None


# A closed form has a few dozen terms; multiplying out many more takes minutes.
_MOST_TERMS = 500


def symbols_of(form: symbolic.ClosedForm) -> dict[str, Any]:
    """The symbols that a closed form may be written in, by name: of shape, options and derived values."""
    used: set[Any] = {*form.definitions, *form.defaults}
    used = used.union(*(sympy.sympify(value).free_symbols for value in form.definitions.values()))
    kinds = ("params", "macs", *symbolic.kinds_present(form.evaluation.cost))
    used = used.union(*(sympy.sympify(form.evaluation.cost.total(kind)).free_symbols for kind in kinds))
    return {symbol.name: symbol for symbol in used | symbolic.at_stride_1(sum(used)).free_symbols}


def read(written: str, terms: Mapping[str, str], symbols: Mapping[str, Any]) -> Any:
    """An expression as `text` writes it, with the terms in it spelled out. Raises FlopcalcError (bad-expression).

    A name that is not among the symbols becomes one of its own, of which nothing is known: a floor of it stays.
    """
    names = _Names(symbols)
    for name, meaning in terms.items():
        # Later terms may be written in earlier ones.
        names[name] = _read(meaning, names)
    return _read(written, names)


class _Names(dict[str, Any]):
    """Symbols by name, as they come."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> Any:
        return sympy.Symbol(name, positive=True)


def _read(written: str, names: Mapping[str, Any]) -> Any:
    # SymPy would execute a text.
    if not any(isinstance(node, ast.Constant) and isinstance(node.value, str) for node in ast.walk(parse(written))):
        with suppress(RecursionError):
            found = sympy.sympify(evaluate(written, names))
            if isinstance(found, sympy.Expr) and _terms(found) <= _MOST_TERMS:
                return found
    raise FlopcalcError("bad-expression", f"{clip(written)} is no formula of a sane size", "write it anew")


def _terms(expression: Any) -> int:
    """How many terms an expression has when it is multiplied out, at most."""
    if expression.is_Add:
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
    return sympy.Integer(0) if sympy.simplify(difference) == 0 else symbolic.tidy(difference)
