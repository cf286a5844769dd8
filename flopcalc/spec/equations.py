"""Printed equations, evaluated at one shape and compared with the formula."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from flopcalc.errors import FlopcalcError
from flopcalc.spec.operator import Evaluation
from flopcalc.spec.source import Equation
from flopcalc.text.expression import evaluate


def quantity(evaluation: Evaluation, gives: str) -> Any:
    """The quantity that an equation computes, from the formula: per sample, exact."""
    cost, n = evaluation.cost, evaluation.geometry.batch
    match gives:
        case "macs" | "params":
            return _per_sample(cost.total(gives), gives, n)
        case "baseline_macs" | "baseline_params":
            kind = gives.removeprefix("baseline_")
            return _per_sample(evaluation.baseline.total(kind), kind, n)
        case "macs_ratio" | "params_ratio":
            kind = gives.removesuffix("_ratio")
            return _over(cost.total(kind), evaluation.baseline.total(kind))
        case "speedup":
            return _over(evaluation.baseline.macs, cost.macs)
        case "compression":
            return _over(evaluation.baseline.params, cost.params)
    if " of " in gives:
        return _part_of_cost(evaluation, *gives.split(" of "))
    return evaluation.named[gives]


def _part_of_cost(evaluation: Evaluation, kind: str, name: str) -> Any:
    """One kind of one part and of its sub-parts: `macs of routing` sums routing.fc and the like."""
    found = [part for part in evaluation.cost if part.name.split(".")[0] == name]
    return _per_sample(sum(getattr(part, kind) for part in found), kind, evaluation.geometry.batch)


def _per_sample(value: Any, kind: str, n: Any) -> Any:
    if kind == "params":
        return value
    return value // n if isinstance(value, int) else value / n


def _over(a: Any, b: Any) -> Any:
    return Fraction(a, b) if isinstance(a, int) and isinstance(b, int) else a / b


class Reading(NamedTuple):
    """An equation at one shape.

    value: that of the formula. printed, right: those of the equation's two forms; None where a form is missing.
    reason: why the equation does not apply to this shape; empty where it does.
    """

    equation: Equation
    value: Any = None
    printed: Any = None
    right: Any = None
    reason: str = ""

    @property
    def consistent(self) -> bool:
        """Whether formula and printed form agree, or differ exactly as the equation's status says."""
        match self.equation.status:
            case "printed":
                return bool(self.value == self.printed)
            case "open":
                return self.value in (self.printed, self.right)
        return bool(self.value == self.right)


def readings(evaluation: Evaluation) -> Iterator[Reading]:
    """Every equation of the operator at this shape."""
    return (read(equation, evaluation) for equation in evaluation.operator.equations)


def read(equation: Equation, evaluation: Evaluation) -> Reading:
    """One equation at one shape, or the reason why it does not apply."""
    named = evaluation.named
    for name, value in equation.given.items():
        if named[name] != value:
            hidden = name not in evaluation.operator.param
            reason = f"it holds for {equation.domain_text}" if hidden else _spoken_for(name, value)
            return Reading(equation, reason=reason)
    names = shape_names(evaluation)
    for name, size in equation.sizes.items():
        if names.get(name) != names.get(size, size):
            return Reading(equation, reason=f"it holds for {name} = {size}")
    letters = {letter: names[name] for letter, name in equation.letters.items() if name in names}
    for letter, name in equation.letters.items():
        if letter not in letters:
            return Reading(equation, reason=f"it has one {name} for both axes")
    if equation.domain is not None and not equation.domain(evaluation.geometry, named):
        return Reading(equation, reason=f"it holds for {equation.domain_text}")

    def form(text: str) -> Any:
        value = equation_value(equation, text, letters) if text else None
        return value // 1 if equation.floor and value is not None else value

    return Reading(equation, quantity(evaluation, equation.gives), form(equation.text), form(equation.right))


def equation_value(equation: Equation, text: str, letters: Mapping[str, Any]) -> Any:
    """One form of an equation. Raises FlopcalcError (bad-expression) with the equation's number."""
    try:
        return evaluate(text, letters)
    except FlopcalcError as error:
        hint = f"{error.hint}; `letters` of the equation says what each letter means"
        raise FlopcalcError(error.code, f"{equation.label}: {error.message}", hint) from error


def shape_names(evaluation: Evaluation) -> dict[str, Any]:
    """All names that a letter can be mapped to; k and stride only where both axes have the same."""
    g = evaluation.geometry
    names = dict(evaluation.named)
    names.update(c_in=g.c_in, c_out=g.c_out, h=g.h, w=g.w, h_out=g.h_out, w_out=g.w_out, groups=g.groups, batch=g.batch)
    if g.k_h == g.k_w:
        names["k"] = g.k_h
    if g.stride_h == g.stride_w:
        names["stride"] = g.stride_h
    return names


def _spoken_for(name: str, value: object) -> str:
    return f"it holds for {name} = {'unset' if value is None else str(value).lower()}"
