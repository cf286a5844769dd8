"""The window of a layer: kernel, stride, padding, dilation and groups."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from flopcalc.cost.geometry import Geometry, same_padding
from flopcalc.primitives.record import Primitive
from flopcalc.spec.operator import Operator
from flopcalc.spec.rules import NO_WINDOW


class Window(NamedTuple):
    """Sizes of a convolution or pooling window: one number for each axis, in the order of the shape.

    padding: None where it differs between the two ends of an axis. groups: None for pooling.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...] | None
    dilation: tuple[int, ...]
    groups: int | None = None


def operator_window(operator: Operator, g: Geometry, axes: int) -> Window | None:
    """The window of an operator on a shape with that number of axes; None where it has no window.

    Of vectors there is `linear` only, which has none.
    """
    if any(rule.text == NO_WINDOW for rule in operator.rules):
        return None
    kernel = _axes((g.depth.k, *g.kernel), axes)
    stride, dilation = _axes((g.depth.stride, *g.stride), axes), _axes((g.depth.dilation, *g.dilation), axes)
    padding = None if g.uneven else _axes((g.depth.padding, *g.padding), axes)
    return Window(kernel, stride, padding, dilation, g.groups)


def _axes(sizes: tuple[int, int, int], axes: int) -> tuple[int, ...]:
    """The sizes for depth, height and width of the axes that there are: a sequence has the width, an image no depth."""
    return sizes[-axes:]


def primitive_window(primitive: Primitive, settings: Mapping[str, Any]) -> Window | None:
    """The window of a primitive with these settings; None where it has no kernel."""
    given = {**primitive.settings, **settings}
    if "k" not in given:
        return None
    kernel, dilation = _pair(given["k"]), _pair(given.get("dilation", 1))
    stride = kernel if given["stride"] is None else _pair(given["stride"])
    padding = same_padding(kernel, dilation) if given["padding"] is None else _pair(given["padding"])
    return Window(kernel, stride, padding, dilation, given.get("groups"))


def _pair(value: Any) -> tuple[int, int]:
    # Also symbolic sizes.
    one, other = value if isinstance(value, list | tuple) else (value, value)
    return one, other
