"""Shape rules of kernels that move, pick, make and reduce data, by the name of the kernel."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from flopcalc.pytorch.tracing import sizes
from flopcalc.pytorch.tracing.elementwise import result
from flopcalc.pytorch.tracing.fresh import is_contiguous, is_plain, new, packed


def formatted(x: Tensor, dtype: torch.dtype, memory_format: torch.memory_format | None) -> Tensor | None:
    """A new tensor of the shape of another in a memory format; None or `preserve_format` keeps that of the other."""
    if memory_format is None or memory_format is torch.preserve_format:
        return new(x.shape, sizes.like(x.shape, x.stride()), dtype)
    if memory_format is torch.contiguous_format:
        return packed(x.shape, dtype)
    fits = x.dim() == (4 if memory_format is torch.channels_last else 5)
    return new(x.shape, sizes.channels_last(x.shape), dtype) if fits else None


def _clone(x: Tensor, *, memory_format: torch.memory_format | None = None) -> Tensor | None:
    return formatted(x, x.dtype, memory_format) if is_plain(x) else None


def _to_copy(
    x: Tensor,
    *,
    dtype: torch.dtype | None = None,
    layout: Any = None,
    device: torch.device | None = None,
    pin_memory: bool | None = None,
    non_blocking: bool = False,
    memory_format: torch.memory_format | None = None,
) -> Tensor | None:
    if not is_plain(x) or not _on_meta(device, layout):
        return None
    return formatted(x, dtype or x.dtype, memory_format)


def _on_meta(device: torch.device | None, layout: Any) -> bool:
    return (device is None or device.type == "meta") and (layout is None or layout is torch.strided)


def _like(dtype_of: Any = None) -> Any:
    def rule(
        x: Tensor,
        *fill: Any,
        dtype: torch.dtype | None = None,
        layout: Any = None,
        device: torch.device | None = None,
        pin_memory: bool | None = None,
        memory_format: torch.memory_format | None = None,
    ) -> Tensor | None:
        if not is_plain(x) or not _on_meta(device, layout):
            return None
        return formatted(x, dtype or x.dtype, memory_format)

    return rule


def _new(
    x: Tensor,
    shape: Sequence[int],
    *fill: Any,
    dtype: torch.dtype | None = None,
    layout: Any = None,
    device: torch.device | None = None,
    pin_memory: bool | None = None,
) -> Tensor | None:
    return packed(shape, dtype or x.dtype) if is_plain(x) and _on_meta(device, layout) else None


def _cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor | None:
    if len(tensors) > 1 and any(one.dim() == 1 and not one.numel() for one in tensors):
        return _cat_filled(tensors, dim)
    first = tensors[0]
    shape = list(first.shape)
    at = sizes.axis(dim, len(shape))
    if at is None or not shape or not is_plain(first):
        return None
    total = shape[at]
    last = sizes.suggests_channels_last(first.shape, first.stride())
    for tensor in tensors[1:]:
        other = tensor.shape
        if len(other) != len(shape) or tensor.dtype is not first.dtype or not is_plain(tensor):
            return None
        if any(a != b for axis, (a, b) in enumerate(zip(shape, other, strict=True)) if axis != at):
            return None
        total += other[at]
        last = last and sizes.suggests_channels_last(other, tensor.stride())
    shape[at] = total
    return new(shape, sizes.channels_last(shape) if last else sizes.contiguous(shape), first.dtype)


def _cat_filled(tensors: Sequence[Tensor], dim: int) -> Tensor | None:
    """As `_cat`, of which torch leaves out tensors of shape (0,), as a cache is at its start."""
    filled = [one for one in tensors if one.dim() != 1 or one.numel()]
    if not filled or not all(is_plain(one) and one.dtype is filled[0].dtype for one in tensors):
        return None
    out = _cat(filled, dim)
    return None if out is None else packed(out.shape, out.dtype)


# Axes of a grid of positions, at most: a volume has as many.
_GRID = 3


def _stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor | None:
    first = tensors[0]
    shape = list(first.shape)
    at = sizes.axis(dim, len(shape) + 1)
    if at is None or not all(is_plain(t) and t.dtype is first.dtype and t.shape == first.shape for t in tensors):
        return None
    if not all(is_contiguous(tensor) for tensor in tensors):
        # Such as the rows and columns of a grid, which are expanded. Maps may keep an order of their own.
        return _cat([tensor.unsqueeze(at) for tensor in tensors], at) if len(shape) <= _GRID else None
    shape.insert(at, len(tensors))
    return packed(shape, first.dtype)


def _pad(x: Tensor, pad: Sequence[int], value: Any = 0) -> Tensor | None:
    shape = list(x.shape)
    if not is_plain(x) or len(pad) % 2 or len(pad) // 2 > len(shape):
        return None
    for index in range(len(pad) // 2):
        shape[-1 - index] += pad[2 * index] + pad[2 * index + 1]
    if not shape or not sizes.positive(shape) or 0 in x.shape:
        return None
    last = sizes.suggests_channels_last(x.shape, x.stride())
    return new(shape, sizes.channels_last(shape) if last else sizes.contiguous(shape), x.dtype)


def _roll(x: Tensor, shifts: Sequence[int], dims: Sequence[int] = ()) -> Tensor | None:
    if not is_plain(x) or not is_contiguous(x) or any(sizes.axis(dim, x.dim()) is None for dim in dims):
        return None
    fits = len(shifts) == len(dims) or (not dims and len(shifts) == 1)
    return packed(x.shape, x.dtype) if fits and shifts else None


def same(x: Tensor, *rest: Any) -> Tensor | None:
    """The result of a kernel that keeps the shape."""
    return packed(x.shape, x.dtype) if is_plain(x) and is_contiguous(x) else None


def _repeat(x: Tensor, repeats: Sequence[int]) -> Tensor | None:
    more = len(repeats) - x.dim()
    if more < 0 or min(repeats, default=1) < 1 or not is_plain(x) or not is_contiguous(x):
        return None
    return packed([n * r for n, r in zip((*((1,) * more), *x.shape), repeats, strict=True)], x.dtype)


def _fill(x: Tensor, *value: Any) -> Tensor | None:
    return x if is_plain(x) and not (value and isinstance(value[0], complex)) else None


def _drawn(x: Tensor, *bounds: Any) -> Tensor | None:
    return x if is_plain(x) and x.dtype.is_floating_point else None


def _copy(x: Tensor, other: Tensor, non_blocking: bool = False) -> Tensor | None:
    fits = is_plain(x) and is_plain(other) and sizes.broadcast(x.shape, other.shape) == tuple(x.shape)
    return x if fits else None


def _masked_fill(x: Tensor, mask: Tensor, value: Any) -> Tensor | None:
    if isinstance(value, Tensor | complex) or not is_plain(x) or not is_plain(mask) or mask.dtype is not torch.bool:
        return None
    shape = sizes.broadcast(x.shape, mask.shape)
    return None if shape is None else packed(shape, x.dtype)


def _masked_fill_in_place(x: Tensor, mask: Tensor, value: Any) -> Tensor | None:
    if isinstance(value, Tensor | complex) or not is_plain(x) or not is_plain(mask) or mask.dtype is not torch.bool:
        return None
    return x if sizes.broadcast(x.shape, mask.shape) == tuple(x.shape) else None


def _embedding(weight: Tensor, index: Tensor, *rest: Any) -> Tensor | None:
    if not is_plain(weight) or not is_plain(index) or weight.dim() != 2 or index.dtype.is_floating_point:
        return None
    return packed((*index.shape, weight.shape[1]), weight.dtype)


def _index(x: Tensor, indices: Sequence[Tensor | None]) -> Tensor | None:
    given = [index for index in indices if index is not None]
    whole = (torch.int64, torch.int32)
    if not given or not is_plain(x) or not all(is_plain(index) and index.dtype in whole for index in given):
        return None
    if not is_contiguous(x) or 0 in x.shape or len(indices) > x.dim():
        return None
    shape: tuple[int, ...] | None = ()
    for index in given:
        shape = None if shape is None else sizes.broadcast(shape, index.shape)
    if shape is None:
        return None
    places = [place for place, index in enumerate(indices) if index is not None]
    kept = [extent for place, extent in enumerate(x.shape) if place >= len(indices) or indices[place] is None]
    first = places[0]
    if places != list(range(first, first + len(places))):
        # Axes that are not picked move behind the picked ones, and the order in memory with them.
        return None
    return packed((*kept[:first], *shape, *kept[first:]), x.dtype)


def _index_select(x: Tensor, dim: int, index: Tensor) -> Tensor | None:
    at = sizes.axis(dim, x.dim())
    if at is None or not x.dim() or not is_plain(x) or not is_plain(index) or index.dim() > 1:
        return None
    return packed((*x.shape[:at], index.numel(), *x.shape[at + 1 :]), x.dtype)


def _gather(x: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor | None:
    fits = is_plain(x) and is_plain(index) and x.dim() == index.dim() and is_contiguous(index)
    return packed(index.shape, x.dtype) if fits and sizes.axis(dim, x.dim()) is not None else None


def _made(*given: Any, dtype: torch.dtype | None = None, device: Any = None, layout: Any = None, **more: Any) -> Any:
    """zeros, ones, empty, rand and randn of a shape."""
    if device is None or device.type != "meta" or not _on_meta(device, layout) or more.get("memory_format") is not None:
        return None
    return packed(given[0], dtype or torch.get_default_dtype())


def _made_of_integers(*given: Any, dtype: torch.dtype | None = None, **more: Any) -> Any:
    """randint, of bounds and a shape, and randperm, of a length."""
    shape = given[-1] if isinstance(given[-1], Sequence) else (given[-1],)
    return _made(shape, dtype=dtype or torch.int64, **more)


def _full(
    shape: Sequence[int], value: Any, *, dtype: torch.dtype | None = None, device: Any = None, **more: Any
) -> Any:
    if device is None or device.type != "meta" or isinstance(value, complex):
        return None
    if dtype is None:
        whole = torch.bool if isinstance(value, bool) else torch.int64
        dtype = torch.get_default_dtype() if isinstance(value, float) else whole
    return packed(shape, dtype)


def _scalar(value: Any, *, dtype: torch.dtype | None = None, device: Any = None, **more: Any) -> Any:
    return _made((), dtype=dtype, device=device)


_FRACTIONS = (float, torch.SymFloat)
_NUMBERS = (int, torch.SymInt, *_FRACTIONS)


def _arange(*given: Any, dtype: torch.dtype | None = None, device: Any = None, **more: Any) -> Any:
    if device is None or device.type != "meta" or not all(type(one) in _NUMBERS for one in given):
        return None
    start, end, step = (0, given[0], 1) if len(given) == 1 else (*given, 1)[:3]
    span = (end - start) / step
    if span < 0:
        return None
    whole = not any(type(one) in _FRACTIONS for one in given)
    count = -(-(end - start) // step) if whole else math.ceil(span)
    return packed((count,), dtype or (torch.int64 if whole else torch.get_default_dtype()))


def _mean(x: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Tensor | None:
    if not is_plain(x) or dtype is not None or not x.dtype.is_floating_point:
        return None
    return reduced(x, dim, keepdim, x.dtype)


def _sum(x: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Tensor | None:
    if not is_plain(x):
        return None
    return reduced(x, dim, keepdim, dtype or (x.dtype if x.dtype.is_floating_point else torch.int64))


def reduced(x: Tensor, dim: Any, keepdim: bool, dtype: torch.dtype) -> Tensor | None:
    """A new tensor without some axes of another, or with one element along them; no axes are all of them."""
    over = sizes.axes(dim, x.dim())
    return None if over is None else packed(sizes.reduced(x.shape, over, keepdim), dtype)


def _extreme(x: Tensor, dim: Any = (), keepdim: bool = False) -> Tensor | None:
    return reduced(x, dim, keepdim, x.dtype) if is_plain(x) and x.numel() else None


def _some(x: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor | None:
    return reduced(x, dim, keepdim, torch.bool) if is_plain(x) and x.dtype is not torch.uint8 else None


def _argmax(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor | None:
    return reduced(x, dim, keepdim, torch.int64) if is_plain(x) and x.numel() and not keepdim else None


def _norm(
    x: Tensor, order: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Tensor | None:
    if not is_plain(x) or dtype is not None or not x.dtype.is_floating_point or not x.numel():
        return None
    return reduced(x, dim, keepdim, x.dtype)


def _var(x: Tensor, dim: Any = None, *rest: Any, correction: Any = None, keepdim: bool = False) -> Tensor | None:
    if not is_plain(x) or rest or isinstance(dim, bool) or not x.dtype.is_floating_point:
        return None
    return reduced(x, dim, keepdim, x.dtype)


def _scan(x: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Tensor | None:
    if not is_plain(x) or sizes.axis(dim, x.dim()) is None or not is_contiguous(x):
        return None
    return packed(x.shape, dtype or (x.dtype if x.dtype.is_floating_point else torch.int64))


def _triangle(x: Tensor, diagonal: int = 0) -> Tensor | None:
    return packed(x.shape, x.dtype) if is_plain(x) and x.dim() > 1 and is_contiguous(x) else None


def _glu(x: Tensor, dim: int = -1) -> Tensor | None:
    at = sizes.axis(dim, x.dim())
    if at is None or not x.dim() or not is_plain(x) or x.shape[at] % 2 or not is_contiguous(x):
        return None
    half = (*x.shape[:at], x.shape[at] // 2, *x.shape[at + 1 :])
    return packed(half, x.dtype)


def _pixels(up: bool) -> Any:
    def rule(x: Tensor, factor: int) -> Tensor | None:
        if not is_plain(x) or x.dim() < 3 or factor < 1 or not is_contiguous(x):
            return None
        c, h, w = x.shape[-3:]
        area = factor * factor
        if (c % area) if up else (h % factor or w % factor):
            return None
        shape = (c // area, h * factor, w * factor) if up else (c * area, h // factor, w // factor)
        return packed((*x.shape[:-3], *shape), x.dtype)

    return rule


def _prelu(x: Tensor, weight: Tensor) -> Tensor | None:
    return result((x, weight), x.dtype) if is_plain(x) and is_plain(weight) and x.dtype is weight.dtype else None


def _sampled(x: Tensor, grid: Tensor, *rest: Any) -> Tensor | None:
    if not is_plain(x) or not is_plain(grid) or x.dim() != 4 or grid.dim() != 4 or x.dtype is not grid.dtype:
        return None
    if not is_contiguous(x) or x.shape[0] != grid.shape[0] or grid.shape[3] != 2 or not all(x.shape[1:]):
        return None
    return packed((*x.shape[:2], *grid.shape[1:3]), x.dtype)


_RULES: dict[str, Any] = {
    "clone": _clone,
    "_to_copy": _to_copy,
    "zeros_like ones_like empty_like full_like rand_like randn_like": _like(),
    "new_zeros new_ones new_empty new_full": _new,
    "cat": _cat,
    "stack": _stack,
    "constant_pad_nd": _pad,
    "roll": _roll,
    "flip": same,
    "repeat": _repeat,
    "fill_ zero_ bernoulli_ random_": _fill,
    "normal_ uniform_ exponential_ cauchy_ log_normal_": _drawn,
    "copy_": _copy,
    "masked_fill": _masked_fill,
    "masked_fill_": _masked_fill_in_place,
    "embedding": _embedding,
    "index": _index,
    "index_select": _index_select,
    "gather": _gather,
    "zeros ones empty rand randn": _made,
    "randint randperm": _made_of_integers,
    "full": _full,
    "scalar_tensor": _scalar,
    "arange": _arange,
    "mean": _mean,
    "sum": _sum,
    "amax amin": _extreme,
    "any all": _some,
    "argmax argmin": _argmax,
    "linalg_vector_norm": _norm,
    "var std": _var,
    "cumsum cumprod": _scan,
    "tril triu": _triangle,
    "glu": _glu,
    "pixel_shuffle": _pixels(True),
    "pixel_unshuffle": _pixels(False),
    "_prelu_kernel": _prelu,
    "logsumexp": _mean,
    "grid_sampler_2d": _sampled,
}
RULES: dict[str, Any] = {f"aten::{name}": rule for names, rule in _RULES.items() for name in names.split()}
