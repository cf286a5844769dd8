"""The rules of functions: which of them are free, which move data, and the kernels that the others run."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from flopcalc.pytorch.counting.dispatch import tell
from flopcalc.pytorch.counting.kernels import new_work, tensors
from flopcalc.pytorch.counting.recorder import Recorder
from flopcalc.pytorch.tracing import attention, heavy, sizes
from flopcalc.pytorch.tracing.fresh import is_contiguous, is_plain, packed
from flopcalc.pytorch.tracing.heavy import copied, stored
from flopcalc.pytorch.tracing.indexing import pick, put
from flopcalc.pytorch.tracing.net import SHAPES


def _found(*spaces: Any, names: str) -> list[Any]:
    """The functions of these names that this version of torch has."""
    return [getattr(space, name) for name in names.split() for space in spaces if hasattr(space, name)]


def _getters(names: str) -> list[Any]:
    return [getattr(Tensor, name).__get__ for name in names.split() if hasattr(Tensor, name)]


# Facts about a tensor: no kernel runs.
_FACTS = [
    *_getters(
        "shape device dtype layout requires_grad is_meta is_cuda is_cpu is_mps is_xpu is_sparse is_nested "
        "is_quantized is_leaf grad_fn ndim itemsize nbytes names is_mkldnn is_sparse_csr is_ipu is_xla is_vulkan"
    ),
    *_found(
        Tensor,
        names="dim size stride numel nelement ndimension element_size is_contiguous is_floating_point is_complex "
        "storage_offset get_device is_conj is_neg untyped_storage data_ptr __len__ is_inference is_signed",
    ),
    *_found(torch, names="is_floating_point is_complex numel is_tensor result_type can_cast"),
]

# The rule of a function that tells a fact, and of one that gives a view: they run as they are, without kernels.
FACT = object()
VIEW = object()

# Functions that give a view, and never a copy.
VIEWS = [
    *_getters("T mT"),
    *_found(
        Tensor,
        torch,
        names="view permute transpose unsqueeze squeeze expand expand_as select narrow chunk unbind t swapaxes "
        "swapdims movedim moveaxis view_as detach diagonal tensor_split hsplit vsplit dsplit",
    ),
    *_found(Tensor, names="unfold split_with_sizes unflatten split"),
    torch.split,
    torch.Tensor.as_strided,
    torch.as_strided,
]


def _copy(func: Any) -> Any:
    """A function that gives its input, a view of it, or a copy."""

    def rule(recorder: Recorder, x: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_plain(x):
            return None
        out = func(x, *args, **kwargs)
        if out is x or out.untyped_storage()._cdata == x.untyped_storage()._cdata:
            return out
        return copied(recorder, x, out)

    return rule


COPIES = [
    *_found(Tensor, names="clone to type float half bfloat16 double int long bool type_as reshape_as ravel"),
    *_found(torch, names="clone ravel"),
]


@cache
def _operator(name: str, overload: str) -> Any:
    return getattr(getattr(torch.ops.aten, name), overload)


def _kernel(name: str, overload: str = "default") -> Any:
    """A function that runs one kernel with the same arguments."""
    shape = SHAPES[f"aten::{name}"]

    def rule(recorder: Recorder, *args: Any, **kwargs: Any) -> Any:
        read = tensors(args)
        reads = sum(map(stored, read))
        out = shape(*args, **kwargs)
        if out is not None:
            tell(recorder, _operator(name, overload), args, kwargs, out, read, reads)
            return out[0] if type(out) is tuple else out
        return None

    return rule


def _sum(name: str, adds: bool) -> Any:
    """A sum or a product with a tensor or a number."""
    shape = SHAPES[f"aten::{name}"]
    kind: Any = "add" if adds else "mul"

    def rule(recorder: Recorder, x: Any, other: Any) -> Any:
        if isinstance(other, Tensor):
            read: tuple[Tensor, ...] = (x, other)
            reads = stored(x) + stored(other)
        else:
            read, reads = (x,), stored(x)
        out = shape(x, other)
        if out is None:
            return None
        size = out.numel()
        work = new_work((0, size, 0, 0, 0, reads, size)) if adds else new_work((0, 0, size, 0, 0, reads, size))
        recorder.kernel(kind, work, read, (out,))
        return out

    return rule


def _activation(name: str) -> Any:
    """An activation function whose Python form has an argument `inplace`."""
    shape = SHAPES[f"aten::{name}"]

    def rule(recorder: Recorder, x: Tensor, *, inplace: bool = False, **kwargs: Any) -> Any:
        if not kwargs.get("min_val", -1) <= kwargs.get("max_val", 1):
            return None
        if inplace:
            return _acted_in_place(recorder, x)
        reads = stored(x)
        out = shape(x, **kwargs)
        if out is None:
            return None
        size = out.numel()
        if not size:
            return None
        recorder.kernel("act", new_work((0, 0, 0, size, 0, reads, size)), (x,), (out,))
        return out

    return rule


def _acted_in_place(recorder: Recorder, x: Tensor) -> Any:
    size = x.numel()
    if not is_plain(x) or not x.dtype.is_floating_point or not size:
        return None
    recorder.kernel("act", new_work((0, 0, 0, size, 0, stored(x), size)), (x,), (x,))
    return x


def _dropout(recorder: Recorder, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    return _dropout_below(recorder, input, p, training)


def _dropout_below(recorder: Recorder, input: Tensor, p: float, train: bool) -> Any:
    return input if is_plain(input) and not train and 0 <= p <= 1 else None


def _global_pool(recorder: Recorder, input: Tensor, output_size: Any) -> Any:
    """Adaptive pooling to one cell, which is a mean."""
    if output_size not in (1, (1, 1), [1, 1]) or input.dim() != 4:
        return None
    out: Tensor | None = _MEAN(recorder, input, [-1, -2], True)
    if out is not None and sizes.suggests_channels_last(input.shape, input.stride()):
        channels = input.shape[1]
        out.as_strided_(out.shape, (channels, 1, channels, channels))
    return out


_MEAN = _kernel("mean", "dim")


def _mean(recorder: Recorder, input: Tensor, dim: Any, keepdim: bool = False) -> Any:
    return _MEAN(recorder, input, [dim] if isinstance(dim, int) else list(dim), keepdim)


def _joined(name: str) -> Any:
    shape = SHAPES[f"aten::{name}"]

    def joined(recorder: Recorder, tensors: Iterable[Tensor], dim: int = 0) -> Any:
        read = list(tensors)
        out = shape(read, dim)
        if out is not None:
            recorder.kernel("move", new_work((0, 0, 0, 0, 0, sum(map(stored, read)), out.numel())), read, (out,))
        return out

    return joined


def _division(recorder: Recorder, x: Any, other: Any) -> Any:
    return _DIV(recorder, x, other)


_DIV = _kernel("div", "Tensor")


def _embedding(
    recorder: Recorder,
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    return _EMBEDDING(recorder, weight, input) if max_norm is None else None


_EMBEDDING = _kernel("embedding")


def _compared(name: str) -> Any:
    with_number, with_tensor = _kernel(name, "Scalar"), _kernel(name, "Tensor")

    def rule(recorder: Recorder, x: Tensor, other: Any) -> Any:
        return (with_tensor if isinstance(other, Tensor) else with_number)(recorder, x, other)

    return rule


def _new(name: str) -> Any:
    shape = SHAPES[f"aten::{name}"]

    def rule(recorder: Recorder, x: Tensor, *size: Any, dtype: Any = None, device: Any = None) -> Any:
        sizes = size[0] if len(size) == 1 and not isinstance(size[0], int) else size
        out = shape(x, sizes, dtype=dtype, device=None if device is None else torch.device(device))
        if out is not None:
            tell(recorder, _operator(name, "default"), (x, sizes), {}, out, (x,), stored(x))
        return out

    return rule


def _masked_fill(recorder: Recorder, x: Tensor, mask: Tensor, value: Any) -> Any:
    return _MASKED_FILL(recorder, x, mask, value)


_MASKED_FILL = _kernel("masked_fill", "Scalar")


def _roll(recorder: Recorder, x: Tensor, shifts: Any, dims: Any = ()) -> Any:
    steps, axes = ([value] if isinstance(value, int) else list(value) for value in (shifts, dims))
    out = SHAPES["aten::roll"](x, steps, axes)
    return None if out is None else copied(recorder, x, out)


def _pad(recorder: Recorder, input: Tensor, pad: Any, mode: str = "constant", value: Any = None) -> Any:
    out = SHAPES["aten::constant_pad_nd"](input, pad) if mode == "constant" else None
    return None if out is None else copied(recorder, input, out)


def _reshape(recorder: Recorder, x: Tensor, *shape: Any) -> Any:
    """A view where the strides allow one, else a copy."""
    if not is_plain(x):
        return None
    new = tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else shape
    if is_contiguous(x):
        return x.view(new)
    full = sizes.completed(tuple(new), x.numel())
    if full is None:
        return None
    return x.view(full) if sizes.viewed(x.shape, x.stride(), full) else copied(recorder, x, packed(full, x.dtype))


def _flatten(recorder: Recorder, x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Any:
    first, last = sizes.axis(start_dim, x.dim()), sizes.axis(end_dim, x.dim())
    if first is None or last is None or first > last:
        return None
    shape = x.shape
    if first == last and shape:
        return x
    return _reshape(recorder, x, [*shape[:first], sizes.product(shape[first : last + 1]), *shape[last + 1 :]])


def _contiguous(recorder: Recorder, x: Tensor, *, memory_format: Any = torch.contiguous_format) -> Any:
    if memory_format is not torch.contiguous_format or not is_plain(x):
        return None
    return x if is_contiguous(x) else copied(recorder, x, packed(x.shape, x.dtype))


def _max_pool(
    recorder: Recorder,
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    if return_indices:
        return None
    spans, pads, gaps = ([v, v] if isinstance(v, int) else list(v) for v in (kernel_size, padding, dilation))
    steps = [] if stride is None else [stride, stride] if isinstance(stride, int) else list(stride)
    return _MAX_POOL(recorder, input, spans, steps, pads, gaps, ceil_mode)


_MAX_POOL = _kernel("max_pool2d_with_indices")


def _elementwise() -> dict[Any, Any]:
    rules: dict[Any, Any] = {}
    for name in ("add", "sub", "mul"):
        for func in (*_found(Tensor, torch, names=name), *_found(Tensor, names=f"__{name}__")):
            rules[func] = _sum(name, name != "mul")
        for func in _found(Tensor, names=f"{name}_ __i{name}__"):
            rules[func] = _sum(f"{name}_", name != "mul")
    for name in ("relu", "hardtanh", "relu6", "gelu", "silu", "sigmoid", "tanh", "hardswish", "hardsigmoid", "mish"):
        for func in _found(functional, torch, Tensor, torch._C._nn, names=name):
            rules[func] = _activation(name)
        for func in _found(functional, torch, Tensor, torch._C._nn, names=f"{name}_"):
            rules[func] = _acted_in_place
    for name in ("exp", "log", "sqrt", "rsqrt", "sin", "cos", "neg", "abs"):
        rules |= dict.fromkeys(_found(torch, Tensor, names=name), _kernel(name))
    for name in ("eq", "ne", "lt", "le", "gt", "ge"):
        rules |= dict.fromkeys(_found(Tensor, torch, names=name), _compared(name))
        rules[getattr(Tensor, f"__{name}__")] = _compared(name)
    return rules | dict.fromkeys(_found(torch, Tensor, names="div true_divide"), _division)


def _table() -> dict[Any, Any]:
    rules: dict[Any, Any] = dict.fromkeys(VIEWS, VIEW)
    rules |= {func: _copy(func) for func in COPIES}
    rules |= dict.fromkeys(_FACTS, FACT)
    both = {
        "reshape": _reshape,
        "flatten": _flatten,
        "matmul __matmul__": heavy.matmul,
        "bmm": heavy.bmm,
        "softmax": heavy.softmax_of,
        "mean": _mean,
        "masked_fill": _masked_fill,
        "roll": _roll,
    }
    for names, rule in both.items():
        rules |= dict.fromkeys(_found(torch, Tensor, names=names), rule)
    rules |= {getattr(Tensor, name): _new(name) for name in ("new_zeros", "new_ones", "new_empty")}
    rules |= dict.fromkeys(_found(functional, names="dropout dropout2d"), _dropout)
    rules |= dict.fromkeys(_found(torch, names="dropout dropout_ feature_dropout"), _dropout_below)
    rules |= dict.fromkeys(_found(torch, names="cat concat concatenate"), _joined("cat"))
    return rules | {
        Tensor.__getitem__: pick,
        Tensor.__setitem__: put,
        Tensor.contiguous: _contiguous,
        torch.stack: _joined("stack"),
        torch.conv1d: heavy.conv1d,
        torch.conv2d: heavy.conv2d,
        torch.conv3d: heavy.conv3d,
        torch.max_pool2d: _max_pool,
        torch.layer_norm: heavy.layer_norm,
        torch._C._nn.pad: _pad,
        functional.pad: _pad,
        functional.max_pool2d: _max_pool,
        functional.softmax: heavy.softmax,
        functional.linear: heavy.linear,
        functional.layer_norm: heavy.layer_norm,
        functional.batch_norm: heavy.batch_norm,
        functional.scaled_dot_product_attention: attention.attention,
        functional.multi_head_attention_forward: attention.self_attention,
        functional.embedding: _embedding,
        functional.adaptive_avg_pool2d: _global_pool,
    }


RULES = _table() | _elementwise()
