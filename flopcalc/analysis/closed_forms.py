"""The closed form of a target: a description or a PyTorch module, in the symbols that are wanted."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flopcalc.analysis.module_form import module_form
from flopcalc.analysis.network_form import (
    CHECKS,
    NetworkForm,
    Part,
    Symbolic,
    changed,
    checked,
    form_of,
    layers_of,
    stages_of,
)
from flopcalc.analysis.structure import Structural, structural_costs
from flopcalc.analysis.variables import Variable, Vary, spec_at, variables
from flopcalc.cost.kinds import KINDS
from flopcalc.errors import FlopcalcError
from flopcalc.networks import library
from flopcalc.networks.inputs import one_shape
from flopcalc.symbolic.atoms import Number
from flopcalc.symbolic.conditions import requirements
from flopcalc.symbolic.scope import Scope
from flopcalc.targets.read import Target, is_python, read_target
from flopcalc.targets.spec import TargetSpec


def network_form(spec: TargetSpec, vary: Sequence[str] | None = None, checks: int = CHECKS) -> NetworkForm:
    """The closed form of the target of a spec. vary: names of axes and options; None for batch, height and width.

    checks: the number of further sizes at which it is compared. Raises FlopcalcError: no-closed-form where there is
    none, or where it differs from the cost at another size.
    """
    if isinstance(spec.what, str) and not is_python(spec.what):
        return _described_form(spec, vary, checks)
    return module_form(spec, vary, checks)


def _described_form(spec: TargetSpec, vary: Sequence[str] | None, checks: int) -> NetworkForm:
    description = library.compiled(spec.what)
    base = description.at(spec.settings, one_shape(spec.inputs), spec.batch)
    options = description.numeric(base)
    chosen = variables(base.input_shape, spec.batch, options, vary)

    def concrete(point: Mapping[str, Any]) -> Target:
        return read_target(spec_at(spec, base.input_shape, options, chosen.variables, point))

    scope = _scope(chosen)
    target = _read(concrete, scope, chosen.variables)
    needed = {fixed.size for fixed in requirements(scope)[1]}
    structural = tuple(one for one in chosen.variables if one.symbol in needed and one.kind in {"option", "item"})
    if structural:
        # An option may be like another size at its usual value only, as channels that are those of the layer before.
        other = chosen._replace(
            variables=tuple(_next_to(one) if one in structural else one for one in chosen.variables)
        )
        scope = _scope(other)
        try:
            target = _read(concrete, scope, other.variables)
        except FlopcalcError:
            needed = {one.symbol for one in structural}
        else:
            needed = {fixed.size for fixed in requirements(scope)[1]}
        if not any(one.symbol in needed for one in structural):
            names = ", ".join(f"{one.symbol} = {one.usual}" for one in structural)
            notes = (*chosen.notes, f"{names} takes another path than other values, for which this formula is")
            symbolic = Symbolic(target, scope, other.variables, concrete, notes)
            return checked(form_of(symbolic, spec), concrete, checks)
    if structural:
        scope = _scope(chosen)
        return _structural_form(spec, chosen, scope, structural, concrete, checks)
    symbolic = Symbolic(target, scope, chosen.variables, concrete, chosen.notes)
    return checked(form_of(symbolic, spec), concrete, checks)


def _next_to(one: Variable) -> Variable:
    """A variable with another reference value."""
    return one._replace(hint=one.hint + 8)


def _scope(chosen: Vary) -> Scope:
    return Scope(
        {one.symbol: one.hint for one in chosen.variables}, {one.symbol: one.least for one in chosen.variables}
    )


def _read(concrete: Callable[[Mapping[str, Any]], Target], scope: Scope, chosen: Sequence[Variable]) -> Target:
    target = concrete({one.symbol: scope.symbol(one.symbol) for one in chosen})
    # Decisions from here on are not those of a layer.
    scope.where = str
    return target


def _structural_form(
    spec: TargetSpec,
    chosen: Vary,
    scope: Scope,
    structural: tuple[Variable, ...],
    concrete: Callable[[Mapping[str, Any]], Target],
    checks: int,
) -> NetworkForm:
    """The form where options decide how many layers there are: found from several of their values."""
    free = [one for one in chosen.variables if one not in structural]

    def costs(values: Sequence[int]) -> Structural:
        point = {one.symbol: scope.symbol(one.symbol) for one in free}
        target = concrete(point | {one.symbol: value for one, value in zip(structural, values, strict=True)})
        return Structural(
            {kind: target.network.total(kind) for kind in KINDS},
            {part.name: part.cost for part in stages_of(layers_of(target.network))},
        )

    names = ", ".join(one.symbol for one in structural)
    last: FlopcalcError | None = None
    for degree in (1, 2, 3):
        found = structural_costs(costs, structural, scope, degree)
        symbolic = Symbolic(concrete(_hints(chosen)), scope, chosen.variables, concrete, chosen.notes)
        form = form_of(symbolic, spec)
        stages = tuple(Part(name, "", name, cost) for name, cost in found.stages.items())
        form = changed(form, cost=found.totals, layers=(), stages=stages, baseline=None)
        try:
            return checked(form, concrete, max(checks, 2 * len(structural) + 2))
        except FlopcalcError as error:
            last = error
    why = f"the cost of {spec.what} is not a polynomial of degree 3 or less in {names}, which decide on its layers"
    raise FlopcalcError("no-closed-form", why, "vary other options, or give these a value with --set") from last


def _hints(chosen: Vary) -> dict[str, Number]:
    return {one.symbol: one.hint for one in chosen.variables}
