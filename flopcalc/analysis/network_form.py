"""The closed form of a network: its cost as exact expressions, where they hold, and where they were checked.

A described network is read on symbolic sizes, a module is traced on them (`flopcalc.pytorch`). The result is a network
whose costs are expressions, with conditions where the structure depends on sizes. Before it is given out, the form is
compared with the costs at other sizes, which are computed on plain numbers.
"""

import math
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, NamedTuple

from flopcalc.analysis.variables import Variable
from flopcalc.cost.kinds import KINDS
from flopcalc.errors import FlopcalcError
from flopcalc.networks.network import Network
from flopcalc.symbolic.arrays import evaluate_all
from flopcalc.symbolic.atoms import Number
from flopcalc.symbolic.conditions import FixedSize, Requirement, allows, comparison, divisors, requirements
from flopcalc.symbolic.evaluating import evaluate
from flopcalc.symbolic.scope import Scope
from flopcalc.symbolic.size import Size
from flopcalc.targets.read import Target
from flopcalc.targets.spec import TargetSpec

# Sizes at which a form is compared with plain costs before it is shown.
CHECKS = 3
_TRIES = 400

Point = Mapping[str, Number]
Expression = Size | Number


class Part(NamedTuple):
    """One layer or stage of a form: its name, what it is, and its costs by kind."""

    name: str
    kind: str
    stage: str
    cost: Mapping[str, Expression]


