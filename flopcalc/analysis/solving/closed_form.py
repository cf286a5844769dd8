"""The answer for an operator as a formula, where its limit can be solved and SymPy is installed."""

from fractions import Fraction
from importlib import import_module
from typing import Any

from flopcalc.analysis.solving.numbers import Exact
from flopcalc.analysis.solving.question import BASELINE, Question
from flopcalc.analysis.solving.subjects import OneOperator
from flopcalc.analysis.solving.variables import Variable
from flopcalc.cost.cost import DTYPE_BYTES
from flopcalc.errors import FlopcalcError


def shown(question: Question, variable: Variable, number: Exact, largest: bool) -> dict[str, Any] | None:
    """The inequality that the only limit comes to, with its value; None where there is none.

    number: the answer, which the inequality must give too. largest: whether it is an upper bound.
    """
    subject = question.subject
    if not isinstance(subject, OneOperator) or len(question.limits) != 1 or variable.kind == "listed":
        return None
    (limit,) = question.limits
    if limit.comparison == "==" or limit.reads(BASELINE) or variable.key in ("batch", "stride", "padding", "dilation"):
        return None
    if variable.key == "k" and number % 2 == 0:
        # The output of an even kernel has another size, which the formula does not know.
        return None
    try:
        bound = limit.bound({})
        solving = import_module("flopcalc.algebra.solving")
    except FlopcalcError:
        # The other side is a cost, or SymPy is missing.
        return None
    base: Any = None
    if limit.ratio_to:
        base = BASELINE if limit.ratio_to == BASELINE else subject.bases[limit.ratio_to]
    elif limit.quantity == "traffic":
        bound /= DTYPE_BYTES[subject.dtype]
    equal = "c_out" not in subject.shape and variable.key != "c_out"
    asked = solving.Asked(variable.key, limit.quantity, bound, "=" not in limit.comparison, base, equal)
    found = solving.solved(subject.evaluation({variable.key: variable.value(number)}), asked, largest, Fraction(number))
    if found is None:
        return None
    return {
        "text": found.text,
        "in_letters": found.in_letters,
        "letters": dict(found.letters),
        "at": found.at,
        "bound": found.value,
    }
