"""Closed forms of the networks of a file of targets for its lock file, and their differences as expressions."""

import os
from collections.abc import Iterator, Mapping
from contextlib import chdir
from typing import Any, NamedTuple

from flopcalc.analysis.closed_forms import network_form
from flopcalc.analysis.network_form import NetworkForm
from flopcalc.budget.config import Budget, Config
from flopcalc.budget.lock import Formula
from flopcalc.cost.kinds import KINDS
from flopcalc.errors import FlopcalcError, clip
from flopcalc.symbolic.scope import Scope
from flopcalc.symbolic.size import Size
from flopcalc.symbolic.writing import text
from flopcalc.text.expression import evaluate

# In the lock file, in front of the name of a target, since an operator may have the same name.
PREFIX = "network "
# The definition under which a lock file has the conditions of a form.
VALID = "valid"
_LONGEST = 100_000


class PresentForm(NamedTuple):
    """The closed form of one kind of cost as it is now. scope: of its symbols."""

    formula: Formula
    value: Any
    scope: Scope


def named_targets(config: Config) -> list[Budget]:
    """The networks whose forms are locked: those that `formulas` names, or all."""
    networks = [one for one in config.targets if one.target.kind == "network"]
    if config.formulas.which == "all":
        return networks
    return [one for one in networks if one.name in config.formulas.names]


def network_formulas(config: Config) -> Iterator[PresentForm]:
    """The closed forms of the networks that a file asks for, in batch, height and width: all kinds of cost.

    With `formulas: all`, a network without a closed form is left out. Raises FlopcalcError for one that is named.
    """
    for one in named_targets(config):
        try:
            with chdir(os.path.dirname(one.path) or "."):
                form = network_form(one.target)
        except FlopcalcError as error:
            if config.formulas.which == "all" and error.code in {"no-closed-form", "missing-package"}:
                continue
            raise config.formulas_error(error) from None
        yield from _present(one.name, form)


def _present(name: str, form: NetworkForm) -> Iterator[PresentForm]:
    terms = {VALID: " and ".join(_conditions(form)) or "all sizes"}
    for kind in KINDS:
        value = form.cost[kind]
        if isinstance(value, Size) or value:
            yield PresentForm(Formula(f"{PREFIX}{name}", kind, text(value), terms), value, form.scope)


def _conditions(form: NetworkForm) -> list[str]:
    return [f"{one.size} == {one.value}" for one in form.fixed] + [one.condition for one in form.requirements]


def difference(was: Formula, now: PresentForm, update: str) -> str:
    """Now - locked as an expression; "0" where they are equal. Raises FlopcalcError (bad-lock) for damaged text."""
    if (was.text, was.terms) == (now.formula.text, now.formula.terms):
        return "0"
    try:
        before = read_expression(was.text, now.scope)
    except FlopcalcError as error:
        where = f"the {was.kind} of {was.operator} in the lock file"
        hint = f"restore it from version control, or write it again with `{update}`"
        raise FlopcalcError("bad-lock", f"{where}: {error.message}", hint) from None
    with now.scope.holding():
        found = now.value - before
        equal = found == 0
    if equal and was.terms.get(VALID) != now.formula.terms.get(VALID):
        return f"0, where it holds: {now.formula.terms.get(VALID)}"
    return "0" if equal else text(found)


def read_expression(written: str, scope: Scope) -> Any:
    """An expression as `text` writes it, in the symbols of a scope. Raises FlopcalcError (bad-expression)."""
    names: Mapping[str, Any] = {name: scope.symbol(name) for name in scope.hints}
    value = evaluate(written, names, longest=_LONGEST)
    if isinstance(value, bool) or (not isinstance(value, int | Size) and not hasattr(value, "denominator")):
        raise FlopcalcError("bad-expression", f"{clip(written)} is not a formula", "correct it")
    return value
