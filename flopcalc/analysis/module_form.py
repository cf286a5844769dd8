"""The closed form of a PyTorch module: a count on symbolic sizes, compared with ordinary counts."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from flopcalc.analysis.multiples import in_multiples
from flopcalc.analysis.network_form import (
    NetworkForm,
    Point,
    Symbolic,
    at,
    changed,
    checked,
    compare,
    form_of,
    in_scope,
    points_of,
)
from flopcalc.analysis.training.training import graph_training, network_training
from flopcalc.analysis.variables import Variable
from flopcalc.errors import FlopcalcError
from flopcalc.networks.network import Network
from flopcalc.symbolic.conditions import FixedSize
from flopcalc.targets.read import Target, read_symbolic
from flopcalc.targets.spec import TargetSpec

# The name of the outermost module.
ROOT = "(model)"


def module_form(spec: TargetSpec, vary: Sequence[str] | None, checks: int) -> NetworkForm:
    """The form of a module in the named axes of its inputs. Raises FlopcalcError."""

    def use(run: Any) -> NetworkForm:
        form = _form(run.plain, spec.without_plan(), lambda point: run.counted(run.plain, point), checks, run.notes)
        if run.replaced is None:
            return form
        after = _form(run.replaced, spec, lambda point: run.counted(run.replaced, point), checks, run.notes)
        return changed(after, replaced=tuple(run.names), baseline=in_scope(form, after))

    return read_symbolic(spec, vary, use)


def _form(
    found: Any, spec: TargetSpec, counted: Callable[[Point], Any], checks: int, notes: Sequence[str]
) -> NetworkForm:
    variables = tuple(
        Variable(
            axis.symbol,
            axis.name,
            "batch" if axis.name == "batch" else "axis",
            int(found.scope.hints[axis.symbol]),
            usual=axis.size,
        )
        for axis in found.axes
    )
    fixed = tuple(FixedSize(one.symbol, one.value, one.by) for one in found.fixed)
    remarks = (*notes, *(f"{one.name} is {one.value} only: {one.place}" for one in found.fixed))

    training, network = spec.training, found.network
    others: dict[str, str] = {}
    if training is not None:
        # On symbolic sizes no backward pass can run: the graph gives it, and passes that run are compared with it.
        network, counted = graph_training(network, training).network, partial(_trained, spec, counted, others)

    def concrete(point: Point) -> Target:
        return Target(counted(point), None)

    symbolic = Symbolic(Target(network, None), found.scope, variables, concrete, remarks, fixed)
    form = in_multiples(form_of(symbolic, spec))
    # What the forward does outside its children.
    needed = tuple(one._replace(why=one.why or ROOT) for one in form.requirements)
    form = changed(form, requirements=needed)
    single = dict(form.reference)
    if single.get("N") == 1 and not form.allows(single) and form.allows(single | {"N": 2}):
        form = _with_one_sample(form, counted, concrete, checks)
    else:
        form = checked(form, concrete, checks)
    return changed(form, notes=(*form.notes, _of_kernels(others))) if others else form


# What the kernels of a backward pass have, besides its products.
_OF_KERNELS = ("flops", "activations", "traffic", "steps")


def _of_kernels(others: Mapping[str, str]) -> str:
    return f"only MACs are those of the passes that run; they have {'; '.join(others.values())}"


def _trained(spec: TargetSpec, counted: Callable[[Point], Network], others: dict[str, str], point: Point) -> Network:
    """The network at a point with both passes by its graph, compared with passes that run. Raises FlopcalcError.

    others: gets the kinds of cost of which the passes that run have another figure, with both figures.
    """
    assert spec.training is not None  # noqa: S101 - asked for training only
    network = counted(point)
    found, ran = graph_training(network, spec.training), network_training(network, spec.training)
    if (found.forward.macs, found.backward.macs) != (ran.forward.macs, ran.backward.macs):
        raise FlopcalcError(
            "no-closed-form",
            f"the training cost of {network.name} does not follow from its layers: at {at(point)} the passes that run "
            f"cost {ran.macs:,} MACs, and its layers give {found.macs:,}",
            "flopcalc model --mode training counts the passes that run",
        )
    for kind in _OF_KERNELS:
        if (mine := found.total(kind)) != (theirs := ran.total(kind)):
            others.setdefault(kind, f"{kind} {theirs:,} at {at(point)}, where the formula has {mine:,}")
    return found.network


def _with_one_sample(
    form: NetworkForm, counted: Callable[[Point], Any], concrete: Callable[[Point], Target], checks: int
) -> NetworkForm:
    """A form whose conditions leave out a batch of 1, as torch's own checks do; with it where the counts are equal."""
    scope = form.scope
    rest = [one for one in scope.conditions if one.bounds is None or one.bounds[0] != "N"]
    points = [form.reference, *({**point, "N": 1} for point in points_of(form, checks))]
    try:
        for point in points:
            compare(form, counted(point), point)
    except FlopcalcError:
        note = "a batch of 1 takes another path; give --vary without batch for its form"
        two = changed(form, reference={**form.reference, "N": 2}, notes=(*form.notes, note))
        return checked(two, concrete, checks)
    scope.conditions[:] = rest
    needed = tuple(one for one in form.requirements if not one.condition.startswith("N >= "))
    note = f"torch takes another path for a batch of 1, which costs the same: compared at {len(points)} sizes"
    return checked(changed(form, requirements=needed, notes=(*form.notes, note)), concrete, checks)
