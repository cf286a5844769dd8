"""The arguments of a forward: shapes become tensors, and tensors move to the device of the pass."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from flopcalc.pytorch.counting.inputs import Values, as_shape


def placed(args: Sequence[Any], named: Mapping[str, Any], dtype: torch.dtype) -> tuple[list[Any], dict[str, Any]]:
    """The arguments on the meta device. dtype: of tensors that are given as shapes."""
    # A list of integers is a value of the forward, unless it is the only input.
    shape = as_shape(args[0]) if len(args) == 1 and not named else None
    given = [_placed(value, dtype) for value in ([shape] if shape else args)]
    return given, {name: _placed(value, dtype) for name, value in named.items()}


def _placed(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, Tensor):
        return torch.empty_like(value, device="meta")
    if isinstance(value, tuple) and (shape := as_shape(value)) is not None:
        return torch.empty(shape, dtype=dtype, device="meta")
    if isinstance(value, Values):
        return tuple(value)
    if isinstance(value, list | tuple):
        return type(value)(_placed(item, dtype) for item in value)
    if isinstance(value, dict):
        return {key: _placed(item, dtype) for key, item in value.items()}
    return value
