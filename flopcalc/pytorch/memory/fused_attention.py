"""CUDA's fused kernels of attention on tensors of the CPU.

What they return has the shapes and types that it has on CUDA. The values are those of the CPU's kernel, without
dropout.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from flopcalc.pytorch.counting.twins import is_meta

_aten: Any = torch.ops.aten
_FORWARD: Any = _aten._scaled_dot_product_flash_attention_for_cpu.default
_BACKWARD: Any = _aten._scaled_dot_product_flash_attention_for_cpu_backward.default


def fused_attention(func: Any, args: Any, kwargs: Any) -> Any:
    """The outputs of such a kernel; None for other kernels, and for tensors without values."""
    values = _VALUES.get(func)
    if values is None or is_meta(args[0]):
        return None
    outputs = func(*map(_without_values, args), **kwargs)
    found = values(args, kwargs)
    return tuple(_filled(one, found[at] if at < len(found) else None) for at, one in enumerate(outputs))


def _without_values(value: Any) -> Any:
    if not isinstance(value, Tensor):
        return value
    return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="meta")


def _filled(output: Any, values: Tensor | None) -> Any:
    if not isinstance(output, Tensor):
        return output
    made = torch.empty_strided(output.shape, output.stride(), dtype=output.dtype, device="cpu")
    return made.zero_() if values is None else made.copy_(values)


def _efficient(args: Any, kwargs: Any) -> tuple[Tensor, ...]:
    # Arguments that have their defaults are left out.
    causal = bool(args[6]) if len(args) > 6 else kwargs.get("is_causal", False)
    return (_output(args[:3], args[3], causal, kwargs)[0],)


def _efficient_backward(args: Any, kwargs: Any) -> tuple[Tensor, ...]:
    return _gradients(args[0], args[1:4], args[4], bool(args[11]) if len(args) > 11 else False, kwargs)


def _flash(args: Any, kwargs: Any) -> tuple[Tensor, ...]:
    causal = bool(args[4]) if len(args) > 4 else kwargs.get("is_causal", False)
    return (_output(args[:3], None, causal, kwargs)[0],)


def _flash_backward(args: Any, kwargs: Any) -> tuple[Tensor, ...]:
    return _gradients(args[0], args[1:4], None, bool(args[11]), kwargs)


def _output(given: Any, mask: Any, causal: bool, kwargs: Any) -> Any:
    return _FORWARD(*given, 0.0, causal, attn_mask=mask, scale=kwargs.get("scale"))


def _gradients(gradient: Tensor, given: Any, mask: Any, causal: bool, kwargs: Any) -> tuple[Tensor, ...]:
    out, log_sums = _output(given, mask, causal, kwargs)
    scale = kwargs.get("scale")
    found: tuple[Tensor, ...] = _BACKWARD(gradient, *given, out, log_sums, 0.0, causal, attn_mask=mask, scale=scale)
    return found


_VALUES: dict[Any, Callable[[Any, Any], tuple[Tensor, ...]]] = {
    _aten._scaled_dot_product_efficient_attention.default: _efficient,
    _aten._scaled_dot_product_efficient_attention_backward.default: _efficient_backward,
    _aten._scaled_dot_product_flash_attention.default: _flash,
    _aten._scaled_dot_product_flash_attention_backward.default: _flash_backward,
}
