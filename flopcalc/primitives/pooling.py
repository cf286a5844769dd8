"""Pooling: the maximum or the mean over windows, over cells of a grid, or over the whole map."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from flopcalc.cost import parts
from flopcalc.cost.arith import maximum
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import out_size
from flopcalc.primitives.record import Primitive, Settings
from flopcalc.primitives.shapes import Result, Shape, ShapeError, flag, image, maps_of, pair, text


def _pool(
    shapes: Sequence[Shape], n: int, k: Any, stride: Any, padding: Any, ceil: Any, part: Callable[..., Part]
) -> Result:
    c, *sizes = image(shapes)
    window = pair("k", k)
    steps = window if stride is None else pair("stride", stride)
    pads = pair("padding", padding, 0)
    if any(map(_is_too_much, pads, window)):
        raise ShapeError(f"padding {text(pads)} is more than half of the {text(window)} window")
    out = tuple(map(_ceil_size if flag("ceil", ceil) else _floor_size, sizes, window, steps, pads))
    if any(size < 1 for size in out):
        raise ShapeError(f"a {text(window)} window does not fit its {text(tuple(sizes))} input")
    found = part("pool", c, n * prod(sizes), n * prod(out), prod(window))
    inside = prod(map(_inside, sizes, window, steps, pads, out))
    return (c, *out), (found._replace(extra=(n * c * (prod(out) * prod(window) - inside),)),)


def _is_too_much(padding: int, k: int) -> bool:
    return padding > k // 2


def _inside(size: int, k: int, stride: int, padding: int, out: int) -> int:
    """Elements of all windows of an axis that are not beyond the padded input."""
    # Only the last window can pass the end.
    beyond: int = maximum(0, (out - 1) * stride + k - (size + 2 * padding))
    return out * k - beyond


def _floor_size(size: int, k: int, stride: int, padding: int) -> int:
    return out_size(size, k, stride, padding, 1)


def _ceil_size(size: int, k: int, stride: int, padding: int) -> int:
    """As torch does it: a last window that starts beyond the input and its left padding is dropped."""
    out = -(-(size + 2 * padding - k) // stride) + 1
    return out - 1 if (out - 1) * stride >= size + padding else out


def maxpool(
    shapes: Sequence[Shape], n: int, k: Any = 2, stride: Any = None, padding: Any = 0, ceil: bool = False
) -> Result:
    """The maximum of each window."""
    return _pool(shapes, n, k, stride, padding, ceil, parts.max_pool)


def avgpool(
    shapes: Sequence[Shape], n: int, k: Any = 2, stride: Any = None, padding: Any = 0, ceil: bool = False
) -> Result:
    """The mean of each window."""
    return _pool(shapes, n, k, stride, padding, ceil, parts.avg_pool)


def _of_window(shapes: Sequence[Shape], settings: Settings) -> Settings:
    names = {"k": "kernel_size", "stride": "stride", "padding": "padding", "ceil": "ceil_mode"}
    return {names[key]: value for key, value in settings.items()}


def global_avgpool(shapes: Sequence[Shape], n: int, per_map: int = 1) -> Result:
    """The mean of each channel, as a 1x1 map."""
    c, h, w = image(shapes)
    maps = maps_of((c,), per_map)
    pool = parts.global_avg_pool("pool", maps, n * per_map * h * w, n)
    return (maps, 1, 1), (parts.called("" if per_map == 1 else "AdaptiveAvgPool subclass", pool),)


def adaptive_avgpool(shapes: Sequence[Shape], n: int, size: Any = 1) -> Result:
    """The mean of each cell of a grid; cell i spans floor(i h / size) to ceil((i + 1) h / size)."""
    c, h, w = image(shapes)
    cells = pair("size", size)
    if cells == (1, 1):
        return global_avgpool(shapes, n)
    spans = prod(
        sum(-(-(i + 1) * length // count) - i * length // count for i in range(count))
        for length, count in ((h, cells[0]), (w, cells[1]))
    )
    out = n * c * prod(cells)
    part = Part(
        "pool", "gap", adds=n * c * spans, other=out, reads=n * c * h * w, writes=out, call="AdaptiveAvgPool to cells"
    )
    return (c, *cells), (part,)


def _is_global(module: Any) -> bool:
    return module.output_size in (1, (1, 1))


_WINDOW = "; `stride`: the same as `k` unless given; `ceil: true`: a last, partial window counts"

POOLING = (
    Primitive("maxpool", f"the maximum of each `k` x `k` window{_WINDOW}", maxpool, "torch.nn.MaxPool2d", _of_window),
    Primitive("avgpool", f"the mean of each `k` x `k` window{_WINDOW}", avgpool, "torch.nn.AvgPool2d", _of_window),
    Primitive(
        "global_avgpool",
        "the mean of each channel, as a 1x1 map; `per_map`: the mean of this number of neighbouring channels",
        global_avgpool,
        "flopcalc.pytorch.layers._primitives.global_average",
        counted=("torch.nn.AdaptiveAvgPool2d", "flopcalc.pytorch.layers._primitives.MeanOfMaps"),
        counted_if=_is_global,
    ),
    Primitive(
        "adaptive_avgpool",
        "the mean of each cell of a `size` x `size` grid",
        adaptive_avgpool,
        "torch.nn.AdaptiveAvgPool2d",
        lambda shapes, settings: {"output_size": settings["size"]},
    ),
)
