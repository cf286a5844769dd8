"""Comparing closed forms with the formulas on numbers."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from flopcalc.algebra import sympy
from flopcalc.algebra.closed_form import ClosedForm
from flopcalc.algebra.on_symbols import no_closed_form
from flopcalc.catalog.cases import shapes_for
from flopcalc.cost.geometry import out_size
from flopcalc.errors import FlopcalcError
from flopcalc.spec.operator import Evaluation, Operator

# The number of shapes on which a closed form is compared with its formula.
_SHAPES = 8


def check_on_numbers(form: ClosedForm, given: dict[str, Any]) -> None:
    """Compare a closed form with its formula on a few shapes.

    SymPy counts a symbol as true, so an `if` in a formula takes one branch without an error.
    Raises FlopcalcError (no-closed-form) where the two differ.
    """
    for e in islice(_plain_cases(form.operator, given), _SHAPES):
        values = values_of(e)
        for kind in ("params", "macs"):
            expression = form.expand(form.cost(kind))
            found = expression.subs({symbol: values.get(symbol.name, symbol) for symbol in expression.free_symbols})
            if found.is_number and found != e.cost.total(kind):
                why = f"on symbols its formula takes another branch than for {e.geometry}"
                raise no_closed_form(form.operator, why)


def _plain_cases(operator: Operator, given: dict[str, Any]) -> Iterator[Evaluation]:
    """Evaluations on shapes that a closed form is about: one sample, a square kernel, stride 1 and one grid."""
    for g in shapes_for(operator, given):
        plain = g.k_h == g.k_w and g.batch == 1 and not g.strided
        if not plain or (operator.size_out is out_size and (g.h, g.w) != (g.h_out, g.w_out)):
            continue
        try:
            yield operator.evaluate(g, given)
        except FlopcalcError as error:
            if error.code != "cannot-stand":
                raise


def values_of(e: Evaluation) -> dict[str, Any]:
    """The numbers of an evaluation by the names of the symbols."""
    g = e.geometry
    sizes = ("c_in", "c_out", "h", "w", "h_out", "w_out", "groups")
    values: dict[str, Any] = {"k": g.k_w, **{name: getattr(g, name) for name in sizes}}
    for param in e.operator.params:
        value = e.named[param.stands_for or param.name]
        if param.letter and value is not None:
            values[param.letter] = sympy.sympify(value)
    return values
