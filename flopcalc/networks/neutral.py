"""Layers that only adapt a size: on symbolic sizes they are always there, and cost nothing where nothing changes."""

from collections.abc import Mapping
from typing import Any

from flopcalc.cost.arith import maximum, minimum
from flopcalc.cost.parts import times
from flopcalc.networks.evaluated import Sized
from flopcalc.networks.tape import Env, Step, Tape, Values

NEUTRAL = frozenset({"pad", "crop", "upsample_bilinear"})


def adapts(tape: Tape, spec: Mapping[str, Any], env: Env, label: str) -> bool:
    """Whether symbolic sizes decide on a layer, by its `when`, that a description has where its input needs the size.

    Any other layer is there at all sizes of a form or at none.
    """
    if tape.scope is None or not _only_adapts(spec):
        return False
    # What it decides stays with its value, for the layers that this leaves out.
    tape.later(spec, "when", env, label)
    with tape.scope.holding() as held:
        tape.value(spec, "when", env, label)
    return bool(held)


def _only_adapts(spec: Mapping[str, Any]) -> bool:
    """Whether it rounds the size of its input up to a multiple, or gives it that of a second input."""
    if spec.get("op") not in NEUTRAL or "each" in spec:
        # The columns of a table may be settings.
        return False
    rounds, takes = "multiple" in spec, isinstance(spec.get("from"), list) and len(spec["from"]) > 1
    if spec.get("op") == "pad":
        return rounds and "amount" not in spec and "channels" not in spec
    return takes or (rounds and spec.get("scale") == 1)


def where_it_changes(step: Step) -> Step:
    """A layer that runs only where its output has another size than its input."""

    def changed(values: Values) -> Sized:
        found: Sized = step(values)
        differences = [out - given for out, given in zip(found.out_shape, found.in_shape, strict=True)]
        runs = minimum(1, sum(maximum(one, -one) for one in differences))
        return found._replace(parts=tuple([times(runs, part) for part in found.parts]))

    return changed
