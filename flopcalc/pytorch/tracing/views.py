"""Views of tensors with symbolic sizes: torch's own kernels for most of them take plain numbers only.

Each rule computes sizes, strides and offset as torch does, and takes the view by `as_strided`.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from flopcalc.pytorch.tracing.extents import quotient, same, unwrapped
from flopcalc.pytorch.tracing.nodes import wrapped
from flopcalc.pytorch.tracing.sizes import product, row_major
from flopcalc.symbolic.size import Size

# A size, or a number.
_Extent = Any
_END = 2**63 - 1
_MATRIX = 2


def layout(x: Tensor) -> tuple[list[_Extent], list[_Extent]]:
    """The shape and the strides of a tensor."""
    return [unwrapped(one) for one in x.shape], [unwrapped(one) for one in x.stride()]


def laid_out(x: Tensor, shape: Sequence[_Extent], strides: Sequence[_Extent], more: _Extent = 0) -> Tensor:
    """The same storage in another layout. more: elements between its first one and that of x."""
    offset = wrapped(unwrapped(x.storage_offset()) + more)
    return torch.as_strided(x, tuple(map(wrapped, shape)), tuple(map(wrapped, strides)), offset)


def _place(dim: int, rank: int) -> int:
    span = max(rank, 1)
    if not -span <= dim < span:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-span}, {span - 1}], but got {dim})")
    return dim % span


def completed(x: Tensor, size: Sequence[Any]) -> list[_Extent]:
    """A shape for x, with -1 as the size that is left. Raises RuntimeError where it does not fit."""
    new = [unwrapped(one) for one in size]
    left = [place for place, one in enumerate(new) if not isinstance(one, Size) and one == -1]
    count = unwrapped(x.numel())
    if left:
        known = product([one for place, one in enumerate(new) if place != left[0]])
        if same(known, 0):
            raise RuntimeError(f"shape '{new}' has no elements whatever -1 is")
        new[left[0]] = quotient(count, known)
    if product(new) != count:
        raise RuntimeError(f"shape '{new}' is invalid for input of size {count}")
    return new


def _view(x: Tensor, size: Sequence[Any]) -> Tensor:
    new = completed(x, size)
    found = viewed(*layout(x), new)
    if found is None:
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            "contiguous subspaces). Use .reshape(...) instead."
        )
    return laid_out(x, new, found)


def viewed(shape: Sequence[_Extent], strides: Sequence[_Extent], new: Sequence[_Extent]) -> list[_Extent] | None:
    """The strides of a tensor in another shape of as many elements; None where it must be copied for it."""
    if same(product(shape), 0):
        # Nothing is in it, so that it has any shape.
        return list(row_major(new))
    if not shape:
        return [1] * len(new)
    return _structural(shape, strides, new) or _viewed(shape, strides, new)


def _structural(shape: Sequence[_Extent], strides: Sequence[_Extent], new: Sequence[_Extent]) -> list[_Extent] | None:
    """As `_viewed`, where it holds for all sizes; None otherwise."""
    found: list[_Extent] = [1] * len(new)
    place = len(new) - 1
    base: _Extent = strides[-1]
    group: _Extent = 1
    for axis in reversed(range(len(shape))):
        group = group * shape[axis]
        if axis and (same(shape[axis - 1], 1) or same(strides[axis - 1], group * base)):
            continue
        taken: _Extent = 1
        while place >= 0 and (not same(taken, group) or same(new[place], 1)):
            found[place] = taken * base
            taken = taken * new[place]
            place -= 1
        if not same(taken, group):
            return None
        # Of the next axis, if there is one.
        base, group = strides[axis - 1], 1
    # What is left of the new shape, which has as many elements, is of one element each.
    return found


def _viewed(shape: Sequence[_Extent], strides: Sequence[_Extent], new: Sequence[_Extent]) -> list[_Extent] | None:
    """The strides in another shape, as torch computes them (computeStride in TensorUtils)."""
    found: list[_Extent] = [1] * len(new)
    place = len(new) - 1
    base: _Extent = strides[-1]
    group: _Extent = 1
    for axis in reversed(range(len(shape))):
        group = group * shape[axis]
        if axis and (strides[axis - 1] == group * base or shape[axis - 1] == 1):
            continue
        taken: _Extent = 1
        while place >= 0 and (taken < group or new[place] == 1):
            found[place] = taken * base
            taken = taken * new[place]
            place -= 1
        if taken != group:
            return None
        # Of the next axis, if there is one.
        base, group = strides[axis - 1], 1
    # As above.
    return found


def _permute(x: Tensor, dims: Sequence[int]) -> Tensor:
    shape, strides = layout(x)
    places = [_place(dim, len(shape)) for dim in dims]
    if sorted(places) != list(range(len(shape))):
        raise RuntimeError(f"permute(dims): {dims} is not an order of {len(shape)} dimensions")
    return laid_out(x, [shape[one] for one in places], [strides[one] for one in places])


def _transpose(x: Tensor, dim0: int, dim1: int) -> Tensor:
    rank = x.dim()
    places = list(range(rank))
    a, b = _place(dim0, rank), _place(dim1, rank)
    if rank:
        places[a], places[b] = b, a
    return _permute(x, places)


def _t(x: Tensor) -> Tensor:
    if x.dim() > _MATRIX:
        raise RuntimeError(f"t() expects a tensor with at most 2 dimensions, but self is {x.dim()}D")
    return _transpose(x, 0, 1) if x.dim() == _MATRIX else _alias(x)


def _alias(x: Tensor) -> Tensor:
    return laid_out(x, *layout(x))


def _unsqueeze(x: Tensor, dim: int) -> Tensor:
    shape, strides = layout(x)
    place = _place(dim, len(shape) + 1)
    strides.insert(place, shape[place] * strides[place] if place < len(shape) else 1)
    shape.insert(place, 1)
    return laid_out(x, shape, strides)


def _squeeze(x: Tensor, dim: Any = None) -> Tensor:
    shape, strides = layout(x)
    dims = range(len(shape)) if dim is None else [dim] if isinstance(dim, int) else dim
    places = [_place(one, len(shape)) for one in dims]
    if len({*places}) < len(places):
        raise RuntimeError(f"squeeze: a dimension appears several times in {dims}")
    kept = [place for place in range(len(shape)) if place not in places or shape[place] != 1]
    return laid_out(x, [shape[one] for one in kept], [strides[one] for one in kept])


def _expand(x: Tensor, size: Sequence[Any], **_of_no_effect: bool) -> Tensor:
    shape, strides = layout(x)
    more = len(size) - len(shape)
    if more < 0:
        raise RuntimeError("expand: the number of sizes must be at least the number of dimensions")
    new: list[_Extent] = []
    steps: list[_Extent] = []
    for place, one in enumerate(map(unwrapped, size)):
        old = shape[place - more] if place >= more else 1
        wanted = old if not isinstance(one, Size) and one == -1 and place >= more else one
        new.append(wanted)
        if same(old, 1) and isinstance(wanted, Size):
            # Where the new size is one as well, its stride is not used.
            steps.append(0)
        elif same(old, wanted) or wanted == old:
            steps.append(strides[place - more] if place >= more else 0)
        elif old == 1:
            steps.append(0)
        else:
            raise RuntimeError(f"The expanded size of the tensor ({wanted}) must match the existing size ({old})")
    return laid_out(x, new, steps)


def _select(x: Tensor, dim: int, index: Any) -> Tensor:
    shape, strides = layout(x)
    place, at = _place(dim, len(shape)), unwrapped(index)
    if not -shape[place] <= at or not at < shape[place]:
        raise IndexError(f"select(): index {at} out of range for a dimension of size {shape[place]}")
    at = at if at >= 0 else at + shape[place]
    more = at * strides[place]
    del shape[place], strides[place]
    return laid_out(x, shape, strides, more)


def _slice(x: Tensor, dim: int = 0, start: Any = None, end: Any = None, step: Any = 1) -> Tensor:
    shape, strides = layout(x)
    place = _place(dim, len(shape))
    size = shape[place]
    first = _bound(start, size, 0)
    last = _bound(end, size, size)
    if last is not size and last > size:
        last = size
    by = unwrapped(step)
    if by <= 0:
        raise ValueError("slice step must be positive")
    span, more = last - first, first * strides[place]
    shape[place] = (span + by - 1) // by if span >= 0 else 0
    strides[place] = strides[place] * by
    return laid_out(x, shape, strides, more)


def _bound(given: Any, size: _Extent, default: _Extent) -> _Extent:
    bound = unwrapped(given)
    if bound is None or (not isinstance(bound, Size) and bound == _END):
        return default if bound is None else size
    if bound < 0:
        bound = bound + size
        return bound if bound >= 0 else 0  # noqa: FURB136 (max would compare twice)
    return bound


def _split(x: Tensor, split_size: Any, dim: int = 0) -> list[Tensor]:
    shape, _ = layout(x)
    place, by = _place(dim, x.dim()), unwrapped(split_size)
    size = shape[place]
    if same(size, by):
        return [_alias(x)]
    if by <= 0:
        raise RuntimeError(f"split: pieces of {by} for a dimension of size {size}")
    count = -(-size // by)
    # An axis without elements is one piece.
    pieces = max(1, count if isinstance(count, int) else count.scope.fix(count))
    return [_slice(x, place, wrapped(i * by), wrapped((i + 1) * by) if i < pieces - 1 else None) for i in range(pieces)]


def _chunk(x: Tensor, chunks: int, dim: int = 0) -> list[Tensor]:
    size = layout(x)[0][_place(dim, x.dim())]
    if chunks < 1:
        raise RuntimeError(f"chunk: {chunks} pieces")
    if same(size, 0):
        return [_alias(x) for _ in range(chunks)]
    return _split(x, wrapped(-(-size // chunks)), dim)


def _split_with_sizes(x: Tensor, split_sizes: Sequence[Any], dim: int = 0) -> list[Tensor]:
    shape, _ = layout(x)
    place = _place(dim, x.dim())
    found, at = [], 0
    for one in map(unwrapped, split_sizes):
        found.append(_slice(x, place, wrapped(at), wrapped(at + one)))
        at = at + one
    if at != shape[place]:
        raise RuntimeError(f"split_with_sizes: the sizes sum to {at}, and the dimension has {shape[place]}")
    return found


def _unbind(x: Tensor, dim: int = 0) -> list[Tensor]:
    place = _place(dim, x.dim())
    return [_select(x, place, index) for index in range(int(x.shape[place]))]


def _diagonal(x: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    shape, strides = layout(x)
    a, b = _place(dim1, len(shape)), _place(dim2, len(shape))
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    below, above = max(-offset, 0), max(offset, 0)
    rows, columns = shape[a] - below, shape[b] - above
    length = rows if same(rows, columns) or rows <= columns else columns
    length = length if length >= 0 else 0  # noqa: FURB136 (max would compare twice)
    more = below * strides[a] + above * strides[b]
    step = strides[a] + strides[b]
    kept = [place for place in range(len(shape)) if place not in (a, b)]
    return laid_out(x, [*(shape[one] for one in kept), length], [*(strides[one] for one in kept), step], more)


def _unfold(x: Tensor, dimension: int, size: Any, step: Any) -> Tensor:
    shape, strides = layout(x)
    place, window, by = _place(dimension, len(shape)), unwrapped(size), unwrapped(step)
    most = shape[place] if shape else 1
    if window > most:
        raise RuntimeError(f"unfold: the window of {window} is larger than the dimension of {most}")
    if not shape:
        return laid_out(x, [window], [1])
    shape.append(window)
    strides.append(strides[place])
    shape[place] = (shape[place] - window) // by + 1
    strides[place] = strides[place] * by
    return laid_out(x, shape, strides)


def _restrided(x: Tensor, size: Sequence[Any], stride: Sequence[Any]) -> Tensor:
    return laid_out(x, [unwrapped(one) for one in size], [unwrapped(one) for one in stride])


VIEWS: dict[str, Any] = {
    "view": _view,
    "_unsafe_view": _view,
    "_reshape_alias": _restrided,
    "permute": _permute,
    "transpose": _transpose,
    "t": _t,
    "unsqueeze": _unsqueeze,
    "squeeze": _squeeze,
    "expand": _expand,
    "select": _select,
    "slice": _slice,
    "split": _split,
    "unsafe_split": _split,
    "chunk": _chunk,
    "unsafe_chunk": _chunk,
    "split_with_sizes": _split_with_sizes,
    "unsafe_split_with_sizes": _split_with_sizes,
    "unbind": _unbind,
    "diagonal": _diagonal,
    "unfold": _unfold,
    "detach": _alias,
    "alias": _alias,
}
VIEWS = {f"aten::{name}": rule for name, rule in VIEWS.items()}
"""The views, by the name of the kernel. `view` with a dtype, and views of complex numbers, are not among them."""
