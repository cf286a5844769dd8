"""A closed form of a network as plain data, `flopcalc/formula/2`, and as Python source."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Literal

from flopcalc.analysis.leading_terms import limit, ratio_text
from flopcalc.analysis.network_form import Expression, NetworkForm, Part, reference_notes
from flopcalc.cost.kinds import KIND, KINDS
from flopcalc.symbolic.evaluating import atoms_of, evaluate
from flopcalc.symbolic.size import Size
from flopcalc.symbolic.writing import PYTHON, TEXT, atom_counts, python, term_text, terms_of, text

Per = Literal["stage", "layer"]
# Kinds that a part of a network is shown with.
OF_PARTS = ("params", "macs")


def form_record(form: NetworkForm, per: Per = "stage") -> dict[str, Any]:
    """The form as data for JSON; see the design of `flopcalc/formula/2`."""
    return {
        "schema": "flopcalc/formula/2",
        "target": form.target,
        "title": form.title,
        "symbols": form.symbols,
        "cost": {kind: _written(form.cost[kind]) for kind in KINDS},
        "definitions": _definitions(form),
        "units": {kind: KIND[kind].unit for kind in KINDS},
        "valid": [one._asdict() for one in form.requirements],
        "fixed": [one._asdict() for one in form.fixed],
        "checked_at": [[_number(point[name]) for name in point] for point in form.checked_at],
        "checked_symbols": list(form.checked_at[0]) if form.checked_at else [],
        "reference": {name: _number(value) for name, value in form.reference.items()},
        "terms": _terms(form, "macs"),
        "per": per,
        "parts": _parts(form, form.layers if per == "layer" else form.stages),
        "replaced": list(form.replaced),
        "baseline": None if form.baseline is None else {kind: _written(form.baseline.cost[kind]) for kind in KINDS},
        "ratio": None if form.baseline is None else {kind: _ratio(form, kind) for kind in OF_PARTS},
        "notes": [*form.notes, *reference_notes(form)],
    }


def _definitions(form: NetworkForm) -> dict[str, str]:
    """Short names for the roundings in the formulas, for people: c1 -> divisible(32*width, 8)."""
    found: dict[str, None] = {}
    for value in (*form.cost.values(), *(form.baseline.cost.values() if form.baseline else ())):
        for atom in atoms_of(value):
            if atom.kind == "divisible":
                found[TEXT.atom(atom, TEXT)] = None
    return {f"c{number}": shown for number, shown in enumerate(found, 1)}


def _written(value: Expression) -> dict[str, str]:
    return {"exact": text(value), "python": python(value)}


def _number(value: Any) -> int | float:
    return float(value) if isinstance(value, Fraction) and value.denominator != 1 else int(value)


def _terms(form: NetworkForm, kind: str) -> list[dict[str, Any]]:
    """The terms of one kind of cost, with their shares at the reference point."""
    value = form.cost[kind]
    if not isinstance(value, Size):
        return [{"term": text(value), "share": 1.0}] if value else []
    total = evaluate(value, form.reference)
    found = []
    for monomial, factor in terms_of(value):
        one = Size(value.scope, {monomial: factor}) if monomial else factor
        share = float(Fraction(evaluate(one, form.reference), total or 1))
        found.append({"term": term_text(value, (monomial, factor)), "share": share})
    return found


def _parts(form: NetworkForm, parts: Sequence[Part]) -> list[dict[str, Any]]:
    total = evaluate(form.cost["macs"], form.reference) or 1
    known: dict[int, Any] = {}
    return [
        {
            "name": part.name,
            "type": part.kind,
            **{kind: text(part.cost[kind]) for kind in OF_PARTS},
            "share": float(Fraction(evaluate(part.cost["macs"], form.reference, known), total)),
        }
        for part in parts
    ]


def _ratio(form: NetworkForm, kind: str) -> dict[str, Any]:
    assert form.baseline is not None  # noqa: S101 - asked for replaced networks only
    found = limit(form, kind)
    at = [evaluate(one.cost[kind], form.reference) for one in (form, form.baseline)]
    return {
        "exact": ratio_text(form.cost[kind], form.baseline.cost[kind]),
        "limit": None if found is None else str(found),
        "limit_value": None if found is None else float(found),
        "at_reference": float(Fraction(at[0], at[1])) if at[1] else None,
    }


def python_source(form: NetworkForm) -> str:
    """Python functions of the symbols, one for each kind of cost, exact on ints."""
    symbols = ", ".join(form.symbols)
    where = "; ".join(one.condition for one in form.requirements) or "all sizes"
    fixed = "".join(f" For {one.size} = {one.value} only." for one in form.fixed)
    header = [f'"""The cost of {form.target} by formula. Holds for: {where}.{fixed}', ""]
    header += [f"{symbol}: {meaning}." for symbol, meaning in form.symbols.items()]
    lines = ["\n".join(header) + '\n"""']
    lines.append(_conditions(form, symbols))
    for kind in KINDS:
        lines.append(_function(kind, symbols, form.cost[kind]))
    return "\n\n\n".join(lines)


def _conditions(form: NetworkForm, symbols: str) -> str:
    """A function that says where the others hold."""
    tests = [f"{one.symbol} >= {one.least}" for one in form.variables if isinstance(one.least, int)]
    tests += [f"{one.symbol} > 0" for one in form.variables if not isinstance(one.least, int)]
    tests += [f"{python(one.expression)} {one.relation} 0" for one in form.scope.conditions]
    body = " and ".join(dict.fromkeys(f"({test})" for test in tests)) or "True"
    return f'def holds({symbols}):\n    """Whether the formulas hold for these sizes."""\n    return {body}'


def _function(kind: str, symbols: str, value: Expression) -> str:
    body = [f"def {kind}({symbols}):", f'    """{KIND[kind].text[0].upper()}{KIND[kind].text[1:]}."""']
    names: dict[int, str] = {}
    if isinstance(value, Size):
        # What occurs several times has a name.
        for index, times in atom_counts(value).items():
            if times > 1 and value.scope.atoms[index].kind != "symbol":
                shown = PYTHON.atom(value.scope.atoms[index], PYTHON)
                names[index] = f"s{len(names) + 1}"
                body.append(f"    {names[index]} = {_bare(shown)}")
    shown = python(value)
    for index, name in names.items():
        assert isinstance(value, Size)  # noqa: S101
        shown = shown.replace(PYTHON.atom(value.scope.atoms[index], PYTHON), name)
    body.append(f"    return {shown}")
    return "\n".join(body)


def _bare(shown: str) -> str:
    """Without the brackets around the whole."""
    depth = 0
    for place, letter in enumerate(shown):
        depth += (letter == "(") - (letter == ")")
        if not depth and place < len(shown) - 1:
            return shown
    return shown[1:-1] if shown.startswith("(") else shown
