"""One operator on one shape, for callers in Python: `flopcalc.layer`."""

from collections.abc import Sequence
from fractions import Fraction
from os import PathLike
from typing import Any, Literal, SupportsIndex, TypeAlias

from flopcalc.catalog import lookup
from flopcalc.errors import as_name
from flopcalc.spec.operator import Evaluation

# One number for all axes, (height, width), or (depth, height, width). Any integer type, NumPy's included.
Size: TypeAlias = (
    SupportsIndex | tuple[SupportsIndex, SupportsIndex] | tuple[SupportsIndex, SupportsIndex, SupportsIndex]
)
Option: TypeAlias = SupportsIndex | float | Fraction | str | Sequence[SupportsIndex] | None


def layer(
    type: str | PathLike[str],
    c_in: SupportsIndex,
    c_out: SupportsIndex | None = None,
    *,
    k: Size | None = None,
    hw: Size | None = None,
    stride: Size | None = None,
    padding: Size | Literal["same"] | None = None,
    dilation: Size | None = None,
    groups: SupportsIndex | None = None,
    batch: SupportsIndex = 1,
    **options: Option,
) -> Evaluation:
    """The cost of one operator on one shape, as `flopcalc layer` shows it.

    type: an operator that `flopcalc list` shows, or the path of an operator's YAML file. Sizes are in channels and
    pixels; operators on volumes take (depth, height, width) for a window. padding="same" keeps the size at stride 1.
    Defaults are those of the command line: c_out = c_in, k = 3, hw = 56, stride 1, unless the operator has
    its own. options: those of the operator, as in `flopcalc layer --set`.

    The result offers every kind of cost as an exact int (`.macs`, `.params`, `.total(kind)`), the parts as `.cost`,
    and the ratio to the plain convolution. Raises FlopcalcError for unknown names, wrong values, and shapes to which
    the operator does not apply.

    >>> from flopcalc import layer
    >>> layer("compconv", 256).macs
    504080640
    >>> layer("spconv", 256, alpha="1/4").ratio("macs")
    Fraction(17, 72)
    """
    operator = lookup.get(as_name(type, "operator"))
    sizes: dict[str, Any] = {
        "k": k,
        "hw": hw,
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
    }
    # The sizes are checked there, and become ints.
    channels: tuple[Any, Any] = c_in, c_out
    shape = operator.geometry(*channels, options, batch=batch, **sizes)
    return operator.evaluate(shape, options)
