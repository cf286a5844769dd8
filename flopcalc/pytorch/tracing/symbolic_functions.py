"""The rules of functions on symbolic sizes: those of the tracer, and others where torch wants plain numbers."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from flopcalc.pytorch.counting.recorder import Recorder
from flopcalc.pytorch.tracing import functions, views
from flopcalc.pytorch.tracing.fresh import is_plain, packed
from flopcalc.pytorch.tracing.functions import COPIES, VIEWS
from flopcalc.pytorch.tracing.heavy import copied
from flopcalc.pytorch.tracing.nodes import wrapped
from flopcalc.pytorch.tracing.sizes import axis, product


def _reshape(recorder: Recorder, x: Tensor, *shape: Any) -> Any:
    """A view where the strides allow one, else a copy."""
    if not is_plain(x):
        return None
    return _reshaped(recorder, x, shape[0] if len(shape) == 1 and isinstance(shape[0], Sequence) else shape)


def _reshaped(recorder: Recorder, x: Tensor, size: Sequence[Any]) -> Tensor:
    new = views.completed(x, size)
    found = views.viewed(*views.layout(x), new)
    if found is not None:
        return views.laid_out(x, new, found)
    return copied(recorder, x, packed([*map(wrapped, new)], x.dtype))


def _flatten(recorder: Recorder, x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Any:
    first, last = axis(start_dim, x.dim()), axis(end_dim, x.dim())
    if first is None or last is None or first > last or not is_plain(x):
        return None
    shape, _ = views.layout(x)
    if first == last and shape:
        return x
    return _reshaped(recorder, x, [*shape[:first], product(shape[first : last + 1]), *shape[last + 1 :]])


RULES: dict[Any, Any] = {
    **{func: rule for func, rule in functions.RULES.items() if func not in {*VIEWS, *COPIES}},
    **dict.fromkeys((Tensor.reshape, torch.reshape), _reshape),
    **dict.fromkeys((Tensor.flatten, torch.flatten), _flatten),
}

_ = functional
