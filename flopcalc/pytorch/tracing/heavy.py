"""What the functions with most of the work do, in sizes: convolutions, products, attention, norms, softmax.

A rule takes a recorder and the arguments of the function, tells the recorder the kernels that torch would run, and
gives the result; None, and nothing recorded, where it does not apply. It runs below the dispatch mode. The figures are
those of docs/conventions.md.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from flopcalc.cost.kinds import WorkKind
from flopcalc.pytorch.counting.kernels import new_work
from flopcalc.pytorch.counting.recorder import Recorder
from flopcalc.pytorch.tracing import sizes
from flopcalc.pytorch.tracing.fresh import is_contiguous, is_plain, keeping, packed
from flopcalc.pytorch.tracing.products import RULES, normalised_tail

_convolution = RULES["aten::convolution"]


def stored(tensor: Tensor) -> int:
    """Elements of a tensor in memory."""
    size = tensor.numel()
    # Of symbolic sizes it is not asked whether they are contiguous, which may depend on them.
    if type(size) is int and tensor.is_contiguous():
        return size
    return sizes.elements(tensor.shape, tensor.stride())


def copied(recorder: Recorder, x: Tensor, out: Tensor) -> Tensor:
    """Tell that a tensor was copied into another."""
    recorder.kernel("move", new_work((0, 0, 0, 0, 0, stored(x), out.numel())), (x,), (out,))
    return out


def _conv(axes: int) -> Any:
    def rule(
        recorder: Recorder,
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Tensor | None:
        if weight.dim() != axes + 2 or isinstance(padding, str):
            return None
        out: Tensor | None = _convolution(input, weight, bias, stride, padding, dilation, False, 0, groups)
        if out is None:
            return None
        size, taps = out.numel(), weight.numel()
        macs = size * (taps // weight.shape[0])
        if bias is None:
            work = new_work((macs, 0, 0, 0, size, stored(input) + stored(weight), size))
            recorder.kernel("conv", work, (input, weight), (out,))
        else:
            work = new_work((macs, size, 0, 0, size, stored(input) + stored(weight) + stored(bias), size))
            recorder.kernel("conv", work, (input, weight, bias), (out,))
        return out

    return rule


def linear(recorder: Recorder, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor | None:
    """A linear layer: one product with the transposed weight, over all rows of the input."""
    given = input.shape
    if weight.dim() != 2 or weight.shape[1] != given[-1] or input.dtype is not weight.dtype:
        return None
    # Other inputs may be copied first, and the bias added by a kernel of its own.
    if len(given) != 2 and not (_folds(input, weight) if bias is None else is_contiguous(input)):
        return None
    if not is_plain(input) or not weight.is_meta or not input.dtype.is_floating_point:
        return None
    out = packed((*given[:-1], weight.shape[0]), input.dtype)
    size = out.numel()
    reads = stored(input) + stored(weight)
    if bias is None:
        read: tuple[Tensor, ...] = (weight, input)
        transposed = weight.stride(1) == 1
        kind: WorkKind = "linear" if transposed and recorder.reads_parameter(read) else "matmul"
        recorder.kernel(kind, new_work((size * given[-1], 0, 0, 0, size, reads, size)), read, (out,))
        return out
    if not bias.is_meta or bias.dtype is not input.dtype or bias.shape != weight.shape[:1]:
        return None
    if len(given) != 2 and not is_contiguous(bias):
        return None
    read = (bias, input, weight)
    kind = "linear" if recorder.reads_parameter(read) else "matmul"
    recorder.kernel(kind, new_work((size * given[-1], size, 0, 0, size, reads + stored(bias), size)), read, (out,))
    return out


def _folds(batch: Tensor, matrix: Tensor) -> bool:
    """Whether torch takes a batch of matrices times one matrix as one product over all rows, without a copy."""
    shape, strides = batch.shape, batch.stride()
    rows = all(strides[i] == strides[i + 1] * shape[i + 1] for i in range(len(shape) - 2))
    return rows or (matrix.requires_grad and is_contiguous(batch))


def matmul(recorder: Recorder, input: Tensor, other: Tensor) -> Tensor | None:
    """A product of matrices, or of batches of matrices."""
    a, b = input.shape, other.shape
    if not is_plain(input) or not is_plain(other) or input.dtype is not other.dtype or a[-1] != b[-2]:
        return None
    if len(b) == 2:
        if not _folds(input, other):
            return None
        out = packed((*a[:-1], b[1]), input.dtype)
        read = (input, other)
        kind: WorkKind = "linear" if other.stride(0) == 1 and recorder.reads_parameter(read) else "matmul"
        _product(recorder, kind, input, other, out)
        return out
    batch = sizes.broadcast(a[:-2], b[:-2]) if len(a) > 1 else None
    if batch is None or not input.numel() or not other.numel():
        return None
    one = _as_batch(recorder, input, batch)
    two = _as_batch(recorder, other, batch)
    out = packed((*batch, a[-2], b[-1]), input.dtype)
    _product(recorder, "matmul", one, two, out)
    return out


def _as_batch(recorder: Recorder, x: Tensor, batch: sizes.Sizes) -> Tensor:
    """A tensor as one batch of matrices, for which it is copied where its axes do not lie in a row."""
    shape = x.shape
    own = shape[:-2]
    if sizes.merges(batch, sizes.expanded(batch, own, x.stride()[:-2])):
        return x
    flat = packed((*batch, *shape[-2:]), x.dtype)
    return copied(recorder, x, flat)


def _product(recorder: Recorder, kind: WorkKind, a: Tensor, b: Tensor, out: Tensor) -> None:
    size = out.numel()
    work = new_work((size * a.shape[-1], 0, 0, 0, size, stored(a) + stored(b), size))
    recorder.kernel(kind, work, (a, b), (out,))


def bmm(recorder: Recorder, input: Tensor, mat2: Tensor) -> Tensor | None:
    """A product of two batches of matrices."""
    out: Tensor | None = RULES["aten::bmm"](input, mat2)
    if out is not None:
        _product(recorder, "matmul", input, mat2, out)
    return out


def softmax(
    recorder: Recorder, input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None
) -> Any:
    """Softmax along an axis."""
    if dim is None or dtype not in (None, input.dtype) or not input.dtype.is_floating_point or not is_plain(input):
        return None
    if sizes.axis(dim, input.dim()) is None:
        return None
    out = packed(input.shape, input.dtype)
    size = out.numel()
    recorder.kernel("softmax", new_work((0, size, 0, 2 * size, 0, stored(input), size)), (input,), (out,))
    return out


def softmax_of(recorder: Recorder, input: Tensor, dim: int, dtype: torch.dtype | None = None) -> Any:
    """Softmax, with the arguments of the method."""
    return softmax(recorder, input, dim, dtype=dtype)


def layer_norm(
    recorder: Recorder,
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Tensor | None:
    """Layer norm: statistics of the input itself, a scale and a shift."""
    out = normalised_tail(input, normalized_shape, weight, bias)
    if out is None:
        return None
    read = tuple(one for one in (input, weight, bias) if one is not None)
    size = input.numel()
    recorder.kernel("layernorm", new_work((0, 3 * size, 2 * size, 0, 0, sum(map(stored, read)), size)), read, (out,))
    return out


def batch_norm(
    recorder: Recorder,
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor | None:
    """Batch norm with given statistics: a scale and a shift."""
    if training or running_mean is None or running_var is None:
        return None
    if not is_plain(input) or input.dim() < 2 or not input.dtype.is_floating_point:
        return None
    if any(type(size) is int and not size for size in input.shape):
        # Torch copies an empty batch, and scales it by one weight.
        return None
    shape = input.shape[1:2]
    read = [input]
    reads = stored(input)
    for one in (weight, bias, running_mean, running_var):
        if one is not None:
            if not one.is_meta or one.shape != shape:
                return None
            read.append(one)
            reads += stored(one)
    out = keeping(input, input.dtype)
    size = out.numel()
    recorder.kernel("norm", new_work((0, size, size, 0, 0, reads, size)), read, (out,))
    return out


conv1d, conv2d, conv3d = _conv(1), _conv(2), _conv(3)
