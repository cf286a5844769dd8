"""Errors in the sources, each with evidence that is computed on each run."""

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import Any

from flopcalc.catalog.cases import cases
from flopcalc.catalog.layer import layer as evaluate_layer
from flopcalc.networks.library import network
from flopcalc.published.compare import Comparison, compare, witnessed
from flopcalc.published.tables import Published
from flopcalc.spec.equations import quantity, read
from flopcalc.spec.layer_record import plain_value
from flopcalc.spec.operator import Operator
from flopcalc.spec.source import GIVES_TEXT, Equation, Evidence
from flopcalc.text.expression import evaluate

Row = dict[str, Any]


def errata(operators: Iterable[Operator]) -> Iterator[Row]:
    """Every wrong, asymptotic or ambiguous equation of the operators, and the wrong statements of their papers."""
    for operator in operators:
        for equation in operator.equations:
            if equation.status != "printed":
                yield _of_equation(operator, equation)
        for erratum in operator.errata:
            yield {
                "operator": operator.name,
                "source": None,
                "paper": (erratum.paper or operator.paper).short,
                "where": erratum.where,
                "kind": "statement",
                "printed": erratum.printed,
                "right": erratum.right,
                "why": "",
                "evidence": [_evidence(one) for one in erratum.evidence],
            }


def _evidence(one: Evidence) -> Row:
    row = {"what": one.what, "value": plain_value(computed(one))}
    return row | {"source": one.source} if one.source else row


def wrong_figures(sources: Iterable[Published]) -> Iterator[Row]:
    """The wrong figures in tables of papers; figures with the same reason are one row."""
    for source in sources:
        found = [one for one in map(compare, source.figures_stated("misprint")) if one.verdict == "misprint"]
        for why in dict.fromkeys(one.why for one in found):
            yield _of_figures(source, why, [one for one in found if one.why == why])


def _of_figures(source: Published, why: str, found: list[Comparison]) -> Row:
    def each(text: Callable[[Comparison], str]) -> str:
        """The text of one figure; of several figures, each text after its row and quantity."""
        shown = [(f"{one.figure.row}, {one.figure.quantity}", text(one)) for one in found]
        return "; ".join(f"{what}: {text}" for what, text in shown) if len(found) > 1 else shown[0][1]

    evidence = []
    for one in found:
        place = f"{one.figure.row}, {one.figure.quantity}"
        evidence.append({"what": f"{place}: {one.how}", "value": plain_value(one.value)})
        for witness in one.figure.evidence:
            fits = " (the printed digits)" if witness.fits else ""
            value = plain_value(witnessed(one.figure, witness))
            evidence.append({"what": f"{place}: {witness.what}{fits}", "value": value})
    first = found[0].figure
    tables = ", ".join(dict.fromkeys(one.figure.table for one in found))
    return {
        "operator": source.operator or None,
        "source": source.key,
        "paper": source.paper.short,
        "where": f"table {tables}" + (f": {first.row}, {first.quantity}" if len(found) == 1 else ""),
        "kind": "figure",
        "printed": each(lambda one: one.figure.printed.text),
        "right": each(lambda one: one.figure.printed.like(one.value or 0)),
        "why": why,
        "evidence": evidence,
    }


def _of_equation(operator: Operator, equation: Equation) -> Row:
    gives = GIVES_TEXT.get(equation.gives, equation.gives)
    return {
        "operator": operator.name,
        "source": None,
        "paper": (equation.paper or operator.paper).short,
        "where": equation.label,
        "kind": equation.status,
        "printed": f"{gives} = {equation.text}",
        "right": f"{gives} = {equation.right}",
        "why": equation.why,
        "evidence": _at_a_shape(operator, equation),
    }


def _at_a_shape(operator: Operator, equation: Equation) -> list[Row]:
    """The values of both forms at the first test shape where they differ."""
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
    """The number that a piece of evidence describes."""
    if evidence.expression:
        return evaluate(evidence.expression, {})
    if evidence.network:
        total = network(evidence.network, **evidence.shape).total(evidence.field)
        return (
            Fraction(total, network(evidence.network, **evidence.over).total(evidence.field))
            if evidence.divided
            else total
        )
    layer = evaluate_layer(evidence.operator, **evidence.shape)
    if evidence.field.startswith("part:"):
        name = evidence.field.removeprefix("part:")
        return next(part.params for part in layer.cost if part.name == name)
    return quantity(layer, evidence.field)
