"""The strides of the output of a convolution, from sizes: those that torch's kernels give on devices with values."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from flopcalc.pytorch.counting.memory_format import left_to_library
from flopcalc.pytorch.tracing import sizes
from flopcalc.pytorch.tracing.fresh import is_contiguous


def strides(
    x: Tensor, weight: Tensor, shape: Sequence[int], steps: Sequence[int], more: Sequence[int] | None, groups: int
) -> sizes.Sizes:
    """The strides of an output of this shape. more: the output padding of a transposed convolution, else None."""
    axes = len(shape) - 2
    if axes == 1:
        # Computed as a map of height one, whose input is made contiguous first.
        given = x.stride() if is_contiguous(x) else sizes.contiguous(x.shape)
        of_map = _as_map(x.shape, given), _as_map(weight.shape, weight.stride())
        if not any(sizes.suggests_channels_last(*one) for one in of_map):
            return sizes.contiguous(shape)
        batch, channel, _, width = sizes.channels_last((*shape[:2], 1, shape[2]))
        return batch, channel, width
    last = any(sizes.suggests_channels_last(one.shape, one.stride()) for one in (x, weight))
    if last and (axes == 2 or left_to_library(x, weight, steps, more, groups)):
        return sizes.channels_last(shape)
    return sizes.contiguous(shape)


def _as_map(shape: Sequence[int], given: Sequence[int]) -> tuple[Any, Any]:
    (batch, channels, width), (by_batch, by_channel, step) = shape, given
    return (batch, channels, 1, width), (by_batch, by_channel, width * step, step)