@dataclass(frozen=True, eq=False)
class NetworkForm:
    """The cost of a network as expressions.

    input_shape: of one sample, in the target as it was given. variables: the symbols and what they mean.
    cost: by kind. layers: empty where the number of layers varies. baseline: the form before replacement, None without
    one. reference: the values of the symbols at which shares are taken.
    """

    target: str
    title: str
    input_shape: tuple[int, ...]
    scope: Scope
    variables: tuple[Variable, ...]
    cost: Mapping[str, Expression]
    layers: tuple[Part, ...]
    stages: tuple[Part, ...]
    requirements: tuple[Requirement, ...]
    fixed: tuple[FixedSize, ...]
    reference: Point
    checked_at: tuple[Point, ...] = ()
    notes: tuple[str, ...] = ()
    baseline: "NetworkForm | None" = None
    replaced: tuple[str, ...] = ()

    @property
    def symbols(self) -> dict[str, str]:
        """The symbols with their meaning."""
        return {one.symbol: one.meaning for one in self.variables}

    def allows(self, point: Mapping[str, Any]) -> bool:
        """Whether the form holds at a point: symbol -> value."""
        return allows(self.scope, point)

    def at(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """All kinds of cost at a point: exact ints, or arrays where the values are arrays of integers.

        Conditions are not checked; see `allows`.
        """
        return evaluate_all(self.cost, point)

    @cached_property
    def _parts(self) -> dict[str, Part]:
        return {part.name: part for part in self.layers}


class Symbolic(NamedTuple):
    """A target on symbolic sizes: the networks, the scope and its variables, and the target at plain sizes.

    concrete: the network at a point. notes: for the reader. fixed: axes that were made numbers, since the model needs
    one value of them.
    """

    target: Target
    scope: Scope
    variables: tuple[Variable, ...]
    concrete: Callable[[Point], Target]
    notes: tuple[str, ...] = ()
    fixed: tuple[FixedSize, ...] = ()


def changed(form: NetworkForm, **changes: Any) -> NetworkForm:
    """The form with other fields."""
    return replace(form, **changes)


def form_of(symbolic: Symbolic, spec: TargetSpec) -> NetworkForm:
    """The form of a target that was read on symbolic sizes, not checked yet."""
    target = symbolic.target
    baseline = None
    if target.replacement is not None:
        baseline = form_of(symbolic._replace(target=Target(target.plain, None)), spec.without_plan())
    network = target.network
    layers = layers_of(network)
    stages = stages_of(layers)
    cost = {kind: sum(stage.cost[kind] for stage in stages) for kind in _SUMMED} | {"steps": network.total("steps")}
    needed, fixed = requirements(symbolic.scope)
    given: Point = {one.symbol: one.usual for one in symbolic.variables}
    return NetworkForm(
        target=spec.what if isinstance(spec.what, str) else network.name,
        title=network.title,
        input_shape=tuple(int(evaluate(size, given)) for size in network.input_shape),
        scope=symbolic.scope,
        variables=symbolic.variables,
        cost={kind: cost[kind] for kind in KINDS},
        layers=layers,
        stages=stages,
        requirements=tuple(needed),
        fixed=(*symbolic.fixed, *fixed),
        reference=given,
        notes=symbolic.notes,
        baseline=baseline,
        replaced=target.replacement.replaced if target.replacement else (),
    )


def layers_of(network: Network) -> tuple[Part, ...]:
    """The costs of the layers of a network on symbolic sizes."""
    # Layers of the same sizes share their cost.
    costs: dict[int, dict[str, Expression]] = {}
    found = []
    for layer in network.layers:
        cost = costs.get(id(layer.cost))
        if cost is None:
            totals = layer.cost.totals()
            cost = costs[id(layer.cost)] = {kind: totals[kind] for kind in KINDS}
        found.append(Part(layer.name, layer.kind, layer.stage, cost))
    return tuple(found)


def stages_of(layers: Sequence[Part]) -> tuple[Part, ...]:
    """The costs of stages, each the sum of its layers."""
    sums: dict[str, dict[str, Expression]] = {}
    # Layers of the same sizes share their cost.
    costs = {id(layer.cost): layer.cost for layer in layers}
    for (name, key), times in Counter([(layer.stage, id(layer.cost)) for layer in layers]).items():
        stage = sums.setdefault(name, dict.fromkeys(_SUMMED, 0))
        for kind in _SUMMED:
            stage[kind] = stage[kind] + times * costs[key][kind]
    return tuple(Part(name, "", name, cost) for name, cost in sums.items())


_SUMMED = tuple(kind for kind in KINDS if kind != "steps")


def in_scope(form: NetworkForm, other: NetworkForm) -> NetworkForm | None:
    """The form in the symbols of another one, which takes its conditions; None where it has other symbols."""
    if set(form.symbols) - set(other.symbols):
        return None
    return moved(form, other.scope, other.variables)


def moved(
    form: NetworkForm,
    scope: Scope,
    variables: tuple[Variable, ...],
    point: Mapping[str, Any] | None = None,
    known: dict[int, Any] | None = None,
) -> NetworkForm:
    """The form in another scope, which takes its conditions, and its baseline.

    point: what its symbols are there; else the same symbols. known: what some of its atoms are there. Raises
    FlopcalcError (bad-usage) where a condition never holds there.
    """
    point = {one.symbol: scope.symbol(one.symbol) for one in form.variables} if point is None else point
    known = {} if known is None else known
    for condition in form.scope.conditions:
        if not scope.require(condition, evaluate(condition.expression, point, known)):
            where = f" ({condition.where})" if condition.where else ""
            why = f"--assume contradicts a condition of the formula: {comparison(condition)}{where}"
            raise FlopcalcError("bad-usage", why, "assume another size")

    # Layers of the same sizes share their cost.
    shared: dict[int, dict[str, Expression]] = {}

    def costs(of: Mapping[str, Expression]) -> dict[str, Expression]:
        if id(of) not in shared:
            shared[id(of)] = {kind: evaluate(value, point, known) for kind, value in of.items()}
        return shared[id(of)]

    def there(one: NetworkForm) -> NetworkForm:
        return changed(
            one,
            scope=scope,
            variables=variables,
            cost=costs(one.cost),
            layers=tuple(part._replace(cost=costs(part.cost)) for part in one.layers),
            stages=tuple(part._replace(cost=costs(part.cost)) for part in one.stages),
            baseline=None if one.baseline is None else there(one.baseline),
        )

    return there(form)


# The reference point -------------------------------------------------------------------------


def given_point(form: NetworkForm) -> Point:
    """The sizes that were given; options have the value whose path the form follows."""
    return {one.symbol: one.usual if one.kind in {"axis", "batch"} else one.hint for one in form.variables}


def at_reference(form: NetworkForm) -> NetworkForm:
    """The form with a reference point at which it holds, other than the sizes that were given where it must be."""
    hints: Point = {one.symbol: one.hint for one in form.variables}
    tried = (form.reference, given_point(form), hints)
    point = next((one for one in tried if form.allows(one)), None) or next(iter(points_of(form, 1)), form.reference)
    return form if point == form.reference else changed(form, reference=point)


def reference_notes(form: NetworkForm) -> tuple[str, ...]:
    """What the reader should know about a form that does not hold at the sizes that were given."""
    given: Point = {one.symbol: one.usual for one in form.variables}
    if form.allows(given):
        return ()
    if form.allows(form.reference):
        return (f"the formula does not hold at {at(given)}: its shares and ratios are at {at(form.reference)}",)
    return (f"the formula does not hold at {at(given)}, where its shares and ratios are taken",)


def at(point: Point) -> str:
    """A point for a sentence."""
    return ", ".join(f"{name} = {value}" for name, value in point.items()) or "the given sizes"


# Checking --------------------------------------------------------------------------------------


def checked(form: NetworkForm, concrete: Callable[[Point], Target], checks: int) -> NetworkForm:
    """The form, compared with the cost at other sizes. Raises FlopcalcError (no-closed-form) where they differ."""
    form = at_reference(form)
    points = []
    # The sizes that were given, and others.
    own = [form.reference] if form.allows(form.reference) else []
    for point in (*own, *points_of(form, checks)):
        try:
            target = concrete(point)
        except FlopcalcError as error:
            raise _refused(form, point, f"the network cannot be built there: {error.message}") from error
        compare(form, target.network, point)
        if form.baseline is not None:
            compare(form.baseline, target.plain, point)
        points.append(point)
    return changed(form, checked_at=tuple(points[len(own) :]))


def compare(form: NetworkForm, network: Network, point: Point) -> None:
    """Raise FlopcalcError (no-closed-form) where the form and the cost at a point differ, in total or in a layer."""
    known: dict[int, Any] = {}
    for kind, value in form.cost.items():
        expected, found = network.total(kind), evaluate(value, point, known)
        if expected != found:
            raise _refused(form, point, f"{kind} are {expected:,} there, and the form gives {found:,}")
    parts = form._parts
    done: set[tuple[int, int]] = set()
    for layer in network.layers:
        part = parts.get(layer.name)
        # Layers of the same sizes share their cost.
        if part is None or (pair := (id(part.cost), id(layer.cost))) in done:
            continue
        done.add(pair)
        for kind in ("params", "macs", "traffic"):
            expected, found = layer.cost.total(kind), evaluate(part.cost[kind], point, known)
            if expected != found:
                why = f"{kind} of {layer.name} are {expected:,} there, and the form gives {found:,}"
                raise _refused(form, point, why)


def _refused(form: NetworkForm, point: Point, why: str) -> FlopcalcError:
    return FlopcalcError(
        "no-closed-form",
        f"{form.target} has no closed form that holds at {at(point)}: {why}",
        "its cost depends on the sizes in another way; vary fewer of them, with --vary",
    )


def points_of(form: NetworkForm, count: int) -> list[Point]:
    """Values of the symbols at which the form holds, other than the reference point: odd sizes and round ones.

    Fewer than `count` where the conditions leave no more.
    """
    draws = random.Random(0)  # noqa: S311 - not for secrets
    fixed = {one.size: one.value for one in form.fixed}
    steps = {name: one.divisor for name, one in divisors(form.scope).items()}
    found: list[Point] = []
    for attempt in range(_TRIES):
        if len(found) == count:
            break
        point = {
            one.symbol: fixed.get(one.symbol, _drawn(one, form.scope, draws, attempt, steps.get(one.symbol, 1)))
            for one in form.variables
        }
        if point not in found and point != form.reference and form.allows(point):
            found.append(point)
    return found


def _drawn(one: Variable, scope: Scope, draws: random.Random, attempt: int, step: int) -> Number:
    least, hint = scope.least[one.symbol], one.hint
    if isinstance(hint, Fraction):
        return hint * Fraction(draws.randrange(5, 41), 20)
    if one.kind == "batch":
        return draws.randrange(1, 6)
    if one.kind in {"option", "item"}:
        # Also far from the usual value: numbers of layers are interpolated next to it.
        return draws.randrange(math.ceil(least), max(4 * hint, math.ceil(least)) + 12)
    if attempt % 2:
        # Round sizes: conditions may ask for them without a divisor of one size.
        return max(math.ceil(least), hint + math.gcd(hint, 224 if not hint % 224 else 64) * draws.randrange(-3, 4))
    first = -(-math.ceil(least) // step)
    return step * draws.randrange(first, max(first + max(64 // step, 8), 2 * hint // step))
