"""Layers that only adapt a size: on symbolic sizes they are always there, and cost nothing where nothing changes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import Any

from flopcalc.cost.arith import maximum, minimum
from flopcalc.cost.parts import times
from flopcalc.errors import FlopcalcError
from flopcalc.networks.evaluated import Evaluated, Sized
from flopcalc.networks.network import Shape
from flopcalc.networks.scope import Row
from flopcalc.networks.tape import BATCH, OPTIONS, Env, Step, Tape, Values
from flopcalc.symbolic.evaluating import evaluate
from flopcalc.symbolic.scope import Scope

# How many sizes are looked at.
_POINTS = 32
# Kinds of layers that a description leaves out, by `when`, where their input has the size that they make already.
NEUTRAL = frozenset({"pad", "crop", "upsample_bilinear"})


def adapts(tape: Tape, spec: Mapping[str, Any], env: Env, label: str) -> bool:
    """Whether symbolic sizes decide on a layer, by its `when`, that a description has where its input needs the size.

    Any other layer is there at all sizes of a form or at none.
    """
    if tape.scope is None or id(spec) in tape.ordinary or not _only_adapts(spec):
        return False
    # What it decides stays with its value, for the layers that this leaves out.
    tape.later(spec, "when", env, label)
    with tape.scope.holding() as held:
        tape.value(spec, "when", env, label)
    return bool(held)


def misfits(tape: Tape, rows: Sequence[Row], there: Callable[[int, Shape, Sequence[Any]], Evaluated]) -> set[int]:
    """The identities of entries that `adapts` took, and whose layers are elsewhere not where they change the size.

    there: the description at a batch, an input and the values of its options, as numbers.
    """
    found: set[int] = set()
    if tape.scope is None:
        return found
    others = {row.name for row in rows if row.slot not in tape.adapting}
    for point in _points(tape.scope):
        batch, shape, *options = [evaluated(value, point) for value in tape.values[BATCH : OPTIONS + len(tape.options)]]
        try:
            structure, values = there(batch, shape[0], options)
        except FlopcalcError:
            continue
        slots = {row.name: row.slot for row in structure.rows}
        if not others <= slots.keys():
            continue
        for row in rows:
            if row.slot in tape.adapting:
                sized = values[slots[row.name]] if row.name in slots else tape.values[row.slot]
                changes = evaluated(sized.out_shape, point) != evaluated(sized.in_shape, point)
                if changes != (row.name in slots):
                    found.add(tape.adapting[row.slot])
    return found


def evaluated(value: Any, point: Mapping[str, Any]) -> Any:
    """A value, or each of a tuple, where the symbols have these values."""
    return tuple([evaluated(one, point) for one in value]) if isinstance(value, tuple) else evaluate(value, point)


def _points(scope: Scope) -> Iterator[dict[str, Any]]:
    """Some sizes around those of the reference point, each of one symbol or another, and half and twice as large."""
    draws = Random(0)  # noqa: S311 - the same at each reading
    hints = [hint for hint in scope.hints.values() if isinstance(hint, int)]
    around = [size for hint in hints for size in (hint, hint // 2, 2 * hint)]
    for _ in range(_POINTS):
        point: dict[str, Any] = {}
        for name, hint in scope.hints.items():
            drawn = draws.choice(around) + draws.randrange(-4, 5) if isinstance(hint, int) else hint
            point[name] = max(scope.given_least[name], drawn)
        yield point


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
