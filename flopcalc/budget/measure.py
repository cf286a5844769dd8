"""What a target costs now: its totals, and its layers one by one."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from flopcalc import convention, registry
from flopcalc.analysis.model import model_record
from flopcalc.budget.config import TargetSpec
from flopcalc.cost import DTYPE_BYTES, Cost
from flopcalc.errors import FlopcalcError
from flopcalc.operator import Evaluation
from flopcalc.targets import read_target

KINDS = ("params", "macs", "flops", "activations", "traffic", "steps", "adds", "muls", "other")
_SIZES = {"k", "hw", "stride", "padding", "dilation", "groups"}


class Measured(NamedTuple):
    """A target's cost. what: in one line. totals: by kind. layers: records with name, type, in, out, stage and kinds.

    plain: totals of what it is compared with: the network before replacement, the plain convolution; None where
    there is none. evaluation: of an operator.
    """

    name: str
    what: str
    totals: Mapping[str, int]
    layers: tuple[dict[str, Any], ...]
    plain: "Measured | None" = None
    evaluation: Evaluation | None = None

    def parts(self, each: str) -> dict[str, Mapping[str, int]]:
        """Kinds by name: of every layer, or summed by stage."""
        found: dict[str, dict[str, int]] = {}
        for layer in self.layers:
            sums = found.setdefault(str(layer["name" if each == "layer" else "stage"]), dict.fromkeys(KINDS, 0))
            for kind in KINDS:
                sums[kind] += layer[kind]
        return dict(found)


def measure(spec: TargetSpec, dtype: str) -> Measured:
    """The target as it is now. Raises FlopcalcError, with the file and the line."""
    try:
        return _network(spec, dtype) if spec.kind == "network" else _operator(spec, dtype)
    except FlopcalcError as error:
        place = f"{spec.path}, line {spec.line}" if spec.line else spec.path
        raise FlopcalcError(
            error.code, f"{place}: target {spec.name}: {error.message}", error.hint, error.exit_code
        ) from error


def _network(spec: TargetSpec, dtype: str) -> Measured:
    options = spec.options
    settings = tuple(f"{name}={value}" for name, value in options.get("set", {}).items())
    target = read_target(
        spec.what,
        settings=settings,
        input_texts=options.get("input", ()),
        batch=options.get("batch"),
        replace_texts=options.get("replace", ()),
        where=options.get("where"),
        keep=options.get("keep", ()),
    )
    headline = convention.get("macs")
    replacement = target.replacement
    plain = None
    if replacement:
        before = model_record(target.plain, None, headline, dtype)
        plain = _measured(spec.name, before)
    return _measured(spec.name, model_record(target.plain, replacement, headline, dtype))._replace(plain=plain)


def _measured(name: str, record: Mapping[str, Any]) -> Measured:
    what = f"{record['name']}, input {', '.join(record['inputs'])}, batch {record['batch']}"
    if record["replace"]:
        what += f", replaced by {record['replace']}"
    totals = {kind: record[kind] for kind in KINDS}
    totals["uncounted"] = sum(one["count"] for one in record["uncounted"])
    return Measured(name, what, totals, tuple(record["layers"]))


def _operator(spec: TargetSpec, dtype: str) -> Measured:
    return measure_operator(spec.name, spec.what, spec.options, dtype)


def measure_operator(name: str, what: str, options: Mapping[str, Any], dtype: str) -> Measured:
    """An operator at a shape."""
    operator = registry.get(what)
    settings = registry.read_settings(operator, [f"{key}={value}" for key, value in options.get("set", {}).items()])
    sizes = {key: value for key, value in options.items() if key in _SIZES}
    if "h" in options or "w" in options:
        sizes["hw"] = (options.get("h", options.get("w")), options.get("w", options.get("h")))
    geometry = operator.geometry(options["cin"], options.get("cout"), settings, n=options.get("batch", 1), **sizes)
    evaluation = operator.evaluate(geometry, settings)
    element = DTYPE_BYTES[dtype]
    bare: dict[str, Any] = {"in": [], "out": [], "stage": ""}
    layers = [
        {"name": part.name, "type": part.work, **bare, **_totals(Cost((part,)), element)} for part in evaluation.cost
    ]
    plain = Measured(name, "plain convolution", _totals(evaluation.baseline, element), ())
    shown = f"{evaluation.label()} {evaluation.geometry}"
    return Measured(name, shown, _totals(evaluation.cost, element), tuple(layers), plain, evaluation)


def _totals(cost: Cost, element: int) -> dict[str, int]:
    sums = cost.totals()
    return {**sums, "traffic": sums["traffic"] * element, "uncounted": 0}
