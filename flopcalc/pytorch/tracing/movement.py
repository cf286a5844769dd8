"""Shape rules of kernels that move, pick and reduce data, by the name of the kernel."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from flopcalc.pytorch.tracing import sizes
from flopcalc.pytorch.tracing.extents import same
from flopcalc.pytorch.tracing.factories import as_another, formatted
from flopcalc.pytorch.tracing.fresh import is_contiguous, is_plain, is_plain_or_complex, keeping, new, packed


def _clone(x: Tensor, *, memory_format: torch.memory_format | None = None) -> Tensor | None:
    return formatted(x, x.dtype, memory_format) if is_plain_or_complex(x) else None


def _to_copy(x: Tensor, *, non_blocking: bool = False, **how: Any) -> Tensor | None:
    return as_another(x, **how)


def _cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor | None:
    if any(one.dim() == 1 and not one.numel() for one in tensors):
        return _cat_filled(tensors, dim)
    first = tensors[0]
    shape = list(first.shape)
    at = sizes.axis(dim, len(shape))
    if at is None or not shape or not is_plain_or_complex(first):
        return None
    total = shape[at]
    last = sizes.suggests_channels_last(first.shape, first.stride())
    for tensor in tensors[1:]:
        other = tensor.shape
        if len(other) != len(shape) or tensor.dtype is not first.dtype or not is_plain_or_complex(tensor):
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
    if not filled or not all(is_plain_or_complex(one) and one.dtype is filled[0].dtype for one in tensors):
        return None
    out = _cat(filled, dim)
    return None if out is None else packed(out.shape, out.dtype)


def _stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor | None:
    first = tensors[0]
    shape = list(first.shape)
    at = sizes.axis(dim, len(shape) + 1)
    if at is None or not all(
        is_plain_or_complex(t) and t.dtype is first.dtype and t.shape == first.shape for t in tensors
    ):
        return None
    if at == len(shape):
        return _cat([tensor.unsqueeze(at) for tensor in tensors], at)
    # Joined along the axis, and divided into the tensors: the order of the axes is that of the joined ones.
    joined = _cat(tensors, at)
    if joined is None:
        return None
    divided = [*shape[:at], len(tensors), *shape[at:]]
    strides = joined.stride()
    return new(divided, (*strides[:at], strides[at] * shape[at], *strides[at:]), joined.dtype)


def _pad(x: Tensor, pad: Sequence[int], value: Any = 0) -> Tensor | None:
    shape = list(x.shape)
    if not is_plain_or_complex(x) or len(pad) % 2 or len(pad) // 2 > len(shape):
        return None
    last = sizes.suggests_channels_last(x.shape, x.stride())
    if not last and not is_contiguous(x) and not any(one > 0 for one in pad):
        # A copy of a part, in its own format. Of a symbolic size this is a condition.
        return None
    for index in range(len(pad) // 2):
        shape[-1 - index] += pad[2 * index] + pad[2 * index + 1]
    if not shape or not sizes.positive(shape) or 0 in x.shape:
        return None
    return new(shape, sizes.channels_last(shape) if last else sizes.contiguous(shape), x.dtype)


def _roll(x: Tensor, shifts: Sequence[int], dims: Sequence[int] = ()) -> Tensor | None:
    if not is_plain_or_complex(x) or any(sizes.axis(dim, x.dim()) is None for dim in dims):
        return None
    if dims and not x.dim():
        return None
    fits = len(shifts) == len(dims) or (not dims and len(shifts) == 1)
    return packed(x.shape, x.dtype) if fits and shifts else None


def _flip(x: Tensor, dims: Sequence[int]) -> Tensor | None:
    fits = not dims or sizes.axes(dims, x.dim()) is not None
    return formatted(x, x.dtype, None) if fits and is_plain_or_complex(x) else None


def _repeat(x: Tensor, repeats: Sequence[int]) -> Tensor | None:
    if not is_plain_or_complex(x):
        return None
    # Fewer repeats than axes are an error.
    shape = (*((1,) * (len(repeats) - x.dim())), *x.shape)
    return packed([n * r for n, r in zip(shape, repeats, strict=True)], x.dtype)


def _copy(x: Tensor, other: Tensor, non_blocking: bool = False) -> Tensor | None:
    fits = (
        is_plain_or_complex(x)
        and is_plain_or_complex(other)
        and sizes.broadcast(x.shape, other.shape) == tuple(x.shape)
    )
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


# The types of indices.
_INDICES = (torch.int64, torch.int32)


def _embedding(weight: Tensor, index: Tensor, *rest: Any) -> Tensor | None:
    if not is_plain(weight) or not is_plain(index) or weight.dim() != 2 or index.dtype not in _INDICES:
        return None
    return packed((*index.shape, weight.shape[1]), weight.dtype)


def _index(x: Tensor, indices: Sequence[Tensor | None]) -> Tensor | None:
    given = [index for index in indices if index is not None]
    if (
        not given
        or not is_plain_or_complex(x)
        or not all(is_plain(index) and index.dtype in _INDICES for index in given)
    ):
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
    if at is None or not x.dim() or not is_plain_or_complex(x) or not is_plain(index) or index.dim() > 1:
        return None
    return packed((*x.shape[:at], index.numel(), *x.shape[at + 1 :]), x.dtype)


def _gather(x: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor | None:
    at = sizes.axis(dim, x.dim())
    if (
        at is None
        or x.dim() != index.dim()
        or not is_plain_or_complex(x)
        or not is_plain(index)
        or not is_contiguous(index)
    ):
        return None
    if index.dtype not in _INDICES:
        return None
    within = (same(i, n) or i <= n or axis == at for axis, (i, n) in enumerate(zip(index.shape, x.shape, strict=True)))
    return packed(index.shape, x.dtype) if all(within) else None


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


def extreme(x: Tensor, dim: Any = (), keepdim: bool = False) -> Tensor | None:
    """The least or the largest element along axes."""
    return reduced(x, dim, keepdim, x.dtype) if is_plain(x) and x.numel() else None


def _some(x: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor | None:
    # Over no axes, given as an empty list, nothing is reduced.
    if not is_plain(x) or x.dtype is torch.uint8 or (isinstance(dim, Sequence) and not dim):
        return None
    return reduced(x, dim, keepdim, torch.bool)


def _argmax(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor | None:
    return reduced(x, dim, keepdim, torch.int64) if is_plain(x) and x.numel() and not keepdim else None


def _norm(
    x: Tensor, order: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Tensor | None:
    if not is_plain(x) or dtype is not None or not x.dtype.is_floating_point or not x.numel():
        return None
    return reduced(x, dim, keepdim, x.dtype)


def variance(x: Tensor, dim: Any = None, *rest: Any, correction: Any = None, keepdim: bool = False) -> Tensor | None:
    """A variance or a deviation along axes."""
    if not is_plain(x) or rest or isinstance(dim, bool) or not x.dtype.is_floating_point:
        return None
    return reduced(x, dim, keepdim, x.dtype)


def _scan(x: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Tensor | None:
    if not is_plain(x) or sizes.axis(dim, x.dim()) is None:
        return None
    return packed(x.shape, dtype or (x.dtype if x.dtype.is_floating_point else torch.int64))


def _scan_in_place(x: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Tensor | None:
    return x if is_plain(x) and sizes.axis(dim, x.dim()) is not None and dtype in (None, x.dtype) else None


def _triangle(x: Tensor, diagonal: int = 0) -> Tensor | None:
    return packed(x.shape, x.dtype) if is_plain(x) and x.dim() > 1 else None


def _triangle_in_place(x: Tensor, diagonal: int = 0) -> Tensor | None:
    return x if is_plain(x) and x.dim() > 1 else None


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
        if sizes.suggests_channels_last(x.shape, x.stride()):
            # A single channel: in both formats at once.
            return None
        c, h, w = x.shape[-3:]
        area = factor * factor
        if (c % area) if up else (h % factor or w % factor):
            return None
        shape = (c // area, h * factor, w * factor) if up else (c * area, h // factor, w // factor)
        return packed((*x.shape[:-3], *shape), x.dtype)

    return rule


def _prelu(x: Tensor, weight: Tensor) -> Tensor | None:
    if not is_plain(x) or not is_plain(weight) or x.dtype is not weight.dtype:
        return None
    return keeping(x, x.dtype) if sizes.equal(sizes.broadcast(x.shape, weight.shape) or (), x.shape) else None


def _sampled(x: Tensor, grid: Tensor, how: int, outside: int, aligned: bool) -> Tensor | None:
    if not is_plain(x) or not is_plain(grid) or x.dim() != 4 or grid.dim() != 4 or x.dtype is not grid.dtype:
        return None
    if not is_contiguous(x) or x.shape[0] != grid.shape[0] or grid.shape[3] != 2 or not all(x.shape[1:]):
        return None
    if how not in _MODES or outside not in _MODES:
        return None
    return packed((*x.shape[:2], *grid.shape[1:3]), x.dtype)


# Those of interpolation, and of what is outside.
_MODES = (0, 1, 2)

_RULES: dict[str, Any] = {
    "clone": _clone,
    "_to_copy": _to_copy,
    "cat": _cat,
    "stack": _stack,
    "constant_pad_nd": _pad,
    "roll": _roll,
    "flip": _flip,
    "repeat": _repeat,
    "copy_": _copy,
    "masked_fill": _masked_fill,
    "masked_fill_": _masked_fill_in_place,
    "embedding": _embedding,
    "index": _index,
    "index_select": _index_select,
    "gather": _gather,
    "mean": _mean,
    "sum": _sum,
    "amax amin": extreme,
    "any all": _some,
    "argmax argmin": _argmax,
    "linalg_vector_norm": _norm,
    "var std": variance,
    "cumsum cumprod": _scan,
    "cumsum_ cumprod_": _scan_in_place,
    "tril triu": _triangle,
    "tril_ triu_": _triangle_in_place,
    "glu": _glu,
    "pixel_shuffle": _pixels(True),
    "pixel_unshuffle": _pixels(False),
    "_prelu_kernel": _prelu,
    "logsumexp": lambda x, dim, keepdim=False: _mean(x, dim, keepdim) if dim else None,
    "grid_sampler_2d": _sampled,
}
RULES: dict[str, Any] = {f"aten::{name}": rule for names, rule in _RULES.items() for name in names.split()}
