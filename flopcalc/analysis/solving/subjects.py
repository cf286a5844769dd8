"""What a search evaluates: a described network, a Python model or an operator, with other values of its options."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flopcalc.analysis.solving.question import BASELINE, Measured, Totals, Values
from flopcalc.catalog import lookup
from flopcalc.cost.cost import in_bytes
from flopcalc.cost.kinds import KINDS
from flopcalc.errors import FlopcalcError, clip
from flopcalc.networks import library
from flopcalc.networks.inputs import Input, one_shape
from flopcalc.networks.network import Network
from flopcalc.spec.operator import Evaluation
from flopcalc.targets.read import is_python, operator_on, read_target
from flopcalc.targets.spec import TargetSpec

if TYPE_CHECKING:
    from flopcalc.networks.description import Description
    from flopcalc.replacing.decide import Plan
    from flopcalc.replacing.described import Replacement

# Layers that are evaluated in about a second.
_LAYERS = 120_000
# Names of values that are not options.
INPUT, BATCH = "input", "batch"


def _totals(network: Network, dtype: str) -> Totals:
    return in_bytes({kind: network.total(kind) for kind in KINDS}, dtype)


class Changed:
    """The plan of a spec with other options in its clauses. names: of the values that are options of a clause."""

    def __init__(self, plan: "Plan | None", places: Mapping[str, tuple[int, str]]) -> None:
        self.plan = plan
        self.places = places

    def with_values(self, values: Values) -> "Plan | None":
        """The plan with these values in the place of its own."""
        if self.plan is None or not self.places.keys() & values.keys():
            return self.plan
        requests = list(self.plan.requests)
        for name, (index, option) in self.places.items():
            if name in values:
                request = requests[index]
                read = request.operator.param[option].read(values[name])
                requests[index] = request._replace(options={**request.options, option: read})
        return self.plan._replace(requests=tuple(requests))


class DescribedNetwork:
    """A described network. One description is evaluated with all values."""

    def __init__(self, spec: TargetSpec, bases: Sequence[str], dtype: str, clauses: Changed) -> None:
        self.name = str(spec.what)
        self.spec = spec
        self.dtype = dtype
        self.clauses = clauses
        # A copy, since traced numbers may enter its plans.
        self.description: Description = library.compiled(self.name).copy()
        self.plain = self.description.at(spec.settings, one_shape(spec.inputs), spec.batch)
        # By the number of layers, and not by a clock, so that a search is the same on each run.
        self.rate = max(20, _LAYERS // max(1, len(self.plain.layers)) // (1 if spec.plan is None else 2))
        self.others = {name: _other(name, spec) for name in bases if name != BASELINE}
        self.needs_base = BASELINE in bases
        self._last: tuple[Any, Network] | None = None

    def measure(self, values: Values) -> Measured:
        """The costs with these values. Raises FlopcalcError where the network does not exist."""
        plain = self.network(values)
        network = plain
        if self.spec.plan is not None:
            network = _replacement(plain, self.clauses.with_values(values)).network
        bases = {}
        if self.needs_base:
            bases[BASELINE] = _totals(self.plain if self.spec.plan is None else plain, self.dtype)
        for name, other in self.others.items():
            shape = values[INPUT] if INPUT in values else one_shape(self.spec.inputs)
            bases[name] = _totals(other.at({}, shape, values.get(BATCH, self.spec.batch)), self.dtype)
        return Measured(_totals(network, self.dtype), bases)

    def network(self, values: Values) -> Network:
        """The network before replacement."""
        options = {name: value for name, value in values.items() if name not in (INPUT, BATCH, *self.clauses.places)}
        shape = values.get(INPUT) or one_shape(self.spec.inputs)
        key = (tuple(options.values()), shape, values.get(BATCH))
        if options or self._last is None or self._last[0] != key:
            found = self.description.at({**self.spec.settings, **options}, shape, values.get(BATCH, self.spec.batch))
            self._last = (key, found)
        return self._last[1]


def _replacement(plain: Network, plan: "Plan | None") -> "Replacement":
    from flopcalc.replacing.described import replace_layers

    if plan is None:
        raise AssertionError("a network with a plan")
    found = replace_layers(plain, plan)
    if not found.replaced:
        reasons = dict(found.skipped)
        why = next(iter(reasons.values()), "the network has no convolution")
        raise FlopcalcError("nothing-replaced", f"{plan.text} replaces nothing: {why}", "choose other layers")
    return found


def _other(name: str, spec: TargetSpec) -> "Description":
    """A described network that a ratio compares with, at the same input and batch."""
    if is_python(name):
        why = f"ratio({name}) compares with a Python model"
        raise FlopcalcError("bad-limit", why, "compare with a described network, or with baseline")
    try:
        return library.compiled(name)
    except FlopcalcError as error:
        if lookup.find(name) is None:
            raise
        why = f"ratio({name}): {name} is an operator, and {clip(spec.what)} is a network"
        raise FlopcalcError("bad-limit", why, "write ratio(baseline), or ratio(NETWORK)") from error


class PythonModel:
    """A Python model, which is built and counted for each value."""

    rate = 1

    def __init__(self, spec: TargetSpec, bases: Sequence[str], dtype: str, clauses: Changed) -> None:
        what = spec.what
        self.name = what if isinstance(what, str) else getattr(what, "__name__", type(what).__name__)
        self.spec = spec
        self.dtype = dtype
        self.clauses = clauses
        self.others = [name for name in bases if name != BASELINE]
        self.needs_base = BASELINE in bases
        self._base: Totals | None = None

    def measure(self, values: Values) -> Measured:
        """The costs with these values. Raises FlopcalcError where the model cannot be built or counted."""
        spec = self._spec(values)
        target = read_target(spec)
        bases: dict[str, Totals] = {}
        if self.needs_base:
            if self.spec.plan is None and self._base is None:
                self._base = _totals(read_target(self.spec).plain, self.dtype)
            bases[BASELINE] = _totals(target.plain, self.dtype) if self.spec.plan else self._base or {}
        for name in self.others:
            other = TargetSpec("network", name, inputs=spec.inputs, batch=spec.batch, timeout=spec.timeout)
            bases[name] = _totals(read_target(other).plain, self.dtype)
        network = target.network
        return Measured(_totals(network, self.dtype), bases, sum(one.times for one in network.uncounted))

    def _spec(self, values: Values) -> TargetSpec:
        options = {name: value for name, value in values.items() if name not in (INPUT, BATCH, *self.clauses.places)}
        inputs = self.spec.inputs
        if INPUT in values:
            inputs = (inputs[0]._replace(shape=values[INPUT]), *inputs[1:])
        return self.spec._replace(
            settings={**self.spec.settings, **options},
            inputs=inputs,
            batch=values.get(BATCH, self.spec.batch),
            plan=self.clauses.with_values(values),
        )


class OneOperator:
    """An operator on a shape."""

    rate = 20_000

    def __init__(self, spec: TargetSpec, bases: Sequence[str], dtype: str) -> None:
        self.spec = spec
        self.operator, options = lookup.parse(str(spec.what))
        self.name = self.operator.name
        self.given: dict[str, Any] = {**options, **spec.settings}
        self.shape = dict(spec.shape)
        self.dtype = dtype
        self.bases = {name: None if name == BASELINE else lookup.parse(name) for name in bases}

    def measure(self, values: Values) -> Measured:
        """The costs with these values. Raises FlopcalcError where the operator does not apply."""
        found = self.evaluation(values)
        sizes = self._sizes(values)
        bases = {}
        for name, other in self.bases.items():
            base = found.baseline if other is None else operator_on(*other, sizes).cost
            bases[name] = in_bytes(base.totals(), self.dtype)
        return Measured(in_bytes(found.cost.totals(), self.dtype), bases)

    def evaluation(self, values: Values) -> Evaluation:
        """The operator with these values. Raises FlopcalcError where it does not apply."""
        options = {name: value for name, value in values.items() if name in self.operator.param}
        return operator_on(self.operator, {**self.given, **options}, self._sizes(values))

    def _sizes(self, values: Values) -> dict[str, Any]:
        own = {name: value for name, value in values.items() if name not in self.operator.param}
        return {**self.shape, **own}


def input_of(spec: TargetSpec, own: tuple[int, ...] | None) -> tuple[int, ...]:
    """The shape that `--for input` changes. own: of a described network. Raises FlopcalcError (bad-usage)."""
    if own is not None:
        return own
    if len(spec.inputs) != 1:
        why = f"--for input changes one input, and {len(spec.inputs)} are given"
        raise FlopcalcError("bad-usage", why, "give one input, such as --input 3x224x224")
    only: Input = spec.inputs[0]
    return only.shape
