"""Closed forms of operators for the lock file, and their differences as expressions. Imports SymPy."""

from collections.abc import Iterator, Mapping
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


def operator_formulas(config: Config, names: tuple[str, ...]) -> Iterator[Present]:
    """The closed forms of operators: all kinds of cost that are not zero.

    At stride 1 and default options; options that have a letter are symbols.
    """
    for name in names:
        try:
            form = closed_form(lookup.get(name))
        except FlopcalcError as error:
            raise config.formulas_error(error) from None
        terms = {text(symbol): text(value) for symbol, value in form.definitions.items()}
        symbols = symbols_of(form)
        for kind in (*_ALWAYS, *kinds_present(form.evaluation.cost)):
            value = form.cost(kind)
            yield Present(Formula(name, kind, text(value), terms), form.expand(value), symbols)


def difference(was: Formula, now: Present, update: str) -> str:
    """Now - locked as an expression; "0" where they are equal. Raises FlopcalcError (bad-lock) for damaged text."""
    if (was.text, was.terms) == (now.formula.text, now.formula.terms):
        return "0"
    try:
        return text(subtract(now.value, read(was.text, was.terms, now.symbols)))
    except FlopcalcError as error:
        where = f"the {was.kind} of {was.operator} in the lock file"
        hint = f"restore it from version control, or write it again with `{update}`"
        raise FlopcalcError("bad-lock", f"{where}: {error.message}", hint) from None
