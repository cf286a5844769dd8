"""The difference of two closed forms as expressions, in total and by stage."""

from collections.abc import Mapping
from typing import Any

from flopcalc.analysis.network_form import NetworkForm
from flopcalc.cost.kinds import KINDS
from flopcalc.symbolic.conditions import requirements
from flopcalc.symbolic.evaluating import evaluate
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
    point = {name: scope.symbol(name) for name in variables}
    found = [_Moved(form, scope, point) for form in (a, b)]
    needed, fixed = requirements(scope)
    totals = {kind: found[1].cost(kind) - found[0].cost(kind) for kind in KINDS}
    stages = []
    for name in dict.fromkeys((*found[0].stages, *found[1].stages)):
        row = {kind: found[1].stage(name, kind) - found[0].stage(name, kind) for kind in _OF_STAGES}
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


class _Moved:
    """A form in the symbols of another scope, which takes its conditions."""

    def __init__(self, form: NetworkForm, scope: Scope, point: Mapping[str, Any]) -> None:
        self._form = form
        self._point = point
        self._known: dict[int, Any] = {}
        self.stages = {part.name: part for part in form.stages}
        for condition in form.scope.conditions:
            scope.require(condition, evaluate(condition.expression, point, self._known))

    def cost(self, kind: str) -> Any:
        return evaluate(self._form.cost[kind], self._point, self._known)

    def stage(self, name: str, kind: str) -> Any:
        part = self.stages.get(name)
        return 0 if part is None else evaluate(part.cost[kind], self._point, self._known)
