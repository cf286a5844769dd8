"""In which memory format torch writes the output of a convolution: contiguous, or with the channels innermost.

cuDNN and oneDNN, and the kernels that torch has for maps of two axes on the CPU, write the channels innermost where the
input or the weight has them so. The meta kernels of torch leave this out: their outputs are contiguous.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from flopcalc.pytorch.counting.twins import TENSORS, is_meta

CONVOLUTION: Any = torch.ops.aten.convolution.default
# The most elements, without the last axis, for which torch takes its own kernel for one volume.
_SMALL = 20480


def left_to_library(x: Tensor, weight: Tensor, steps: Sequence[int], more: Sequence[int] | None, groups: int) -> bool:
    """Whether torch leaves a convolution of volumes to oneDNN on a CPU with several threads, as it does to cuDNN.

    Its own kernels for volumes give contiguous outputs. more: the output padding of a transposed convolution, or None.
    """
    if x.dtype is torch.float64:
        return False
    if more is not None:
        # One number is that of all three axes.
        pads, paces = ([*one] * (3 // len(one)) for one in (more, steps))
        if any(pad >= pace for pad, pace in zip(pads, paces, strict=True)):
            return False
    if x.dtype is not torch.float32:
        # On a CPU with instructions for this type.
        return True
    n, c, depth, height, _ = x.shape
    return groups > 1 or all(k > 3 for k in weight.shape[-2:]) or n > 1 or c * depth * height > _SMALL


def put_in_format(
    out: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> None:
    """Give the output of a convolution on the meta device the strides that it would have on a device with values.

    It stays the same tensor, which a mode below or a tracer may know.
    """
    if not (is_meta(out) and type(out) is Tensor and type(x) in TENSORS and out.dim() == weight.dim()):
        return
    axes = out.dim() - 2
    # No kernel runs for this on a device with values.
    with torch._C._DisableTorchDispatch():
        if axes == 1:
            # Computed as a map of height one, whose input is made contiguous first.
            strides = _strides(out.unsqueeze(2), x.contiguous().unsqueeze(2), weight.unsqueeze(2))
            strides = (*strides[:2], *strides[3:])
        elif axes == 3 and not left_to_library(x, weight, stride, output_padding if transposed else None, groups):
            return
        else:
            strides = _strides(out, x, weight)
        if strides:
            out.as_strided_(out.shape, strides)


def _strides(out: Tensor, *read: Tensor) -> tuple[int, ...]:
    """The strides of the output in the memory format of the first that is not contiguous; none where all are."""
    # Imported late, with SymPy, as the meta kernel of convolutions does.
    from torch._prims_common import suggest_memory_format

    for one in read:
        wanted = suggest_memory_format(one)
        if wanted is not torch.contiguous_format:
            return torch.empty_like(out, memory_format=wanted).stride()
    return ()
