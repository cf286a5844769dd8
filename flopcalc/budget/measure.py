"""What a target costs now: its totals, and its layers one by one."""

import os
import shlex
from collections.abc import Mapping
from contextlib import chdir
from typing import Any, NamedTuple

from flopcalc.budget.config import TargetSpec
from flopcalc.catalog import lookup
from flopcalc.cost import convention
from flopcalc.cost.cost import DTYPE_BYTES, Cost
from flopcalc.cost.kinds import KINDS
from flopcalc.errors import FlopcalcError, at_line
from flopcalc.targets.model_record import model_record
from flopcalc.targets.read import Target, read_target

_SIZES = ("k", "hw", "stride", "padding", "dilation", "groups")
# As they stand behind a name on the command line.
_WORDS = ("set", "replace", "where", "keep")


class Measured(NamedTuple):
    """A target's cost. what: in one line. totals: by kind. layers: records with name, type, in, out, stage and kinds.

    plain: what it is compared with: the network before replacement, the plain convolution; None where there is
    none. uncounted: kernels without a rule, which add nothing to the numbers.
    """

    name: str
    what: str
    totals: Mapping[str, int]
    layers: tuple[dict[str, Any], ...]
    plain: "Measured | None" = None
    uncounted: tuple[dict[str, Any], ...] = ()

    def parts(self, each: str) -> dict[str, Mapping[str, int]]:
        """Kinds by name: of every layer, or summed by stage."""
        return parts(self.layers, each)


def parts(layers: tuple[dict[str, Any], ...], each: str) -> dict[str, Mapping[str, int]]:
    """Kinds by name: of every layer, or summed by stage."""
    found: dict[str, dict[str, int]] = {}
    for layer in layers:
        sums = found.setdefault(str(layer["name" if each == "layer" else "stage"]), dict.fromkeys(KINDS, 0))
        for kind in KINDS:
            sums[kind] += layer[kind]
    return dict(found)


def measure(spec: TargetSpec, dtype: str) -> Measured:
    """The target as it is now; paths and modules are looked for from the folder of the file that names it.

    Raises FlopcalcError, with the file and the line.
    """
    try:
        with chdir(os.path.dirname(spec.path) or "."):
            if spec.kind == "operator":
                return measure_operator(spec.name, spec.what, spec.options, dtype)
            return measure_network(spec.name, spec.what, spec.options, dtype)
    except FlopcalcError as error:
        place = at_line(spec.path, spec.line)
        raise FlopcalcError(
            error.code, f"{place}: target {spec.name}: {error.message}", error.hint, error.exit_code
        ) from error


def measure_network(name: str, what: str, options: Mapping[str, Any], dtype: str) -> Measured:
    """A network by what the command line calls it. options: set, input, batch, replace, where, keep."""
    target = read_target(
        what,
        settings=tuple(f"{key}={value}" for key, value in options.get("set", {}).items()),
        input_texts=options.get("input", ()),
        batch=options.get("batch"),
        replace_texts=options.get("replace", ()),
        where=options.get("where"),
        keep=options.get("keep", ()),
    )
    return measured(name, what, options, target, dtype)


def measured(name: str, what: str, options: Mapping[str, Any], target: Target, dtype: str) -> Measured:
    """A network that was read."""
    headline = convention.get("macs")
    found = _measured(name, what, options, model_record(target.plain, target.replacement, headline, dtype))
    if not target.replacement:
        return found
    if not target.replacement.replaced:
        why = f"replace: {target.replacement.plan.text} replaces nothing"
        raise FlopcalcError("nothing-replaced", why, f"`flopcalc model {what} --replace ...` tells why of each layer")
    bare = {key: value for key, value in options.items() if key == "set"}
    return found._replace(plain=_measured(name, what, bare, model_record(target.plain, None, headline, dtype)))


def _measured(name: str, what: str, options: Mapping[str, Any], record: Mapping[str, Any]) -> Measured:
    words = [what]
    for key in _WORDS:
        value = options.get(key)
        if isinstance(value, Mapping):
            value = [f"{one}={given}" for one, given in value.items()]
        for one in [value] if isinstance(value, str) else value or ():
            words += [f"--{key}", shlex.quote(one)]
    shown = f"{' '.join(words)}, input {', '.join(record['inputs']) or 'none'}, batch {record['batch']}"
    totals = {kind: record[kind] for kind in KINDS}
    totals["uncounted"] = sum(one["count"] for one in record["uncounted"])
    return Measured(name, shown, totals, tuple(record["layers"]), uncounted=tuple(record["uncounted"]))


def measure_operator(name: str, what: str, options: Mapping[str, Any], dtype: str) -> Measured:
    """An operator at a shape. what: its name, with options behind it where it has any: ghost:ratio=4."""
    operator, settings = lookup.parse(what)
    given = [f"{key}={value}" for key, value in options.get("set", {}).items()]
    settings = {**settings, **lookup.read_settings(operator, given)}
    sizes = {key: options.get(key) for key in _SIZES}
    if "h" in options or "w" in options:
        # One of the two given stands for both.
        sizes["hw"] = (options.get("h", options.get("w")), options.get("w", options.get("h")))
    geometry = operator.geometry(options["cin"], options.get("cout"), settings, n=options.get("batch"), **sizes)
    evaluation = operator.evaluate(geometry, settings)
    element = DTYPE_BYTES[dtype]
    bare: dict[str, Any] = {"in": [], "out": [], "stage": ""}
    layers = [
        {"name": part.name, "type": part.work, **bare, **_totals(Cost((part,)), element)} for part in evaluation.cost
    ]
    plain = Measured(name, "plain convolution", _totals(evaluation.baseline, element), ())
    shown = f"{evaluation.label()} {evaluation.geometry}"
    return Measured(name, shown, _totals(evaluation.cost, element), tuple(layers), plain)


def _totals(cost: Cost, element: int) -> dict[str, int]:
    """element: bytes of one."""
    sums = cost.totals()
    return {**sums, "traffic": sums["traffic"] * element, "uncounted": 0}
