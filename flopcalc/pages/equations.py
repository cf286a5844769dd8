"""Where the formulas are from: printed equations with their status, wrong statements with evidence, and citations."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from flopcalc.pages.mathml import mathml
from flopcalc.pages.page import Citation, Printed, Provenance, Statement
from flopcalc.published.errata import errata
from flopcalc.report import citation
from flopcalc.report.document import people
from flopcalc.spec.operator import Operator, show
from flopcalc.spec.source import GIVES_TEXT, STATUS_TEXT, Equation, Paper
from flopcalc.text.expression import to_latex

_RIGHT = {"corrected": "corrected", "asymptotic": "exact", "open": "other reading"}


def provenance(
    operators: Sequence[Operator], used: Mapping[str, str], proofs: Sequence[Mapping[str, Any]] = ()
) -> list[Provenance]:
    """The operators with printed equations or known errors. used: by name, where each is in the network.

    proofs: of one operator, what algebra says about each of its equations.
    """
    return [
        _of_operator(operator, used.get(operator.name, ""), proofs)
        for operator in operators
        if operator.equations or operator.errata
    ]


def _of_operator(operator: Operator, used: str, proofs: Sequence[Mapping[str, Any]]) -> Provenance:
    # In the order of the equations; evidence is computed now.
    rows = list(errata([operator]))
    wrong = iter([row for row in rows if row["kind"] != "statement"])
    printed: dict[Printed, None] = {}
    for place, equation in enumerate(operator.equations):
        evidence = next(wrong)["evidence"] if equation.status != "printed" else []
        proof = proofs[place] if proofs else None
        printed[_printed(equation, operator, evidence, proof)] = None
    return Provenance(
        name=operator.name,
        title=operator.title,
        used=used,
        paper=operator.paper.short,
        equations=list(printed),
        statements=[
            Statement(row["where"], row["printed"], row["right"], tuple(_evidence(row["evidence"])))
            for row in rows
            if row["kind"] == "statement"
        ],
    )


def _printed(
    equation: Equation, operator: Operator, evidence: Sequence[Mapping[str, Any]], proof: Mapping[str, Any] | None
) -> Printed:
    given = [f"{name} = {show(value)}" for name, value in equation.given.items() if name in operator.param]
    sizes = [f"{name} = {size}" for name, size in equation.sizes.items()]
    where = [*given, *sizes, *([equation.domain_text] if equation.domain_text else [])]
    other = f"{equation.paper.short}, " if equation.paper and equation.paper.key != operator.paper.key else ""
    return Printed(
        label=other + equation.label,
        gives=GIVES_TEXT.get(equation.gives, equation.gives),
        where=", ".join(where),
        printed=mathml(to_latex(equation.text)),
        status=equation.status,
        meaning=STATUS_TEXT[equation.status],
        label_of_right=_RIGHT.get(equation.status, ""),
        right=mathml(to_latex(equation.right)) if equation.right else "",
        why=equation.why,
        values=(*_evidence(evidence), *_proof(equation, proof)),
    )


def _evidence(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for row in rows:
        source = f" ({row['source']})" if row.get("source") else ""
        yield people(row["value"]), f"{row['what']}{source}"


def _proof(equation: Equation, proof: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """What algebra says, where the equation could be compared with the derived form."""
    if proof is None or not proof["applies"]:
        return
    if proof["printed_equals_derived"]:
        yield "proved", "the printed form equals the form derived from the structure"
    elif proof["right_equals_derived"]:
        yield "proved", f"the {_RIGHT[equation.status]} form equals the form derived from the structure"


def citations(operators: Sequence[Operator]) -> list[Citation]:
    """The papers of the operators, of their equations and of the statements on them, each once."""
    papers: dict[str, Paper] = {}
    for operator in operators:
        further = (*(one.paper for one in operator.equations), *(one.paper for one in operator.errata))
        papers |= {paper.key: paper for paper in (operator.paper, *further) if paper is not None}
    return [
        Citation(paper.key, citation.text(paper), _link(paper), citation.bibtex(paper))
        for _, paper in sorted(papers.items())
    ]


def _link(paper: Paper) -> str:
    if paper.arxiv:
        return f"https://arxiv.org/abs/{paper.arxiv}"
    return f"https://doi.org/{paper.doi}" if paper.doi else ""
