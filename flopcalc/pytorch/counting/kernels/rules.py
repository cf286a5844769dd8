"""The rules, and the lists of kernels that are free."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from flopcalc.cost.kinds import WorkKind
from flopcalc.pytorch.counting.kernels.work import UNKNOWN, Answer, Work, elements, tensors

aten = torch.ops.aten

Rule = Callable[[Sequence[Any], dict[str, Any], Tensor, int], Work]


def _conv(args: Sequence[Any], kwargs: dict[str, Any], out: Tensor, reads: int) -> Work:
    x, weight, bias, transposed = args[0], args[1], args[2], args[6]
    # A plain convolution uses c_in / groups * area weights for each output; a transposed one
    # c_out / groups * area for each input.
    per_position = weight.numel() // weight.shape[0]
    macs = (x.numel() if transposed else out.numel()) * per_position
    size = out.numel()
    return Work(macs, adds=size if bias is not None else 0, activations=size, reads=reads, writes=size)


def _matmul(args: Sequence[Any], kwargs: dict[str, Any], out: Tensor, reads: int) -> Work:
    size = out.numel()
    return Work(size * args[0].shape[-1], activations=size, reads=reads, writes=size)


def _biased_matmul(args: Sequence[Any], kwargs: dict[str, Any], out: Tensor, reads: int) -> Work:
    return _matmul(args[1:], kwargs, out, reads)._replace(adds=out.numel())


def _batch_norm(args: Sequence[Any], kwargs: dict[str, Any], out: Tensor, reads: int) -> Work:
    size = out.numel()
    return Work(adds=size, muls=size, reads=reads, writes=size)


def _layer_norm(args: Sequence[Any], kwargs: dict[str, Any], out: Tensor, reads: int) -> Work:
    # Mean and variance of the input itself: two more additions and one more multiplication.
    size = out.numel()
    return Work(adds=3 * size, muls=2 * size, reads=reads, writes=size)


def _add(args: Sequence[Any], kwargs: dict[str, Any], out: Tensor, reads: int) -> Work:
    return Work(adds=out.numel(), reads=reads, writes=out.numel())


def _mul(args: Sequence[Any], kwargs: dict[str, Any], out: Tensor, reads: int) -> Work:
    return Work(muls=out.numel(), reads=reads, writes=out.numel())


def pointwise(args: Sequence[Any], kwargs: dict[str, Any], out: Tensor, reads: int) -> Work:
    """Any element-wise function: one operation of the kind `other` per output."""
    return Work(other=out.numel(), reads=reads, writes=out.numel())


def _distances(args: Sequence[Any], kwargs: dict[str, Any], out: Tensor, reads: int) -> Work:
    # A difference and a sum for each pair of elements. |x| is free, as in AdderNet; other norms raise to a power.
    steps = out.numel() * args[0].shape[-1]
    other = 0 if args[2] == 1 else steps + out.numel()
    return Work(adds=2 * steps, other=other, activations=out.numel(), reads=reads, writes=out.numel())


def _max_pool(args: Sequence[Any], kwargs: dict[str, Any], out: Tensor, reads: int) -> Work:
    window = _window(args[1], out.dim() - 2)
    return Work(other=out.numel() * window, reads=reads, writes=out.numel())


def _avg_pool(args: Sequence[Any], kwargs: dict[str, Any], out: Tensor, reads: int) -> Work:
    window = _window(args[1], out.dim() - 2)
    return Work(adds=out.numel() * window, other=out.numel(), reads=reads, writes=out.numel())


def _window(kernel: int | Sequence[int], axes: int) -> int:
    sizes = [kernel] if isinstance(kernel, int) else list(kernel)
    area = 1
    for axis in range(max(axes, 1)):
        area *= sizes[min(axis, len(sizes) - 1)]
    return area


def _adaptive_pool(args: Sequence[Any], kwargs: dict[str, Any], out: Tensor, reads: int) -> Work:
    # Window i of an axis spans floor(i * size / out) to ceil((i + 1) * size / out).
    adds = out.numel()
    for size, cells in zip(args[0].shape[-len(args[1]) :], args[1], strict=True):
        spans = sum(-(-(i + 1) * size // cells) - i * size // cells for i in range(cells))
        adds = adds // cells * spans
    return Work(adds=adds, other=out.numel(), reads=reads, writes=out.numel())


def _mean(args: Sequence[Any], kwargs: dict[str, Any], out: Tensor, reads: int) -> Work:
    return Work(adds=args[0].numel(), other=out.numel(), reads=reads, writes=out.numel())


def _sum(args: Sequence[Any], kwargs: dict[str, Any], out: Tensor, reads: int) -> Work:
    return Work(adds=args[0].numel(), reads=reads, writes=out.numel())


def _softmax(args: Sequence[Any], kwargs: dict[str, Any], out: Tensor, reads: int) -> Work:
    size = out.numel()
    return Work(adds=size, other=2 * size, reads=reads, writes=size)


def _move(args: Sequence[Any], kwargs: dict[str, Any], out: Tensor, reads: int) -> Work:
    return Work(reads=reads, writes=out.numel())


def _gather(args: Sequence[Any], kwargs: dict[str, Any], out: Tensor, reads: int) -> Work:
    # Only what is picked is read, and the index.
    index = sum(elements(tensor) for tensor in tensors(list(args[1:])))
    return Work(reads=out.numel() + index, writes=out.numel())


def _table(rules: dict[Rule, Sequence[str]]) -> dict[Any, Rule]:
    """Aten operator -> rule, for the names that this version of torch has."""
    return {getattr(aten, name): rule for rule, names in rules.items() for name in names if hasattr(aten, name)}


RULES = _table(
    {
        _conv: ("convolution", "_convolution", "convolution_overrideable"),
        _matmul: ("mm", "bmm", "mv", "dot"),
        _biased_matmul: ("addmm", "baddbmm", "addmv"),
        _distances: ("_cdist_forward",),
        _batch_norm: (
            "native_batch_norm",
            "cudnn_batch_norm",
            "_native_batch_norm_legit",
            "_native_batch_norm_legit_no_training",
        ),
        _layer_norm: ("native_layer_norm", "native_group_norm"),
        _add: ("add", "add_", "sub", "sub_", "rsub"),
        _mul: ("mul", "mul_"),
        _max_pool: ("max_pool2d_with_indices", "max_pool3d_with_indices", "max_pool1d", "max_pool2d"),
        _avg_pool: ("avg_pool1d", "avg_pool2d", "avg_pool3d"),
        _adaptive_pool: ("_adaptive_avg_pool2d", "_adaptive_avg_pool3d"),
        _mean: ("mean",),
        _sum: ("sum",),
        _softmax: ("_softmax", "_safe_softmax", "_log_softmax"),
        _move: (
            "cat",
            "stack",
            "clone",
            "copy_",
            "_to_copy",
            "contiguous",
            "constant_pad_nd",
            "roll",
            "repeat",
            "flip",
            "channel_shuffle",
            "tril",
            "triu",
            "pixel_shuffle",
            "pixel_unshuffle",
            "fill_",
            "where",
            "masked_fill",
            "upsample_nearest1d",
            "upsample_nearest2d",
            "upsample_nearest3d",
            "im2col",
            "reflection_pad1d",
            "reflection_pad2d",
            "reflection_pad3d",
            "replication_pad1d",
            "replication_pad2d",
            "replication_pad3d",
        ),
        # Element-wise functions without torch's tag for them; the others have it.
        pointwise: (
            "hardswish",
            "hardswish_",
            "hardsigmoid",
            "hardsigmoid_",
            "mish",
            "mish_",
            "_prelu_kernel",
            "upsample_bilinear2d",
            "upsample_bicubic2d",
        ),
        _gather: ("index", "index_select", "gather", "embedding", "_unsafe_index"),
    }
)

_WORK_KINDS: dict[Rule, WorkKind] = {
    _conv: "conv",
    _matmul: "matmul",
    _biased_matmul: "matmul",
    _distances: "distance",
    _batch_norm: "norm",
    _layer_norm: "layernorm",
    _add: "add",
    _mul: "mul",
    _max_pool: "maxpool",
    _avg_pool: "avgpool",
    _adaptive_pool: "gap",
    _softmax: "softmax",
    _move: "move",
    _gather: "move",
}

# Element-wise functions that networks use as activations; what is not here (divisions, powers) is "other".
_ACTIVATIONS = frozenset(
    getattr(aten, name)
    for name in (
        "relu",
        "relu_",
        "relu6",
        "relu6_",
        "hardtanh",
        "hardtanh_",
        "leaky_relu",
        "leaky_relu_",
        "elu",
        "elu_",
        "gelu",
        "silu",
        "silu_",
        "mish",
        "mish_",
        "sigmoid",
        "sigmoid_",
        "tanh",
        "tanh_",
        "hardswish",
        "hardswish_",
        "hardsigmoid",
        "hardsigmoid_",
        "softplus",
        "threshold",
        "threshold_",
        "log_sigmoid_forward",
        "glu",
        "_prelu_kernel",
        "rrelu_with_noise_functional",
        "celu",
        "celu_",
        "selu",
        "selu_",
    )
    if hasattr(aten, name)
)


def work_kind_of(func: Any, args: Sequence[Any], trained: bool) -> WorkKind:
    """The kind of work of a kernel: conv, linear, matmul, norm, ... (see `flopcalc.cost.kinds`), or other.

    func: the operator, with or without its overload. trained: one of its operands is a parameter; that makes a
    product a linear layer.
    """
    packet = getattr(func, "overloadpacket", func)
    rule = RULES.get(packet)
    # Without a bias, a linear layer is a product with a transposed weight; other products with parameters mix
    # kernels, or are written out by hand.
    if trained and (rule is _biased_matmul or (packet is aten.mm and args[1].stride(0) == 1)):
        return "linear"
    if rule is _mean:
        # Over the trailing axes of a map: what adaptive pooling to 1x1 becomes.
        rank = args[0].dim()
        axes = sorted(axis % rank for axis in (args[1] if len(args) > 1 else None) or range(rank))
        return "gap" if rank > 2 and axes == list(range(2, rank)) else "other"
    if packet in _ACTIVATIONS:
        return "act"
    return _WORK_KINDS.get(rule, "other") if rule else "other"


# Kernels without work on data: bookkeeping, new tensors, and views that torch does not mark as views.
_FREE_NAMES = (
    "_unsafe_view",
    "_reshape_alias",
    "detach",
    "alias",
    "lift_fresh",
    "dropout",
    "sym_size",
    "sym_stride",
    "unsafe_split",
    "unsafe_chunk",
    "transpose_",
    "t_",
    "as_strided_",
    "unsqueeze_",
    "squeeze_",
    "new_zeros",
    "new_ones",
    "new_empty",
    "new_full",
    "zeros_like",
    "ones_like",
    "empty_like",
)
FREE = frozenset(getattr(aten, name) for name in _FREE_NAMES if hasattr(aten, name))


def work_of(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any, reads: int) -> Answer:
    """The work of one kernel; None for views, bookkeeping and new tensors; UNKNOWN where there is no rule.

    func: an operator as a dispatch mode sees it. out: its output, a tensor or nested tensors. reads: elements of
    its tensor arguments in memory, taken before it ran, since a kernel may change its inputs in place.
    """
    written = tensors(out)
    if not written:
        return None
    packet = func.overloadpacket
    rule = RULES.get(packet)
    if rule is not None:
        return rule(args, dict(kwargs), written[0], reads)
    if func.is_view or packet in FREE or not reads:
        return None
    if torch.Tag.pointwise in func.tags:
        return pointwise(args, dict(kwargs), written[0], reads)
    return UNKNOWN
