"""The closed form of a PyTorch module: a count on symbolic sizes, compared with ordinary counts."""

from collections.abc import Callable, Sequence
from typing import Any

from flopcalc.analysis.network_form import NetworkForm, Point, Symbolic, changed, checked, form_of, in_scope
from flopcalc.analysis.variables import Variable
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
    told = (*notes, *(f"{one.name} is {one.value} only: {one.place}" for one in found.fixed))

    def concrete(point: Point) -> Target:
        return Target(counted(point), None)

    symbolic = Symbolic(Target(found.network, None), found.scope, variables, concrete, told, fixed)
    form = form_of(symbolic, spec)
    # What the forward does outside its children.
    needed = tuple(one._replace(why=one.why or ROOT) for one in form.requirements)
    if form.reference.get("N") == 1 and not form.allows({one.symbol: one.hint for one in variables} | {"N": 1}):
        told = (*told, "a batch of 1 takes another path; give --vary without batch for its form")
    return checked(changed(form, requirements=needed, notes=told), concrete, checks)
