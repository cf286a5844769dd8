"""Shape rules of kernels that make tensors, of a shape or as another, and fill them, by the name of the kernel."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from flopcalc.pytorch.tracing import sizes
from flopcalc.pytorch.tracing.fresh import is_plain, is_plain_or_complex, new, packed


def formatted(x: Tensor, dtype: torch.dtype, memory_format: torch.memory_format | None) -> Tensor | None:
    """A new tensor of the shape of another in a memory format; None or `preserve_format` keeps that of the other."""
    if memory_format is None or memory_format is torch.preserve_format:
        return new(x.shape, sizes.like(x.shape, x.stride()), dtype)
    if memory_format is torch.contiguous_format:
        return packed(x.shape, dtype)
    fits = x.dim() == (4 if memory_format is torch.channels_last else 5)
    return new(x.shape, sizes.channels_last(x.shape), dtype) if fits else None


def on_meta(device: torch.device | None, layout: Any) -> bool:
    """Whether what is asked for is a strided tensor on the meta device."""
    return (device is None or device.type == "meta") and (layout is None or layout is torch.strided)


def as_another(
    x: Tensor,
    *fill: Any,
    dtype: torch.dtype | None = None,
    layout: Any = None,
    device: torch.device | None = None,
    pin_memory: bool | None = None,
    memory_format: torch.memory_format | None = None,
) -> Tensor | None:
    """A new tensor of the shape of another."""
    if not is_plain_or_complex(x) or not on_meta(device, layout):
        return None
    return formatted(x, dtype or x.dtype, memory_format)


def _fractions(rule: Any) -> Any:
    """A rule for random numbers, which are never whole."""

    def fractions(*given: Any, **named: Any) -> Tensor | None:
        out: Tensor | None = rule(*given, **named)
        return out if out is not None and out.dtype.is_floating_point else None

    return fractions


def _new(
    x: Tensor,
    shape: Sequence[int],
    *fill: Any,
    dtype: torch.dtype | None = None,
    layout: Any = None,
    device: torch.device | None = None,
    pin_memory: bool | None = None,
) -> Tensor | None:
    return packed(shape, dtype or x.dtype) if is_plain_or_complex(x) and on_meta(device, layout) else None


def _fill(x: Tensor, *value: Any) -> Tensor | None:
    return x if is_plain(x) and not (value and isinstance(value[0], complex | Tensor)) else None


def _random(fits: Callable[..., bool]) -> Any:
    """Numbers at random in place. fits: whether torch takes the bounds."""

    def rule(x: Tensor, *bounds: float) -> Tensor | None:
        return x if is_plain(x) and x.dtype.is_floating_point and fits(*bounds) else None

    return rule


def _made(
    shape: Sequence[int],
    *,
    dtype: torch.dtype | None = None,
    device: Any = None,
    layout: Any = None,
    pin_memory: bool | None = None,
    memory_format: torch.memory_format | None = None,
) -> Tensor | None:
    """A new tensor of a shape, with zeros, or whatever."""
    if device is None or not on_meta(device, layout) or pin_memory or memory_format is not None:
        return None
    return packed(shape, dtype or torch.get_default_dtype())


def _random_integers(*given: Any, dtype: torch.dtype | None = None, **more: Any) -> Any:
    *bounds, shape = given
    low, high = (0, *bounds)[-2:]
    return _made(shape, dtype=dtype or torch.int64, **more) if low < high else None


def _permutation(length: int, *, dtype: torch.dtype | None = None, **more: Any) -> Any:
    return _made((length,), dtype=dtype or torch.int64, **more) if length >= 0 else None


def _full(
    shape: Sequence[int], value: Any, *, dtype: torch.dtype | None = None, device: Any = None, **more: Any
) -> Any:
    if isinstance(value, complex):
        return None
    if dtype is None:
        whole = torch.bool if isinstance(value, bool) else torch.int64
        dtype = torch.get_default_dtype() if isinstance(value, float) else whole
    return _made(shape, dtype=dtype, device=device, **more)


def _scalar(value: Any, **more: Any) -> Any:
    return None if isinstance(value, complex) else _made((), **more)


_FRACTIONS = (float, torch.SymFloat)
_NUMBERS = (int, torch.SymInt, *_FRACTIONS)


def _arange(*given: Any, dtype: torch.dtype | None = None, **more: Any) -> Any:
    if not all(type(one) in _NUMBERS for one in given):
        return None
    start, end, step = (0, given[0], 1) if len(given) == 1 else (*given, 1)[:3]
    span = (end - start) / step
    if span < 0:
        return None
    whole = not any(type(one) in _FRACTIONS for one in given)
    if not whole and dtype is not None and not dtype.is_floating_point:
        # Of fractions torch takes the whole part first.
        return None
    count = -(-(end - start) // step) if whole else math.ceil(span)
    return _made((count,), dtype=dtype or (torch.int64 if whole else torch.get_default_dtype()), **more)


def _eye(rows: int, columns: int | None = None, **more: Any) -> Any:
    return _made((rows, rows if columns is None else columns), **more)


def _steps(start: Any, end: Any, steps: int, *base: float, dtype: torch.dtype | None = None, **more: Any) -> Any:
    """Numbers from one to another. base: of their logarithms."""
    for one in (start, end):
        if type(one) not in _NUMBERS and not (isinstance(one, Tensor) and is_plain(one) and not one.dim()):
            return None
    return _made((steps,), dtype=dtype, **more)


_RULES: dict[str, Any] = {
    "zeros_like ones_like empty_like full_like": as_another,
    "rand_like randn_like": _fractions(as_another),
    "new_zeros new_ones new_empty new_full": _new,
    "fill_ zero_": _fill,
    "normal_": _random(lambda mean=0, deviation=1: deviation >= 0),
    "uniform_": _random(lambda low=0, high=1: low <= high),
    "exponential_": _random(lambda rate=1: rate > 0),
    "cauchy_ log_normal_": _random(lambda middle=0, width=1: width > 0),
    "bernoulli_": _random(lambda share=0.5: 0 <= share <= 1),
    "zeros ones empty": _made,
    "rand randn": _fractions(_made),
    "randint": _random_integers,
    "randperm": _permutation,
    "full": _full,
    "scalar_tensor": _scalar,
    "arange": _arange,
    "eye": _eye,
    "linspace logspace": _steps,
}
RULES: dict[str, Any] = {f"aten::{name}": rule for names, rule in _RULES.items() for name in names.split()}
