"""The closed form of a network or of an operator, typeset."""

from collections.abc import Iterator, Mapping
from typing import Any

from flopcalc.analysis.form_record import form_record, python_source
from flopcalc.analysis.network_form import NetworkForm
from flopcalc.cost.kinds import KIND
from flopcalc.pages.gather import holds_here
from flopcalc.pages.layers import PRINTED
from flopcalc.pages.mathml import mathml
from flopcalc.pages.page import Forms, Formula
from flopcalc.report.document import Facts, Lines
from flopcalc.report.network_form import form_document, form_latex
from flopcalc.symbolic.writing import latex, latex_lines

LABELS = {"params": "Parameters", "macs": "MACs", "flops": "FLOPs"}
_MAIN = ("params", "macs")
# Lines that are shown before the rest is folded, and terms of a line.
_SHOWN, _TERMS = 4, 3


def network_forms(form: NetworkForm) -> Forms:
    """The cost of a network as expressions in its symbols, by stage too."""
    record = form_record(form)
    formulas = {
        kind: _folded(_label(kind), map(mathml, latex_lines(value, _TERMS))) for kind, value in form.cost.items()
    }
    document = form_document(record)
    parts = [
        [part.name, *(mathml(latex(part.cost[kind])) for kind in _MAIN), f"{known['share']:.1%}"]
        for part, known in zip(form.stages, record["parts"], strict=True)
    ]
    return Forms(
        symbols=[(mathml(name), meaning) for name, meaning in form.symbols.items()],
        main=[formulas[kind] for kind in _MAIN],
        definitions=[],
        others=[one for kind, one in formulas.items() if kind not in _MAIN],
        parts=parts if len(parts) > 1 else [],
        parts_on_paper=len(parts) <= PRINTED,
        per="stage",
        before=_before(form),
        elsewhere=not holds_here(form),
        blocks=[*_ratios(record), *(block for block in document.blocks if isinstance(block, Lines))],
        sources=[("Python", python_source(form)), ("LaTeX", form_latex(form))],
    )


def _before(form: NetworkForm) -> list[Formula]:
    """The same cost before replacement."""
    if form.baseline is None:
        return []
    return [_folded(LABELS[kind], map(mathml, latex_lines(form.baseline.cost[kind], _TERMS))) for kind in _MAIN]


def _ratios(record: Mapping[str, Any]) -> Iterator[Facts]:
    """The cost after replacement over that before: at the usual sizes, and for a large input."""
    if record["ratio"] is None:
        return
    at = ", ".join(f"{name} = {value}" for name, value in record["reference"].items())
    items = []
    for kind, ratio in record["ratio"].items():
        pieces = []
        if ratio["at_reference"] is not None:
            pieces.append(f"{ratio['at_reference']:.4f}" + (f" at {at}" if at else ""))
        if ratio["limit"] is not None:
            pieces.append(f"{ratio['limit_value']:.4f} = {ratio['limit']} for a large input")
        if pieces:
            items.append((LABELS[kind], "; ".join(pieces)))
    if items:
        yield Facts(items, "After / before the replacement")


def _label(kind: str) -> str:
    unit = KIND[kind].unit
    return LABELS[kind] if kind in LABELS else kind.capitalize() + ("" if unit == "operations" else f" ({unit})")


def _folded(name: str, lines: Iterator[str]) -> Formula:
    found = list(lines)
    # One line is not worth a fold.
    shown = len(found) if len(found) <= _SHOWN + 1 else _SHOWN
    return Formula(name, found[:shown], found[shown:])


def operator_forms(record: Mapping[str, Any], baseline: str) -> Forms:
    """The cost of an operator as algebra, its ratio to a plain convolution, and the limit of the ratio.

    record: of `flopcalc.algebra.formula_record`, in LaTeX.
    """
    main = []
    for kind, cost in record["cost"].items():
        main.append(Formula(LABELS[kind], [mathml(cost["exact"])]))
        main.append(Formula(f"{LABELS[kind]} / {baseline}", list(_ratio(cost))))
    return Forms(
        symbols=[],
        main=main,
        definitions=[(mathml(symbol), mathml(value)) for symbol, value in record["definitions"].items()],
        others=[Formula(_label(kind), [mathml(value)]) for kind, value in record["kinds"].items()],
        parts=[],
        parts_on_paper=False,
        per="",
        before=[],
        elsewhere=False,
        blocks=list(_about(record)),
        sources=[],
    )


def _ratio(cost: Mapping[str, Any]) -> Iterator[str]:
    yield mathml(cost["ratio"])
    if cost["limit"] is not None:
        limit = rf"\to {cost['limit']}"
        if cost["limit_value"] is not None and cost["limit_at_defaults"] != cost["limit"]:
            limit += rf" = {cost['limit_value']:.4f} \quad \text{{at }} {cost['limit_where']}"
        yield mathml(rf"{limit} \quad \text{{for }} c_{{\mathrm{{in}}}} = c_{{\mathrm{{out}}}} \to \infty")


def _about(record: Mapping[str, Any]) -> Iterator[Facts | Lines]:
    facts = []
    if not record["any_stride"]:
        facts.append(("stride", "1; at another stride the block has other branches and another cost"))
    for label, key in (("given", "given"), ("at defaults", "fixed")):
        if record[key]:
            facts.append((label, ", ".join(f"{name} = {value}" for name, value in record[key].items())))
    if facts:
        yield Facts(facts, "Where it holds")
