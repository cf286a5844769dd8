"""Convolutions of complex numbers, which torch splits into three real ones before any kernel runs.

They are counted as one kernel of complex numbers, as torch's products of complex matrices are: the same function
costs the same, however it is written. The three real convolutions are torch's way to compute it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - its common name

from flopcalc.pytorch.counting.kernels import UNKNOWN, elements, work_kind_of, work_of
from flopcalc.pytorch.counting.recorder import Recorder
from flopcalc.pytorch.counting.twins import TENSORS

# Each function, and whether it is transposed.
_FUNCTIONS: Mapping[Any, bool] = {
    **dict.fromkeys((torch.conv1d, torch.conv2d, torch.conv3d, F.conv1d, F.conv2d, F.conv3d), False),
    **dict.fromkeys((torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d), True),
    **dict.fromkeys((F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d), True),
}
_CONVOLUTION = torch.ops.aten.convolution.default


def is_complex_convolution(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether a call of a torch function convolves complex numbers, in tensors without kernels of their own."""
    if func not in _FUNCTIONS:
        return False
    operands = _operands(args, kwargs)
    return any(map(torch.is_complex, operands)) and all(type(one) in TENSORS for one in operands)


def convolve(recorder: Recorder, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tensor:
    """The result of a complex convolution, recorded as one kernel."""
    operands = _operands(args, kwargs)
    with torch._C._DisableTorchDispatch():
        out: Tensor = func(*args, **kwargs)
    kernel = (*(*operands, None)[:3], None, None, None, _FUNCTIONS[func])
    work = work_of(_CONVOLUTION, kernel, {}, out, sum(map(elements, operands)))
    if work is not None and work is not UNKNOWN:
        kind = work_kind_of(_CONVOLUTION, kernel, recorder.reads_parameter(operands))
        recorder.kernel(kind, work, operands, [out])
    return out


def _operands(args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Tensor]:
    """Input, weight and bias, as far as they are given."""
    given = [*args[:3], *(kwargs[name] for name in ("input", "weight", "bias")[len(args) :] if name in kwargs)]
    return [one for one in given if isinstance(one, Tensor)]
