"""Shape rules of kernels that sort, count, shuffle or place along axes, or that have two results of one shape."""

from typing import Any

import torch
from torch import Tensor

from flopcalc.pytorch.tracing import sizes
from flopcalc.pytorch.tracing.fresh import is_contiguous, is_plain, packed
from flopcalc.pytorch.tracing.movement import extreme, reduced, variance

_Two = tuple[Tensor, Tensor]


def _moments(x: Tensor, *rest: Any, **more: Any) -> _Two | None:
    """A variance and a mean."""
    return _twice(variance(x, *rest, **more))


def _extremes(x: Tensor, *, dim: int | None = None, keepdim: bool = False) -> _Two | None:
    """The least and the largest element."""
    return None if keepdim and dim is None else _twice(extreme(x, dim, keepdim))


def _sorted(x: Tensor, dim: int = -1, *rest: Any, **more: Any) -> _Two | None:
    """The elements in order, and their places before."""
    at = more.get("dim", dim)
    if not is_plain(x) or not is_contiguous(x) or sizes.axis(at, max(x.dim(), 1)) is None:
        return None
    return packed(x.shape, x.dtype), packed(x.shape, torch.int64)


def _twice(one: Tensor | None) -> _Two | None:
    return None if one is None else (one, packed(one.shape, one.dtype))


def _log_sigmoid(x: Tensor) -> _Two | None:
    """The result, and what its gradient needs."""
    return _twice(packed(x.shape, x.dtype)) if is_plain(x) and x.dtype.is_floating_point else None


def _counted(x: Tensor, dim: Any = None) -> Tensor | None:
    return reduced(x, dim, False, torch.int64) if is_plain(x) else None


def _trace(x: Tensor) -> Tensor | None:
    return packed((), x.dtype if x.dtype.is_floating_point else torch.int64) if is_plain(x) and x.dim() == 2 else None


def _diagonals(x: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor | None:
    """Matrices with the last axis on a diagonal, and zeros."""
    rank = x.dim() + 1
    places = [sizes.axis(dim, rank) for dim in (dim1, dim2)]
    if not is_plain(x) or not x.dim() or None in places or places[0] == places[1]:
        return None
    side = x.shape[-1] + abs(offset)
    kept = iter(x.shape[:-1])
    return packed([side if place in places else next(kept) for place in range(rank)], x.dtype)


def _shuffled(x: Tensor, groups: int) -> Tensor | None:
    fits = x.dim() > 2 and groups > 0 and not x.shape[1] % groups
    return packed(x.shape, x.dtype) if fits and is_plain(x) and is_contiguous(x) else None


_RULES: dict[str, Any] = {
    "var_mean std_mean": _moments,
    "aminmax": _extremes,
    "sort": _sorted,
    "log_sigmoid_forward": _log_sigmoid,
    "count_nonzero": _counted,
    "trace": _trace,
    "diag_embed": _diagonals,
    "channel_shuffle": _shuffled,
}
RULES: dict[str, Any] = {f"aten::{name}": rule for names, rule in _RULES.items() for name in names.split()}
