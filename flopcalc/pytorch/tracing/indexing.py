"""The rules of indexing: x[...] and x[...] = value."""

from typing import Any

import torch
from torch import Tensor

from flopcalc.pytorch.counting.kernels import new_work
from flopcalc.pytorch.counting.recorder import Recorder
from flopcalc.pytorch.counting.twins import TENSORS
from flopcalc.pytorch.tracing.fresh import is_plain
from flopcalc.pytorch.tracing.heavy import stored
from flopcalc.pytorch.tracing.net import SHAPES

# The answer of a rule whose function gives nothing; Python drops it.
DONE = object()

_PLACES = (int, torch.SymInt, slice, type(None), type(Ellipsis))


def _is_view(index: Any) -> bool:
    """Whether an index picks a view: integers, slices, None and an ellipsis."""
    return type(index) in _PLACES or (type(index) is tuple and all(type(one) in _PLACES for one in index))


def pick(recorder: Recorder, x: Tensor, index: Any) -> Any:
    """A part of a tensor: a view, or what a tensor of indices picks."""
    if isinstance(index, Tensor):
        # Without axes it is a number, which torch reads.
        out = SHAPES["aten::index"](x, [index]) if index.dim() else None
        if out is not None:
            # Only what is picked is read, and the index.
            size = out.numel()
            recorder.kernel("move", new_work((0, 0, 0, 0, 0, size + stored(index), size)), (x, index), (out,))
        return out
    return x[index] if _is_view(index) and type(x) in TENSORS else None


def put(recorder: Recorder, x: Tensor, index: Any, value: Any) -> Any:
    """A number written to a part of a tensor, which torch copies from a tensor without axes."""
    if type(value) not in (int, float) or not _is_view(index) or not is_plain(x) or x.dtype is torch.bool:
        return None
    part = x[index]
    if not part.numel():
        return None
    # What is overwritten is not read.
    work = new_work((0, 0, 0, 0, 0, 1, part.numel()))
    recorder.kernel("move", work, (part,), (part,))
    return DONE
