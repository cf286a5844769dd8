"""The difference of two closed forms as expressions, in total and by stage."""

from typing import Any

from flopcalc.analysis.network_form import NetworkForm, moved
from flopcalc.cost.kinds import KINDS
from flopcalc.symbolic.conditions import requirements
from flopcalc.symbolic.scope import Scope
from flopcalc.symbolic.writing import python, text

_OF_STAGES = ("params", "macs")


def form_difference(a: NetworkForm, b: NetworkForm) -> dict[str, Any]:
    """B - A of each kind of cost, and of the stages that both have or only one has, as expressions in all symbols.

    valid: the conditions of both.
    """
    variables = {one.symbol: one for one in (*a.variables, *b.variables)}
    scope = Scope(
        {name: one.hint for name, one in variables.items()}, {name: one.least for name, one in variables.items()}
    )
    found = [moved(form, scope, tuple(variables.values())) for form in (a, b)]
    needed, fixed = requirements(scope)
    totals = {kind: found[1].cost[kind] - found[0].cost[kind] for kind in KINDS}
    stages = []
    for name in dict.fromkeys(part.name for form in found for part in form.stages):
        row = {kind: _stages(found[1], name, kind) - _stages(found[0], name, kind) for kind in _OF_STAGES}
        with scope.holding():
            changed = any(value != 0 for value in row.values())
        if changed:
            stages.append({"name": name, **{kind: text(value) for kind, value in row.items()}})
    return {
        "symbols": {name: one.meaning for name, one in variables.items()},
        "difference": {kind: {"exact": text(value), "python": python(value)} for kind, value in totals.items()},
        "stages": stages,
        "valid": [one._asdict() for one in needed],
        "fixed": [one._asdict() for one in fixed],
    }


def _stages(form: NetworkForm, name: str, kind: str) -> Any:
    return next((part.cost[kind] for part in form.stages if part.name == name), 0)
