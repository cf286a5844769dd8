"""The rules of functions on symbolic sizes: those of the tracer, and others where torch wants plain numbers."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from flopcalc.pytorch.counting.dispatch import tell
from flopcalc.pytorch.counting.kernels import tensors
from flopcalc.pytorch.counting.recorder import Recorder
from flopcalc.pytorch.tracing import functions, views
from flopcalc.pytorch.tracing.elementwise import result
from flopcalc.pytorch.tracing.extents import unwrapped
from flopcalc.pytorch.tracing.fresh import is_plain, is_plain_or_complex, new, packed
from flopcalc.pytorch.tracing.functions import COPIES, VIEWS
from flopcalc.pytorch.tracing.heavy import copied, stored
from flopcalc.pytorch.tracing.net import SHAPES
from flopcalc.pytorch.tracing.nodes import wrapped
from flopcalc.pytorch.tracing.products import per_axis
from flopcalc.pytorch.tracing.sizes import axis, broadcast, product
from flopcalc.symbolic.size import hint_of


def _reshape(recorder: Recorder, x: Tensor, *shape: Any) -> Any:
    """A view where the strides allow one, else a copy."""
    if not is_plain_or_complex(x):
        return None
    return _reshaped(recorder, x, shape[0] if len(shape) == 1 and isinstance(shape[0], Sequence) else shape)


def _reshaped(recorder: Recorder, x: Tensor, size: Sequence[Any]) -> Tensor:
    new = views.completed(x, size)
    found = views.viewed(*views.layout(x), new)
    if found is not None:
        return views.laid_out(x, new, found)
    return copied(recorder, x, packed([*map(wrapped, new)], x.dtype))


def _flatten(recorder: Recorder, x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Any:
    first, last = axis(start_dim, x.dim()), axis(end_dim, x.dim())
    if first is None or last is None or first > last or not is_plain_or_complex(x):
        return None
    shape, _ = views.layout(x)
    return _reshaped(recorder, x, [*shape[:first], product(shape[first : last + 1]), *shape[last + 1 :]])


def _scaled(extent: Any, factor: float) -> Any:
    size: Any = torch.sym_float(extent)  # type: ignore[no-untyped-call]
    return math.trunc(size * factor)


def _upsample(name: str) -> Any:
    """Interpolation: the sizes of the output are given, or follow from factors as torch computes them, in doubles."""
    operator = getattr(torch.ops.aten, name).default
    shape = SHAPES.get(f"aten::{name}")

    def rule(recorder: Recorder, input: Tensor, output_size: Any, *rest: Any, **more: Any) -> Any:
        factors = more.get("scale_factors", rest[-1] if rest else None)
        if output_size is None:
            if not isinstance(factors, Sequence):
                return None
            output_size = list(map(_scaled, input.shape[2:], factors))
        new = list(output_size)
        if not is_plain(input) or input.dim() != len(new) + 2 or shape is None:
            return None
        out = shape(input, new)
        if out is not None:
            tell(recorder, operator, (input, new), {}, out, (input,), stored(input))
        return out

    return rule


def _avg_pool(axes: int) -> Any:
    """Average pooling, whose window may be the whole map."""
    name = f"avg_pool{axes}d"
    operator, shape = getattr(torch.ops.aten, name).default, SHAPES[f"aten::{name}"]

    def rule(recorder: Recorder, input: Tensor, kernel_size: Any, stride: Any = None, *rest: Any, **more: Any) -> Any:
        window = per_axis(kernel_size, axes)
        steps = window if stride is None or (isinstance(stride, Sequence) and not stride) else per_axis(stride, axes)
        out = shape(input, window, steps, *rest, **more)
        if out is not None:
            tell(recorder, operator, (input, window, steps, *rest), more, out, (input,), stored(input))
        return out

    return rule


def _steps(name: str) -> Any:
    """Numbers from one to another, of which torch wants the number as a plain one. It has no gradients here."""
    operator, shape = getattr(torch.ops.aten, name).default, SHAPES[f"aten::{name}"]

    def rule(
        recorder: Recorder,
        start: Any,
        end: Any,
        steps: Any,
        base: float = 10.0,
        *,
        dtype: torch.dtype | None = None,
        device: Any = None,
        requires_grad: Any = None,
    ) -> Any:
        if not isinstance(steps, torch.SymInt):
            return None
        given = (start, end, steps)
        # On every device: a tensor with a symbolic size has no values.
        out = shape(*given, dtype=dtype, device=torch.device("meta"))
        read = tensors(given)
        # Nothing is recorded for None.
        tell(recorder, operator, given, {}, out, read, sum(map(stored, read)))
        return out

    return rule


def _recurrent(func: Any) -> Any:
    """A recurrent layer or cell. In inference mode `chunk` comes to the net, which otherwise asks for plain sizes."""

    def rule(recorder: Recorder, *args: Any, **kwargs: Any) -> Any:
        with torch.inference_mode():
            return func(*args, **kwargs)

    return rule


def pointwise(func: Any, args: Any, kwargs: Any) -> Any:
    """The result of an element-wise kernel without a shape rule; None where it has several, or operands do not fit.

    Its dtype is that of the same kernel at the reference point.
    """
    first = args[0] if args else None
    if func._schema.is_mutable:
        if not isinstance(first, Tensor) or not func._schema.name.endswith("_"):
            return None
        # What is written in place does not grow.
        fits = (broadcast(first.shape, one.shape) == tuple(first.shape) for one in tensors((args[1:], kwargs)))
        return first if all(fits) else None
    operands = tensors((args, kwargs))
    made = func(*_at_the_reference(args), **_at_the_reference(kwargs))
    return (
        result(operands, made.dtype) if isinstance(made, Tensor) and all(map(is_plain_or_complex, operands)) else None
    )


def is_pointwise(func: Any) -> bool:
    """Whether an element of a result depends on one element of each operand."""
    # Not all are marked so by torch.
    return torch.Tag.pointwise in func.tags or func in _PAIRS


_PAIRS = frozenset({torch.ops.aten.complex.default, torch.ops.aten.polar.default})


def transformed(func: Any, args: Any) -> Any:
    """The result of a Fourier transform; None for a tensor that is not plain.

    Its dtype, and the order of its axes in memory, are those of the same kernel at the reference point.
    """
    x, axes, _, rest = args
    if not is_plain_or_complex(x):
        return None
    shape, last = list(x.shape), axes[-1]
    if func is _REAL_TO_COMPLEX and rest:
        shape[last] = shape[last] // 2 + 1
    elif func is _COMPLEX_TO_REAL:
        shape[last] = rest
    made = func(*_at_the_reference(args))
    strides: list[Any] = [1] * len(shape)
    step: Any = 1
    for place in sorted(range(len(shape)), key=lambda place: (made.stride(place), -place)):
        strides[place] = step
        step = step * shape[place]
    return new(shape, strides, made.dtype)


_REAL_TO_COMPLEX = torch.ops.aten._fft_r2c.default
_COMPLEX_TO_REAL = torch.ops.aten._fft_c2r.default
TRANSFORMS = frozenset({_REAL_TO_COMPLEX, _COMPLEX_TO_REAL, torch.ops.aten._fft_c2c.default})


def _at_the_reference(value: Any) -> Any:
    if isinstance(value, Tensor):
        shape, _ = views.layout(value)
        return torch.empty([hint_of(one) for one in shape], dtype=value.dtype, device=value.device)
    if isinstance(value, list | tuple):
        return type(value)(map(_at_the_reference, value))
    if isinstance(value, dict):
        return {key: _at_the_reference(one) for key, one in value.items()}
    return hint_of(unwrapped(value))


_UPSAMPLES = (
    "upsample_nearest1d",
    "upsample_nearest2d",
    "upsample_nearest3d",
    "upsample_bilinear2d",
    "upsample_bicubic2d",
    "_upsample_bilinear2d_aa",
    "_upsample_bicubic2d_aa",
    "upsample_linear1d",
    "upsample_trilinear3d",
    "_upsample_nearest_exact1d",
    "_upsample_nearest_exact2d",
    "_upsample_nearest_exact3d",
)

_RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell")

RULES: dict[Any, Any] = {
    **{func: rule for func, rule in functions.RULES.items() if func not in {*VIEWS, *COPIES}},
    **dict.fromkeys((Tensor.reshape, torch.reshape), _reshape),
    **dict.fromkeys((Tensor.flatten, torch.flatten), _flatten),
    **{getattr(torch._C._nn, name): _upsample(name) for name in _UPSAMPLES if hasattr(torch._C._nn, name)},
    **{getattr(torch, name): _recurrent(getattr(torch, name)) for name in _RECURRENT},
    torch.linspace: _steps("linspace"),
    torch.logspace: _steps("logspace"),
    torch._C._nn.avg_pool2d: _avg_pool(2),
    torch._C._nn.avg_pool3d: _avg_pool(3),
}
