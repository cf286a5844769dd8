"""An estimate of the workspace that cuDNN takes for a convolution. It is not part of the tensors' peak.

Of a 3x3 convolution with stride 1 and one group, in float32, cuDNN often takes the Winograd algorithm that is not
fused: it transforms tiles of 4x4 outputs to 6x6 values, so that input and output need 36/16 of their size, and weights
36/9 of theirs. In the backward pass of a batch of 1, on maps of less than two tiles, it takes an algorithm that copies
the weights. For the forward pass of a batch of 1, and for other convolutions, it takes others, whose workspace is
estimated as nothing.
"""

from typing import Any

from torch import Tensor
from torch._ops import OpOverload

_TILE, _TRANSFORMED = 4, 36
_FORWARD, _BACKWARD = "aten::convolution", "aten::convolution_backward"


def workspace(func: OpOverload, args: Any, out: Any) -> int:
    """Bytes for one kernel; 0 for what is not such a convolution."""
    name = func._schema.name
    if name == _FORWARD:
        given, weight, (stride, dilation, transposed, groups) = args[0], args[1], (args[3], args[5], args[6], args[8])
        other: Any = out
    elif name == _BACKWARD:
        other, given, weight = args[:3]
        stride, dilation, transposed, groups = args[4], args[6], args[7], args[9]
    else:
        return 0
    if weight.dim() != 4 or tuple(weight.shape[2:]) != (3, 3) or transposed or groups != 1:
        return 0
    if {*stride, *dilation} != {1} or given.element_size() != 4:
        return 0
    if given.shape[0] == 1:
        if name == _FORWARD:
            return 0
        if min(other.shape[2:]) < 2 * _TILE:
            return int(weight.numel() * weight.element_size())
    return _transformed(given.shape[1], other) + _transformed(other.shape[1], other) + _weights(weight)


def _transformed(channels: int, out: Tensor) -> int:
    tiles = out.shape[0] * -(-out.shape[2] // _TILE) * -(-out.shape[3] // _TILE)
    return int(channels * tiles * _TRANSFORMED * out.element_size())


def _weights(weight: Tensor) -> int:
    return int(weight.shape[0] * weight.shape[1] * _TRANSFORMED * weight.element_size())
