"""Products of groups of rows on the meta device, where torch itself takes them in bfloat16 only."""

from typing import Any

import torch
from torch import Tensor

from flopcalc.pytorch.counting.twins import is_meta

GROUPED_MM: Any = getattr(getattr(torch.ops.aten, "_grouped_mm", None), "default", None)
# The kernels take these too.
_OTHER_TYPES = frozenset({torch.float32, torch.float16})


def grouped_product(
    a: Tensor, b: Tensor, offs: Tensor | None = None, bias: Tensor | None = None, out_dtype: torch.dtype | None = None
) -> Tensor | None:
    """The result, without values; None where torch itself gives it, or says what is wrong."""
    if not (is_meta(a) and is_meta(b)) or a.dtype not in _OTHER_TYPES or a.dtype is not b.dtype:
        return None
    if {a.dim(), b.dim()} - {2, 3} or bias is not None or out_dtype not in (None, a.dtype):
        return None
    ends = None if offs is None else (offs.dim(), offs.dtype)
    if ends != (None if a.dim() == b.dim() == 3 else (1, torch.int32)):
        return None
    groups = {one.shape[0] for one in (a, b, offs) if one is not None and (one is offs or one.dim() == 3)}
    if len(groups) != 1 or a.shape[-1] != b.shape[-2] or not (_in_steps(a) and _in_steps(b)):
        return None
    rows, columns = a.shape[-2], b.shape[-1]
    # Where one operand has two axes, the groups split its free axis, which the result has once.
    shape = (rows, columns) if a.dim() != b.dim() else (groups.pop(), rows, columns)
    return torch.empty(shape, dtype=a.dtype, device="meta")


def _in_steps(tensor: Tensor) -> bool:
    """Whether one of the last two axes is without gaps, and the other one has steps of whole 16 bytes."""
    *_, rows, columns = tensor.stride()
    step = rows if columns == 1 else columns
    return 1 in (rows, columns) and step * tensor.element_size() % 16 == 0
