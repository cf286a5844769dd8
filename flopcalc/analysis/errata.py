"""What the sources get wrong, each with its evidence computed now."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

from flopcalc import api, networks, registry
from flopcalc.analysis.cases import cases
from flopcalc.analysis.equations import GIVES_TEXT, quantity, read
from flopcalc.analysis.layer import plain
from flopcalc.expression import evaluate
from flopcalc.networks.replace import replace_convolutions
from flopcalc.operator import Operator
from flopcalc.provenance import Equation, Evidence

Row = dict[str, Any]


def errata(operators: Iterable[Operator]) -> Iterator[Row]:
    """Every wrong, asymptotic or ambiguous equation, then what is wrong in words and figures."""
    for operator in operators:
        for equation in operator.equations:
            if equation.status != "printed":
                yield _of_equation(operator, equation)
        for erratum in operator.errata:
            yield {
                "operator": operator.name,
                "paper": (erratum.paper or operator.paper).short,
                "where": erratum.where,
                "kind": "statement",
                "printed": erratum.printed,
                "right": erratum.right,
                "why": "",
                "evidence": [{"what": one.what, "value": plain_value(computed(one))} for one in erratum.evidence],
            }


def _of_equation(operator: Operator, equation: Equation) -> Row:
    gives = GIVES_TEXT.get(equation.gives, equation.gives)
    return {
        "operator": operator.name,
        "paper": (equation.paper or operator.paper).short,
        "where": equation.label,
        "kind": equation.status,
        "printed": f"{gives} = {equation.text}",
        "right": f"{gives} = {equation.right}",
        "why": equation.why,
        "evidence": _at_a_shape(operator, equation),
    }


def _at_a_shape(operator: Operator, equation: Equation) -> list[Row]:
    """Both forms at the first shape of the usual spread where they differ."""
    for evaluation in cases(operator):
        reading = read(equation, evaluation)
        if not reading.reason and reading.printed != reading.right:
            where = f"{evaluation.label()} {evaluation.geometry}"
            return [
                {"what": f"as printed, {where}", "value": plain_value(reading.printed)},
                {"what": "the other form", "value": plain_value(reading.right)},
                {"what": "used here", "value": plain_value(reading.value)},
            ]
    return []


def computed(evidence: Evidence) -> Any:
    """The number that an evidence describes."""
    if evidence.expression:
        return evaluate(evidence.expression, {})
    if evidence.network:
        network = networks.load(evidence.network)
        if evidence.replace:
            network = replace_convolutions(network, *registry.parse(evidence.replace)).network
        return network.total(evidence.field)
    layer = api.layer(evidence.operator, **evidence.shape)
    if evidence.field.startswith("part:"):
        name = evidence.field.removeprefix("part:")
        return next(part.params for part in layer.cost if part.name == name)
    return quantity(layer, evidence.field)


def plain_value(value: Any) -> Any:
    """Ints stay exact; other fractions become the decimal that one compares with print."""
    return round(float(value), 6) if isinstance(value, Fraction) and value.denominator != 1 else plain(value)
