"""The closed form of a target: a description or a PyTorch module, in the symbols that are wanted."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from flopcalc.analysis.module_form import module_form
from flopcalc.analysis.multiples import in_multiples
from flopcalc.analysis.network_form import (
    CHECKS,
    NetworkForm,
    Part,
    Symbolic,
    changed,
    checked,
    form_of,
    given_point,
    layers_of,
    stages_of,
)
from flopcalc.analysis.structure import Structural, structural_costs
from flopcalc.analysis.training.training import training_target
from flopcalc.analysis.variables import Variable, Vary, references, spec_at, variables
from flopcalc.cost.kinds import KINDS
from flopcalc.errors import FlopcalcError
from flopcalc.networks import library
from flopcalc.networks.inputs import one_shape
from flopcalc.symbolic.atoms import Number
from flopcalc.symbolic.conditions import comparison, requirements
from flopcalc.symbolic.evaluating import evaluate, symbols_of
from flopcalc.symbolic.scope import Condition, Scope
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
        target = read_target(spec_at(spec, base.input_shape, options, chosen.variables, point))
        return target if spec.training is None else training_target(target, spec.training)

    first: FlopcalcError | None = None
    found: NetworkForm | None = None
    for near in references(chosen):
        try:
            form = _form_at(spec, near, concrete, checks)
        except FlopcalcError as error:
            if error.code == "no-closed-form":
                raise
            first = first or error
            continue
        found = found or form
        if form.allows(given_point(form)):
            found = form
            break
    if found is None:
        assert first is not None  # noqa: S101 - there is one reference point or more
        raise first
    return found if found.checked_at else checked(found, concrete, checks)


def _form_at(
    spec: TargetSpec, chosen: Vary, concrete: Callable[[Mapping[str, Any]], Target], checks: int
) -> NetworkForm:
    """The form by the path at one reference point; checked where options decide how many layers there are."""
    scope = _scope(chosen)
    target = _read(concrete, scope, chosen.variables)
    structural = tuple(one for one in chosen.variables if one.symbol in scope.structural)
    if structural:
        return _structural_form(spec, chosen, structural, concrete, checks)
    notes = chosen.notes
    pinned = [one for one in chosen.variables if one.kind in {"option", "item"} and one.symbol in _fixed(scope)]
    if pinned:
        # An option may be like another size at its usual value only, as channels that are those of the layer before.
        other = chosen._replace(variables=tuple(_next_to(one) if one in pinned else one for one in chosen.variables))
        with suppress(FlopcalcError):
            further = _scope(other)
            found = _read(concrete, further, other.variables)
            if not any(one.symbol in _fixed(further) for one in pinned):
                names = ", ".join(f"{one.symbol} = {one.usual}" for one in pinned)
                notes = (*notes, f"{names} takes another path than other values, for which this formula is")
                target, scope, chosen = found, further, other
    return in_multiples(form_of(Symbolic(target, scope, chosen.variables, concrete, notes), spec))


def _fixed(scope: Scope) -> set[str]:
    return {fixed.size for fixed in requirements(scope)[1]}


def _next_to(one: Variable) -> Variable:
    """A variable with another reference value."""
    return one._replace(hint=one.hint + 8)


def _scope(chosen: Vary) -> Scope:
    return Scope(_hints(chosen), {one.symbol: one.least for one in chosen.variables})


def _read(concrete: Callable[[Mapping[str, Any]], Target], scope: Scope, chosen: Sequence[Variable]) -> Target:
    target = concrete({one.symbol: scope.symbol(one.symbol) for one in chosen})
    # Decisions from here on are not those of a layer.
    scope.where = str
    return target


def _structural_form(
    spec: TargetSpec,
    chosen: Vary,
    structural: tuple[Variable, ...],
    concrete: Callable[[Mapping[str, Any]], Target],
    checks: int,
) -> NetworkForm:
    """The form where options decide how many layers there are: found from several of their values.

    Each of these values is read on symbols too, so that what else depends on such an option is a condition.
    """
    names = ", ".join(one.symbol for one in structural)
    last: FlopcalcError | None = None
    for degree in (1, 2, 3):
        scope = _scope(chosen)
        here = {one.symbol: scope.symbol(one.symbol) for one in chosen.variables}
        paths: list[dict[str, Condition]] = []

        def costs(values: Sequence[int], here: Mapping[str, Any] = here, paths: Any = paths) -> Structural:
            numbers = dict(zip([one.symbol for one in structural], values, strict=True))
            there = chosen._replace(
                variables=tuple(one._replace(hint=numbers.get(one.symbol, one.hint)) for one in chosen.variables)
            )
            sample = _scope(there)
            try:
                network = _read(concrete, sample, there.variables).network
            except FlopcalcError as error:
                at = ", ".join(f"{name} = {value}" for name, value in numbers.items())
                why = f"{spec.what} has no closed form in {names}: there is no network at {at}: {error.message}"
                raise FlopcalcError("no-closed-form", why, _OTHER_OPTIONS) from error
            paths.append({comparison(one): one for one in sample.conditions})
            point = {**here, **numbers}
            known: dict[int, Any] = {}
            totals = {kind: evaluate(network.total(kind), point, known) for kind in KINDS}
            stages = {
                part.name: {kind: evaluate(value, point, known) for kind, value in part.cost.items()}
                for part in stages_of(layers_of(network))
            }
            return Structural(totals, stages)

        found = structural_costs(costs, structural, scope, degree)
        _same_paths(spec, structural, paths)
        for condition in {text: one for path in paths for text, one in path.items()}.values():
            scope.require(condition, evaluate(condition.expression, here))
        symbolic = Symbolic(concrete(_hints(chosen)), scope, chosen.variables, concrete, chosen.notes)
        stages = tuple(Part(name, "", name, cost) for name, cost in found.stages.items())
        form = changed(form_of(symbolic, spec), cost=found.totals, layers=(), stages=stages, baseline=None)
        try:
            return checked(in_multiples(form), concrete, max(checks, 2 * len(structural) + 4))
        except FlopcalcError as error:
            last = error
    verb = "decides" if len(structural) == 1 else "decide"
    why = f"the cost of {spec.what} is not a polynomial of degree 3 or less in {names}, which {verb} on its layers"
    raise FlopcalcError("no-closed-form", why, _OTHER_OPTIONS) from last


_OTHER_OPTIONS = "vary other options, or give these a value with --set"


def _same_paths(spec: TargetSpec, structural: Sequence[Variable], paths: Sequence[Mapping[str, Condition]]) -> None:
    """Raise FlopcalcError (no-closed-form) where a number of layers decides about more than how often they repeat."""
    symbols = {one.symbol for one in structural}
    own = [{text for text, one in path.items() if symbols & set(symbols_of(one.expression))} for path in paths]
    differ = set().union(*own).difference(set(own[0]).intersection(*own))
    if differ:
        why = f"{spec.what} takes different paths for different {', '.join(sorted(symbols))}: {min(differ)}"
        raise FlopcalcError("no-closed-form", why, _OTHER_OPTIONS)


def _hints(chosen: Vary) -> dict[str, Number]:
    return {one.symbol: one.hint for one in chosen.variables}
