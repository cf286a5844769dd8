"""A target of the file as a record of `flopcalc/model/1`, for `flopcalc diff --git`."""

import os
from contextlib import chdir
from typing import Any

from flopcalc.budget.config import Budget
from flopcalc.budget.measure import placed
from flopcalc.cost.convention import Convention
from flopcalc.cost.cost import DTYPE_BYTES, Cost
from flopcalc.cost.kinds import SUMMED
from flopcalc.errors import FlopcalcError
from flopcalc.spec.operator import Evaluation
from flopcalc.targets.model_record import model_record
from flopcalc.targets.read import read_operator, read_target


def target_record(budget: Budget, chosen: Convention, dtype: str) -> dict[str, Any]:
    """The record of a target. Raises FlopcalcError, with the file and the line."""
    spec = budget.target
    try:
        with chdir(os.path.dirname(budget.path) or "."):
            if spec.kind == "operator":
                return operator_record(read_operator(spec), chosen, dtype)
            target = read_target(spec)
            if spec.training is not None:
                # Most targets are for inference.
                from flopcalc.analysis.training.training import training_target

                target = training_target(target, spec.training)
            return model_record(target.plain, target.replacement, chosen, dtype)
    except FlopcalcError as error:
        raise placed(budget, error) from error


def operator_record(evaluation: Evaluation, chosen: Convention, dtype: str) -> dict[str, Any]:
    """An operator as a network whose layers are its parts."""
    g, element = evaluation.geometry, DTYPE_BYTES[dtype]
    fold = chosen.fold_of(evaluation.inputs)
    layers = []
    for part in evaluation.cost:
        sums = Cost((part,)).totals()
        sums["traffic"] *= element
        shapes = {"in": [], "out": []}
        layers.append(
            {"name": part.name, "type": part.work, **shapes, "stage": "", **sums, "cost": fold(part, g.batch)}
        )
    sums = {kind: sum(layer[kind] for layer in layers) for kind in SUMMED}
    return {
        "name": evaluation.operator.name,
        "title": f"{evaluation.label()} {g}",
        "input": list(evaluation.in_shape),
        "inputs": ["x".join(map(str, evaluation.in_shape))],
        "batch": g.batch,
        "options": {},
        "replace": None,
        **sums,
        "steps": evaluation.cost.steps,
        "cost": chosen.of(evaluation.cost, g.batch, inputs=evaluation.inputs),
        "dtype": dtype,
        "layers": layers,
        "modules": [],
        "uncounted": [],
        "notes": [],
    }
