"""Formulas that symbols cannot go through: those that raise, and those that silently take one branch of an `if`."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from flopcalc.algebra import sympy
from flopcalc.catalog.cases import shapes_for
from flopcalc.cost.geometry import out_size
from flopcalc.errors import FlopcalcError, reason
from flopcalc.spec.operator import Evaluation, Operator

if TYPE_CHECKING:
    from flopcalc.algebra.closed_form import ClosedForm

_HINT = "write it without int(), if and comparisons: flopcalc.cost.arith has ceil_div, share, maximum and others"
# The number of shapes on which a closed form is compared with its formula.
_SHAPES = 8


@contextmanager
def on_symbols(operator: Operator) -> Iterator[None]:
    """Turn what a formula raises on symbols into a FlopcalcError (no-closed-form)."""
    try:
        yield
    except FlopcalcError:
        raise
    except Exception as error:
        why = f"its formula fails on symbols: {type(error).__name__}: {reason(error)}"
        raise _no_closed_form(operator, why) from error


def check_on_numbers(form: "ClosedForm", given: dict[str, Any]) -> None:
    """Compare a closed form with its formula on a few shapes.

    SymPy counts a symbol as true, so an `if` in a formula takes one branch without an error.
    Raises FlopcalcError (no-closed-form) where the two differ.
    """
    for e in islice(_plain_cases(form.operator, given), _SHAPES):
        values = _values(e)
        for kind in ("params", "macs"):
            expression = form.expand(form.cost(kind))
            found = expression.subs({symbol: values.get(symbol.name, symbol) for symbol in expression.free_symbols})
            if found.is_number and found != e.cost.total(kind):
                why = f"on symbols its formula takes another branch than for {e.geometry}"
                raise _no_closed_form(form.operator, why)


def _plain_cases(operator: Operator, given: dict[str, Any]) -> Iterator[Evaluation]:
    """Evaluations on shapes that a closed form is about: one sample, a square kernel, stride 1 and one grid."""
    for g in shapes_for(operator, given):
        plain = g.k_h == g.k_w and g.n == 1 and not g.strided
        if not plain or (operator.size_out is out_size and (g.h, g.w) != (g.h_out, g.w_out)):
            continue
        try:
            yield operator.evaluate(g, given)
        except FlopcalcError as error:
            if error.code != "cannot-stand":
                raise


def _values(e: Evaluation) -> dict[str, Any]:
    """The numbers of an evaluation by the names of the symbols."""
    g = e.geometry
    sizes = ("c_in", "c_out", "h", "w", "h_out", "w_out", "groups")
    values: dict[str, Any] = {"k": g.k_w, **{name: getattr(g, name) for name in sizes}}
    for param in e.operator.params:
        value = e.named[param.stands_for or param.name]
        if param.letter and value is not None:
            values[param.letter] = sympy.sympify(value)
    return values


def _no_closed_form(operator: Operator, why: str) -> FlopcalcError:
    return FlopcalcError("no-closed-form", f"{operator.name} has no closed form: {why}", _HINT)
