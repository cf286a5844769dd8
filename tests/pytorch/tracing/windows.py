"""Arguments at random of kernels that go over positions of a map: convolutions, pools and interpolation."""

from collections.abc import Callable
from typing import Any

from .drawing import Draw

Strategy = Callable[[Draw, str], Any]


def per_axis(draw: Draw, axes: int, low: int, high: int) -> list[int]:
    """One number for each axis."""
    return [draw.number(low, high) for _ in range(axes)]


def im2col(draw: Draw, overload: str) -> Any:
    x = draw.any_tensor(4, 4)
    return [x, *(per_axis(draw, 2, low, high) for low, high in ((1, 3), (1, 2), (0, 2), (1, 2)))]


def col2im(draw: Draw, overload: str) -> Any:
    size, kernel, gaps, pads, steps = (
        per_axis(draw, 2, low, high) for low, high in ((2, 6), (1, 2), (1, 2), (0, 1), (1, 2))
    )
    places = [
        max((n + 2 * p - d * (k - 1) - 1) // s + 1, 1)
        for n, k, d, p, s in zip(size, kernel, gaps, pads, steps, strict=True)
    ]
    x = draw.tensor((draw.size(), draw.size(3) * kernel[0] * kernel[1], places[0] * places[1]))
    return [x, size, kernel, gaps, pads, steps]


def convolution(draw: Draw, overload: str) -> Any:
    axes, groups = draw.number(1, 3), draw.one((1, 1, 2, 3))
    c_in, c_out = groups * draw.number(1, 2), groups * draw.number(1, 2)
    # Channels that are not as many as the weight wants, that are not of whole groups, and empty axes.
    given = c_in if draw.plain or draw.chance(0.8) else draw.number(0, 6)
    c_in = given if given and draw.chance(0.5) else c_in
    least = 2 if draw.plain or draw.chance(0.9) else 0
    x = draw.tensor((draw.size(2), given, *(draw.number(least, 5) for _ in range(axes))))
    transposed = draw.chance(0.4)
    ends = (c_in, c_out // groups) if transposed else (c_out, c_in // groups)
    weight = draw.tensor((*ends, *per_axis(draw, axes, 1, 3)))
    bias = draw.maybe(draw.tensor((c_out,)))
    steps, pads, gaps = (per_axis(draw, axes, low, high) for low, high in ((1, 3), (0, 2), (1, 2)))
    more = [draw.number(0, max(one - 1, 0)) if transposed else 0 for one in steps]
    if draw.chance(0.2):
        steps, pads, gaps, more = (one[:1] for one in (steps, pads, gaps, more))
    return [x, weight, bias, steps, pads, gaps, transposed, more, groups]


def pool(axes: int, largest: bool) -> Strategy:
    def strategy(draw: Draw, overload: str) -> Any:
        batch = (draw.size(2), draw.size(3))[draw.number(0, 1) :]
        x = draw.tensor((*batch, *(draw.number(3, 7) for _ in range(axes))))
        kernel = per_axis(draw, axes, 1, 3)
        pads = [draw.number(0, one // 2) for one in kernel]
        steps = draw.one((per_axis(draw, axes, 1, 3), []))
        ceil = draw.chance(0.5)
        given = [x, kernel, steps, pads]
        if largest:
            return [*given, per_axis(draw, axes, 1, 2), ceil]
        return [*given, ceil, draw.chance(0.5), draw.one((None, None, 3))]

    return strategy


def adaptive(axes: int) -> Strategy:
    def strategy(draw: Draw, overload: str) -> Any:
        return [draw.any_tensor(axes + 1, axes + 2), per_axis(draw, axes, 1, 4)]

    return strategy


def upsampled(axes: int, aligned: bool) -> Strategy:
    def strategy(draw: Draw, overload: str) -> Any:
        x = draw.any_tensor(axes + 2, axes + 2)
        corners = [draw.chance(0.5)] if aligned else []
        if overload == "vec":
            by_size = draw.plain or draw.chance(0.5)
            return [x, per_axis(draw, axes, 1, 9) if by_size else None, *corners, None if by_size else [2.0] * axes]
        return [x, per_axis(draw, axes, 1, 9), *corners, *([] if draw.chance(0.5) else [None] * axes)]

    return strategy
