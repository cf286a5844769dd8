"""The closed form of an operator as plain data: the JSON contract `flopcalc/formula/1`."""

from math import prod
from typing import Any

from flopcalc.algebra.closed_form import ClosedForm, kinds_present, prove
from flopcalc.algebra.writing import latex, text
from flopcalc.catalog.cases import shapes_for
from flopcalc.cost.kinds import KIND
from flopcalc.errors import FlopcalcError
from flopcalc.spec.operator import Operator, show
from flopcalc.spec.source import GIVES_TEXT
from flopcalc.text.expression import to_latex

QUANTITIES = ("params", "macs")


def check_somewhere(operator: Operator, given: dict[str, Any]) -> None:
    """Raise the first error if the operator applies to no shape with these options."""
    # Lists may fix the channels, such as the dims of a torus.
    fixed = [operator.geometry(prod(value), None, given) for value in given.values() if isinstance(value, tuple)]
    shapes = [*fixed, *shapes_for(operator, given)]
    refused: FlopcalcError | None = None
    for shape in shapes:
        try:
            operator.evaluate(shape, given)
            return
        except FlopcalcError as error:
            refused = refused or error
    if refused is not None:
        raise refused


def formula_record(form: ClosedForm, style: str) -> dict[str, Any]:
    """The record that `flopcalc formula` shows, ready for JSON. style: text or latex."""
    write = latex if style == "latex" else text
    operator = form.operator
    printed = to_latex if style == "latex" else str
    record: dict[str, Any] = {
        "schema": "flopcalc/formula/1",
        "type": operator.name,
        "given": {name: show(form.evaluation.named[name]) for name in form.evaluation.given},
        "fixed": {name: show(value) for name, value in form.fixed.items()},
        "definitions": {write(symbol): write(value) for symbol, value in form.definitions.items()},
        "defaults": {write(symbol): write(value) for symbol, value in form.defaults.items()},
        # Sizes in channels that do not grow with the channels, such as a neighbourhood.
        "kept": [
            p.letter for p in operator.params if p.kind == "ints" and p.letter and p.name not in form.evaluation.given
        ],
        "any_stride": form.holds_at_any_stride,
        "cost": {},
        "kinds": {kind: write(form.cost(kind)) for kind in kinds_present(form.evaluation.cost)},
        "units": {kind: KIND[kind].unit for kind in (*QUANTITIES, *kinds_present(form.evaluation.cost))},
        "equations": [],
    }
    fixed = any(isinstance(form.evaluation.named[name], tuple) for name in form.evaluation.given)
    for kind in QUANTITIES:
        if fixed:
            record["cost"][kind] = {"exact": write(form.cost(kind)), "ratio": write(form.ratio(kind)), "limit": None}
            continue
        limit = form.limit(kind)
        default = form.at_defaults(limit)
        record["cost"][kind] = {
            "exact": write(form.cost(kind)),
            "ratio": write(form.ratio(kind)),
            "limit": write(limit),
            "limit_at_defaults": write(default),
            "limit_value": float(default) if default.is_number else None,
            "limit_where": ", ".join(
                f"{symbol} = {value}" for symbol, value in form.settings.items() if symbol in limit.free_symbols
            ),
        }
    for equation in operator.equations:
        proof = prove(form, equation)
        record["equations"].append(
            {
                "number": equation.number,
                "label": equation.label,
                "gives": GIVES_TEXT.get(equation.gives, equation.gives),
                "status": equation.status,
                "printed": printed(equation.text),
                "right": printed(equation.right) if equation.right else None,
                "why": equation.why,
                "printed_equals_derived": proof.equals if proof else None,
                "right_equals_derived": proof.right_equals if proof else None,
                "applies": proof is not None,
                "given": {name: show(value) for name, value in equation.given.items() if name in operator.param},
                "domain": equation.domain_text,
            }
        )
    return record
