"""Layers that only adapt a size: on symbolic sizes they are always there, and cost nothing where nothing changes."""

from flopcalc.cost.arith import maximum, minimum
from flopcalc.cost.parts import times
from flopcalc.networks.evaluated import Sized
from flopcalc.networks.tape import Step, Values

# Layers that a description leaves out, by `when`, where their input has the size that they make already.
NEUTRAL = frozenset({"pad", "crop", "upsample_bilinear"})


def where_it_changes(step: Step) -> Step:
    """A layer that runs only where its output has another size than its input."""

    def changed(values: Values) -> Sized:
        found: Sized = step(values)
        differences = [out - given for out, given in zip(found.out_shape, found.in_shape, strict=True)]
        runs = minimum(1, sum(maximum(one, -one) for one in differences))
        return found._replace(parts=tuple([times(runs, part) for part in found.parts]))

    return changed
