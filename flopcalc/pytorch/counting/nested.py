"""Nested tensors: the work of a kernel on them is that of the same kernel on each of their rows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.errors import FlopcalcError
from flopcalc.pytorch.counting.kernels import UNKNOWN, Answer, Work, elements, tensors

_WorkOf = Callable[..., Answer]


def whole_where_nested(modules: Iterable[tuple[str, nn.Module]]) -> None:
    """Let attention and encoder layers run as one kernel on nested tensors: torch has no other way for them.

    It takes none where it sees a mode above it. This changes the modules: give it those of a copy.
    """
    for _, child in modules:
        if isinstance(child, nn.MultiheadAttention | nn.TransformerEncoderLayer) and "forward" not in child.__dict__:
            child.__dict__["forward"] = _whole(child.forward)


def _whole(forward: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        if any(one.is_nested and one.layout is torch.strided for one in tensors((args, kwargs))):
            with torch._C.DisableTorchFunction():
                return forward(*args, **kwargs)
        return forward(*args, **kwargs)

    run.__wrapped__ = forward  # type: ignore[attr-defined]
    return run


def work_of_rows(
    work_of: _WorkOf, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any, own: Any
) -> Answer:
    """The sum over the rows; UNKNOWN where the rows of the arguments do not belong together."""
    try:
        rows = {len(one.unbind()) for one in tensors((args, kwargs, out)) if one.is_nested}
        total = Work()
        for row in range(*rows):
            given, named, made = (_row(value, row) for value in (args, kwargs, out))
            reads = sum(map(elements, tensors((given, named))))
            work = work_of(func, given, named, made, reads, own)
            if work is UNKNOWN or work is None:
                return work
            total = Work(*map(int.__add__, total, work))
    except FlopcalcError:
        raise
    except Exception:
        return UNKNOWN
    return total


def _row(value: Any, row: int) -> Any:
    if isinstance(value, Tensor):
        return value.unbind()[row] if value.is_nested else value
    if isinstance(value, list | tuple):
        return [_row(item, row) for item in value]
    if isinstance(value, dict):
        return {key: _row(item, row) for key, item in value.items()}
    return value
