"""Closed forms of operators for the lock file, and their differences as expressions. Imports SymPy."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from flopcalc.algebra.closed_form import closed_form, kinds_present
from flopcalc.algebra.reading import read, subtract, symbols_of
from flopcalc.algebra.writing import text
from flopcalc.budget.config import Config
from flopcalc.budget.lock import Formula
from flopcalc.catalog import lookup
from flopcalc.errors import FlopcalcError

_ALWAYS = ("params", "macs")


class Present(NamedTuple):
    """A closed form as it is now. symbols: those that it contains, by name."""

    formula: Formula
    value: Any
    symbols: Mapping[str, Any]


def formulas(config: Config) -> Iterator[Present]:
    """The closed forms of the operators that a file asks for: all kinds of cost that are not zero.

    At stride 1 and default options; options that have a letter are symbols.
    """
    for name in lookup.names() if config.formulas.which == "all" else config.formulas.names:
        try:
            form = closed_form(lookup.get(name))
        except FlopcalcError as error:
            raise config.formulas_error(error) from None
        terms = {text(symbol): text(value) for symbol, value in form.definitions.items()}
        symbols = symbols_of(form)
        for kind in (*_ALWAYS, *kinds_present(form.evaluation.cost)):
            value = form.cost(kind)
            yield Present(Formula(name, kind, text(value), terms), form.expand(value), symbols)


def compare(before: Iterable[Formula], now: Iterable[Present], update: str) -> Iterator[dict[str, Any]]:
    """One row for each locked or present closed form. difference: now - locked as an expression, None without both.

    update: the command that writes the lock file again, for the hint of an error.
    """
    old = {(one.operator, one.kind): one for one in before}
    new = {(one.formula.operator, one.formula.kind): one for one in now}
    for key in dict.fromkeys((*old, *new)):
        was, one = old.get(key), new.get(key)
        difference = _difference(was, one, update) if was and one else None
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
    """The definitions of symbols that differ."""
    names = [name for name in dict.fromkeys((*was, *now)) if was.get(name) != now.get(name)]
    return [{"name": name, "locked": was.get(name), "now": now.get(name)} for name in names]


def _difference(was: Formula, now: Present, update: str) -> str:
    if (was.text, was.terms) == (now.formula.text, now.formula.terms):
        return "0"
    try:
        return text(subtract(now.value, read(was.text, was.terms, now.symbols)))
    except FlopcalcError as error:
        where = f"the {was.kind} of {was.operator} in the lock file"
        hint = f"restore it from version control, or write it again with `{update}`"
        raise FlopcalcError("bad-lock", f"{where}: {error.message}", hint) from None
