"""Values in the place of numbers: symbols of closed forms, arrays and recorded numbers of sweeps."""

from collections.abc import Iterable, Mapping
from typing import Any

from flopcalc.cost.arith import Recorded
from flopcalc.cost.traced import Traced
from flopcalc.symbolic.size import Size

# Packages with types of numbers, which are not imported here.
_LIBRARIES = ("sympy", "numpy")


def any_stand_in(values: Iterable[Any]) -> bool:
    """Whether a size or an option among the values, or in a tuple or a mapping among them, is not a plain number."""
    for value in values:
        if type(value) is int:
            continue
        if isinstance(value, tuple | list):
            if any_stand_in(value):
                return True
        elif isinstance(value, Mapping):
            if any_stand_in(value.values()):
                return True
        elif isinstance(value, Recorded | Traced | Size) or type(value).__module__.split(".")[0] in _LIBRARIES:
            return True
    return False
