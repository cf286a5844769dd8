"""Shape rules of convolutions, matrix products, normalisation, softmax and pooling, by the name of the kernel."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from flopcalc.pytorch.tracing import sizes
from flopcalc.pytorch.tracing.convolved import strides as convolution_strides
from flopcalc.pytorch.tracing.fresh import is_contiguous, is_plain, keeping, new, packed

_NUMBERS = (int, torch.SymInt)


def per_axis(value: Any, axes: int) -> tuple[Any, ...]:
    """One number for each axis, from a number, or a sequence of one or all of them."""
    if isinstance(value, _NUMBERS):
        return (value,) * axes
    return tuple(value) * axes if len(value) == 1 else tuple(value)


def convolved(x: Sequence[int], weight: Sequence[int], stride: Any, padding: Any, dilation: Any) -> list[int]:
    """The axes of the output of a convolution, without batch and channels."""
    axes = len(weight) - 2
    steps, pads, gaps = per_axis(stride, axes), per_axis(padding, axes), per_axis(dilation, axes)
    return [(x[i + 2] + 2 * pads[i] - gaps[i] * (weight[i + 2] - 1) - 1) // steps[i] + 1 for i in range(axes)]


def _convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
) -> Tensor | None:
    given, kernel, dtype = x.shape, weight.shape, x.dtype
    axes = len(kernel) - 2
    if len(given) != len(kernel) or not is_plain(x) or not weight.is_meta or dtype is not weight.dtype:
        return None
    steps, more = per_axis(stride, axes), None
    if transposed:
        pads, gaps, more = (per_axis(v, axes) for v in (padding, dilation, output_padding))
        out = [
            (given[i + 2] - 1) * steps[i] - 2 * pads[i] + gaps[i] * (kernel[i + 2] - 1) + more[i] + 1
            for i in range(axes)
        ]
        channels = kernel[1] * groups
        fits = kernel[0] == given[1] and given[1] % groups == 0
    else:
        out = convolved(given, kernel, stride, padding, dilation)
        channels = kernel[0]
        fits = kernel[1] * groups == given[1] and channels % groups == 0
    if not fits or not sizes.positive((*out, *steps, given[1], channels)):
        return None
    if bias is not None and (not bias.is_meta or bias.dtype is not dtype or bias.shape != (channels,)):
        return None
    shape = (given[0], channels, *out)
    return new(shape, convolution_strides(x, weight, shape, steps, more, groups), dtype)


def _mm(a: Tensor, b: Tensor) -> Tensor | None:
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[0] or not _alike(a, b):
        return None
    return packed((a.shape[0], b.shape[1]), a.dtype)


def _bmm(a: Tensor, b: Tensor) -> Tensor | None:
    one, other = a.shape, b.shape
    if len(one) != 3 or len(other) != 3 or one[0] != other[0] or one[2] != other[1] or not _alike(a, b):
        return None
    return packed((one[0], one[1], other[2]), a.dtype)


def _added(rule: Any) -> Any:
    def added(given: Tensor, a: Tensor, b: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor | None:
        if isinstance(beta, complex) or isinstance(alpha, complex):
            return None
        out: Tensor | None = rule(a, b)
        if out is None or not _alike(given, a) or sizes.broadcast(out.shape, given.shape) != tuple(out.shape):
            return None
        return out

    return added


def _mv(a: Tensor, b: Tensor) -> Tensor | None:
    if a.dim() != 2 or b.dim() != 1 or a.shape[1] != b.shape[0] or not _alike(a, b):
        return None
    return packed((a.shape[0],), a.dtype)


def _dot(a: Tensor, b: Tensor) -> Tensor | None:
    return packed((), a.dtype) if a.dim() == 1 and a.shape == b.shape and _alike(a, b) else None


def _alike(one: Tensor, other: Tensor) -> bool:
    return is_plain(one) and is_plain(other) and one.dtype is other.dtype


def _statistics(given: Tensor | None, channels: int) -> bool:
    return given is None or (given.is_meta and given.shape == (channels,))


def normalised(x: Tensor, *given: Tensor | None) -> Tensor | None:
    """The result of batch norm. given: weight, bias, mean and variance. A vector has no axis of channels: it raises."""
    if not is_plain(x) or not x.dtype.is_floating_point:
        return None
    channels = x.shape[1]
    for one in given:
        if not _statistics(one, channels):
            return None
    return keeping(x, x.dtype)


def _batch_norm(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor | None,
    var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> Any:
    out = normalised(x, weight, bias, mean, var)
    if out is None or (mean is None) != (var is None) or (mean is None and not training):
        return None
    if training and x.numel() <= x.shape[1]:
        # Of one value there is no variance.
        return None
    kept = (x.shape[1],) if training else (0,)
    return out, packed(kept, x.dtype), packed(kept, x.dtype)


def normalised_tail(x: Tensor, shape: Sequence[int], weight: Tensor | None, bias: Tensor | None) -> Tensor | None:
    """The result of layer norm over the last axes."""
    tail = tuple(shape)
    given = x.shape
    if not tail or given[-len(tail) :] != tail or not is_plain(x) or not x.dtype.is_floating_point:
        return None
    for one in (weight, bias):
        if one is not None and not (one.is_meta and one.shape == tail):
            return None
    return packed(given, x.dtype)


def _layer_norm(x: Tensor, shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float) -> Any:
    out = normalised_tail(x, shape, weight, bias)
    if out is None:
        return None
    kept = (*x.shape[: -len(shape)], *((1,) * len(shape)))
    return out, packed(kept, x.dtype), packed(kept, x.dtype)


def _group_norm(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, n: int, c: int, inner: int, groups: int, eps: float
) -> Any:
    if not is_plain(x) or not x.dtype.is_floating_point or not is_contiguous(x):
        return None
    if not sizes.equal(x.shape[:2], (n, c)) or x.numel() != n * c * inner or c % groups:
        return None
    if not _statistics(weight, c) or not _statistics(bias, c):
        return None
    return new(x.shape, _format(x, x.shape), x.dtype), packed((n, groups), x.dtype), packed((n, groups), x.dtype)


def _softmax(x: Tensor, dim: int, to_float: bool) -> Tensor | None:
    if not is_plain(x) or not x.dtype.is_floating_point or to_float or sizes.axis(dim, x.dim()) is None:
        return None
    return packed(x.shape, x.dtype)


def _safe_softmax(x: Tensor, dim: int, dtype: torch.dtype | None = None) -> Tensor | None:
    if dtype is not None or not is_contiguous(x):
        return None
    return _softmax(x, dim, False)


def pooled(
    x: Tensor, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool, axes: int
) -> tuple[int, ...] | None:
    """The shape of a pooled map, with or without a batch; None where a window does not fit."""
    given = x.shape
    if len(given) not in (axes + 1, axes + 2) or not all(given):
        return None
    spans = per_axis(kernel, axes)
    steps = per_axis(stride, axes) if isinstance(stride, int) or len(stride) else spans
    pads, gaps = per_axis(padding, axes), per_axis(dilation, axes)
    out = []
    for extent, span, step, pad, gap in zip(given[-axes:], spans, steps, pads, gaps, strict=True):
        if not 0 <= 2 * pad <= span or min(span, step, gap) < 1:
            return None
        out.append(sizes.windows(extent, span, step, pad, gap, ceil=ceil))
    return (*given[:-axes], *out) if sizes.positive(out) else None


def _max_pool(axes: int) -> Any:
    def rule(x: Tensor, kernel: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1, ceil: bool = False) -> Any:
        shape = pooled(x, kernel, stride, padding, dilation, ceil, axes) if is_plain(x) else None
        if shape is None or _is_volume_alone(x, axes):
            return None
        strides = _format(x, shape)
        return new(shape, strides, x.dtype), new(shape, strides, torch.int64)

    return rule


def _windows(x: Tensor, kernel: Any, padding: Any) -> Any:
    return zip(x.shape[-3:], per_axis(kernel, 3), per_axis(padding, 3), strict=True)


def _avg_pool(axes: int) -> Any:
    def rule(
        x: Tensor,
        kernel: Any,
        stride: Any = (),
        padding: Any = 0,
        ceil: bool = False,
        include_pad: bool = True,
        divisor: int | None = None,
    ) -> Tensor | None:
        if not is_plain(x) or not x.dtype.is_floating_point or divisor == 0:
            return None
        shape = pooled(x, kernel, stride, padding, 1, ceil, axes)
        if axes == 3 and any((pad or ceil) and n < span for n, span, pad in _windows(x, kernel, padding)):
            # Torch wants volumes as large as the window, even where they are padded or the last window passes the end.
            return None
        return None if shape is None else new(shape, _of_mean(x, shape, axes), x.dtype)

    return rule


def _is_volume_alone(x: Tensor, axes: int) -> bool:
    """Whether it is a volume without a batch, which torch may take for maps with channels innermost."""
    return axes == 3 and x.dim() == 4 and not is_contiguous(x)


def _format(x: Tensor, shape: Sequence[int]) -> sizes.Sizes:
    """The strides of a new map in the memory format of another."""
    return sizes.channels_last(shape) if sizes.suggests_channels_last(x.shape, x.stride()) else sizes.contiguous(shape)


def _of_mean(x: Tensor, shape: Sequence[int], axes: int) -> sizes.Sizes:
    """The strides of a map of means: the kernels for volumes have one format."""
    return _format(x, shape) if axes == 2 else sizes.contiguous(shape)


def _adaptive_avg_pool(axes: int) -> Any:
    def rule(x: Tensor, size: Sequence[int]) -> Tensor | None:
        fits = x.dim() in (axes + 1, axes + 2) and len(size) == axes and all(x.shape)
        if not is_plain(x) or not fits:
            return None
        shape = (*x.shape[:-axes], *size)
        return new(shape, _of_mean(x, shape, axes), x.dtype)

    return rule


def _upsampled(axes: int) -> Any:
    def rule(x: Tensor, size: Sequence[int], *rest: Any) -> Tensor | None:
        # With factors torch wants no sizes; and of an empty batch its meta kernels fail.
        if not is_plain(x) or x.dim() != axes + 2 or len(size) != axes or not sizes.positive((*x.shape, *size)):
            return None
        if any(isinstance(one, Sequence) for one in rest):
            return None
        shape = (*x.shape[:2], *size)
        return new(shape, _format(x, shape), x.dtype)

    return rule


def _im2col(x: Tensor, kernel: Any, dilation: Any, padding: Any, stride: Any) -> Tensor | None:
    if not is_plain(x) or x.dim() != 4 or not all(x.shape[1:]):
        return None
    if min(padding) < 0 or not sizes.positive((*kernel, *stride, *dilation)):
        return None
    sized = zip(x.shape[2:], kernel, stride, padding, dilation, strict=True)
    rows, columns = (sizes.windows(*one) for one in sized)
    if not sizes.positive((rows, columns)):
        return None
    return packed((x.shape[0], x.shape[1] * kernel[0] * kernel[1], rows * columns), x.dtype)


def _col2im(x: Tensor, size: Any, kernel: Any, dilation: Any, padding: Any, stride: Any) -> Tensor | None:
    if not is_plain(x) or x.dim() != 3 or not all(x.shape) or min(padding) < 0:
        return None
    if not sizes.positive((*size, *kernel, *stride, *dilation)):
        return None
    rows, columns = (sizes.windows(*one) for one in zip(size, kernel, stride, padding, dilation, strict=True))
    area = kernel[0] * kernel[1]
    if x.shape[1] % area or rows * columns != x.shape[2]:
        return None
    return packed((x.shape[0], x.shape[1] // area, *size), x.dtype)


RULES: dict[str, Any] = {
    "im2col": _im2col,
    "col2im": _col2im,
    "convolution": _convolution,
    "mm": _mm,
    "bmm": _bmm,
    "addmm": _added(_mm),
    "baddbmm": _added(_bmm),
    "mv": _mv,
    "dot": _dot,
    "native_batch_norm": _batch_norm,
    "native_layer_norm": _layer_norm,
    "native_group_norm": _group_norm,
    "_softmax": _softmax,
    "_safe_softmax": _safe_softmax,
    "_log_softmax": _softmax,
    "max_pool2d_with_indices": _max_pool(2),
    "max_pool3d_with_indices": _max_pool(3),
    "avg_pool2d": _avg_pool(2),
    "avg_pool3d": _avg_pool(3),
    "_adaptive_avg_pool2d": _adaptive_avg_pool(2),
    "_adaptive_avg_pool3d": _adaptive_avg_pool(3),
    "upsample_nearest1d": _upsampled(1),
    "upsample_nearest2d": _upsampled(2),
    "upsample_nearest3d": _upsampled(3),
    "upsample_bilinear2d": _upsampled(2),
    "upsample_bicubic2d": _upsampled(2),
    "_upsample_bilinear2d_aa": _upsampled(2),
    "_upsample_bicubic2d_aa": _upsampled(2),
    "upsample_linear1d": _upsampled(1),
    "upsample_trilinear3d": _upsampled(3),
    "_upsample_nearest_exact1d": _upsampled(1),
    "_upsample_nearest_exact2d": _upsampled(2),
    "_upsample_nearest_exact3d": _upsampled(3),
}
RULES = {f"aten::{name}": rule for name, rule in RULES.items()}
