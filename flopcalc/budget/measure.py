"""The present cost of a target: its totals, and the cost of each layer."""

import os
import shlex
from collections.abc import Callable, Mapping
from contextlib import chdir
from functools import partial
from typing import Any, Literal, NamedTuple

from flopcalc.budget.computed import Totals
from flopcalc.budget.config import Budget
from flopcalc.budget.flags import as_keys
from flopcalc.cost import convention
from flopcalc.cost.cost import DTYPE_BYTES, Cost
from flopcalc.cost.kinds import KINDS
from flopcalc.errors import FlopcalcError
from flopcalc.targets.model_record import model_record, module_of
from flopcalc.targets.read import read_operator, read_target
from flopcalc.targets.spec import TargetSpec

Each = Literal["layer", "call", "stage"]


def part_name(layer: Mapping[str, Any], each: Each) -> str:
    """The name of the part that a layer record belongs to. Those of a lock file do not have the module."""
    if each == "layer":
        return str(layer.get("module") or module_of(layer["name"]))
    return str(layer["name" if each == "call" else "stage"])


class Measured(NamedTuple):
    """The cost of a target. what: the target in one line. totals: by kind of cost. layers: records with name, type,
    in, out, stage and the kinds of cost.

    plain: the baseline: the network before replacement, or the plain convolution; None if there is neither.
    uncounted: kernels without a rule, which add nothing to the numbers.
    """

    name: str
    what: str
    totals: Mapping[str, int]
    layers: tuple[dict[str, Any], ...]
    plain: "Measured | None" = None
    uncounted: tuple[dict[str, Any], ...] = ()

    def parts(self, each: Each) -> dict[str, Mapping[str, int]]:
        """The kinds of cost by name; see `parts`."""
        return parts(self.layers, each)


def parts(layers: tuple[dict[str, Any], ...], each: Each) -> dict[str, Mapping[str, int]]:
    """The kinds of cost by name: of every layer, of every call of a layer, or summed by stage.

    A module that is called several times is one layer here, with the sums of its calls.
    """
    found: dict[str, dict[str, int]] = {}
    for layer in layers:
        sums = found.setdefault(part_name(layer, each), dict.fromkeys(KINDS, 0))
        for kind in KINDS:
            sums[kind] += layer[kind]
    return dict(found)


def measure(budget: Budget, dtype: str) -> Measured:
    """The present cost of the target of a budget. Paths and modules are relative to the file that names it.

    Raises FlopcalcError, with the file and the line.
    """
    try:
        with chdir(os.path.dirname(budget.path) or "."):
            return measure_target(budget.name, budget.target, dtype, partial(placed, budget))
    except FlopcalcError as error:
        raise placed(budget, error) from error


def placed(budget: Budget, error: FlopcalcError) -> FlopcalcError:
    """The error with the file and the line of the target."""
    why = f"{budget.place(error)}: target {budget.name}: {as_keys(error.message)}"
    return FlopcalcError(error.code, why, as_keys(error.hint), error.exit_code)


def measure_target(
    name: str, spec: TargetSpec, dtype: str, failed: Callable[[FlopcalcError], FlopcalcError] = lambda error: error
) -> Measured:
    """The present cost of the target that a spec names. failed: makes errors of what is computed later.

    Raises FlopcalcError.
    """
    return _operator(name, spec, dtype, failed) if spec.kind == "operator" else _network(name, spec, dtype, failed)


def _network(name: str, spec: TargetSpec, dtype: str, failed: Callable[[FlopcalcError], FlopcalcError]) -> Measured:
    target = read_target(spec)
    if spec.training is not None:
        # Most targets are for inference.
        from flopcalc.analysis.training.training import training_target

        target = training_target(target, spec.training)
    what = spec.what if isinstance(spec.what, str) else target.plain.name
    headline = convention.get("macs")
    record = model_record(target.plain, target.replacement, headline, dtype)
    found = _measured(name, what, spec, record, failed)
    if not target.replacement:
        return found
    if not target.replacement.replaced:
        why = f"replace: {target.replacement.plan.text} replaces nothing"
        hint = f"`flopcalc model {what} --replace ...` shows the reason for each layer"
        raise FlopcalcError("nothing-replaced", why, hint)
    plain = model_record(target.plain, None, headline, dtype)
    return found._replace(plain=_measured(name, what, spec.without_plan(), plain, failed))


def _measured(
    name: str,
    what: str,
    spec: TargetSpec,
    record: Mapping[str, Any],
    failed: Callable[[FlopcalcError], FlopcalcError],
) -> Measured:
    words = [what, *(word for flag, value in spec.flags for word in (flag, shlex.quote(value)))]
    shown = f"{' '.join(words)}, input {', '.join(record['inputs']) or 'none'}, batch {record['batch']}"
    totals = {kind: record[kind] for kind in KINDS}
    totals["uncounted"] = sum(one["count"] for one in record["uncounted"])
    computed = Totals(totals, spec, record["dtype"], failed)
    return Measured(name, shown, computed, tuple(record["layers"]), uncounted=tuple(record["uncounted"]))


def _operator(name: str, spec: TargetSpec, dtype: str, failed: Callable[[FlopcalcError], FlopcalcError]) -> Measured:
    evaluation = read_operator(spec)
    element = DTYPE_BYTES[dtype]
    bare: dict[str, Any] = {"in": [], "out": [], "stage": ""}
    layers = [
        {"name": part.name, "type": part.work, **bare, **_totals(Cost((part,)), element)} for part in evaluation.cost
    ]
    plain = Measured(name, "plain convolution", _totals(evaluation.baseline, element), ())
    shown = f"{evaluation.label()} {evaluation.geometry}"
    totals = Totals(_totals(evaluation.cost, element), spec, dtype, failed)
    return Measured(name, shown, totals, tuple(layers), plain)


def _totals(cost: Cost, element: int) -> dict[str, int]:
    """Totals by kind. element: bytes of one element."""
    sums = cost.totals()
    return {**sums, "traffic": sums["traffic"] * element, "uncounted": 0}
