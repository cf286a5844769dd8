"""Formulas that fail on symbols, such as those that call int() on a size: a clear error."""

from collections.abc import Iterator
from contextlib import contextmanager

from flopcalc.errors import FlopcalcError, reason
from flopcalc.spec.operator import Operator

_HINT = "write it without int(), if and comparisons: flopcalc.cost.arith has ceil_div, share, maximum and others"


@contextmanager
def on_symbols(operator: Operator) -> Iterator[None]:
    """Turn what a formula raises on symbols into a FlopcalcError (no-closed-form)."""
    try:
        yield
    except FlopcalcError:
        raise
    except Exception as error:
        why = f"its formula fails on symbols: {type(error).__name__}: {reason(error)}"
        raise no_closed_form(operator, why) from error


def no_closed_form(operator: Operator, why: str) -> FlopcalcError:
    """The error for an operator whose formula does not work on symbols."""
    return FlopcalcError("no-closed-form", f"{operator.name} has no closed form: {why}", _HINT)
