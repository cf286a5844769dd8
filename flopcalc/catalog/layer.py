"""The short way in for library users."""

from typing import Any

from flopcalc.catalog import lookup
from flopcalc.cost.geometry import Pair
from flopcalc.spec.operator import Evaluation


def layer(
    type: str,
    c_in: int,
    c_out: int | None = None,
    *,
    k: Pair | None = None,
    hw: Pair | None = None,
    stride: Pair | None = None,
    padding: Pair | None = None,
    dilation: Pair | None = None,
    groups: int | None = None,
    n: int = 1,
    **options: Any,
) -> Evaluation:
    """An operator applied to one shape; `.cost.params`, `.cost.macs` and the rest are exact ints.

    Defaults as on the command line: c_out = c_in, k = 3, hw = 56, stride 1 and so on unless the operator has its own.
    Raises FlopcalcError where the operator cannot stand.

    >>> from flopcalc import layer
    >>> layer("compconv", 256).cost.macs
    504080640
    >>> layer("spconv", 256, alpha="1/4").ratio("macs")
    Fraction(17, 72)
    """
    operator = lookup.get(type)
    shape = operator.geometry(
        c_in, c_out, options, k=k, hw=hw, stride=stride, padding=padding, dilation=dilation, groups=groups, n=n
    )
    return operator.evaluate(shape, options)
