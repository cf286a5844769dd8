"""CUDA's fused kernels of attention on tensors of the CPU.

What they return has the shapes and types that it has on CUDA. The values are those of the CPU's kernel, without
dropout.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from flopcalc.pytorch.counting.twins import is_meta, on_meta

_aten: Any = torch.ops.aten
_FORWARD: Any = _aten._scaled_dot_product_flash_attention_for_cpu.default
_BACKWARD: Any = _aten._scaled_dot_product_flash_attention_for_cpu_backward.default


class _Places(NamedTuple):
    """Where the arguments of a kernel are: the first query, key and value; the mask, if it takes one; is_causal."""

    query: int
    mask: int | None
    causal: int


_KERNELS: dict[Any, _Places] = {
    _aten._scaled_dot_product_efficient_attention.default: _Places(0, 3, 6),
    _aten._scaled_dot_product_efficient_attention_backward.default: _Places(1, 4, 11),
    _aten._scaled_dot_product_flash_attention.default: _Places(0, None, 4),
    _aten._scaled_dot_product_flash_attention_backward.default: _Places(1, None, 11),
}


def fused_attention(func: Any, args: Any, kwargs: Any) -> Any:
    """The outputs of such a kernel; None for other kernels, and for tensors without values."""
    places = _KERNELS.get(func)
    if places is None or is_meta(args[0]):
        return None
    outputs = func(*(on_meta(one) if isinstance(one, Tensor) else one for one in args), **kwargs)
    found = _values(places, args, kwargs.get("scale"))
    return tuple(_filled(one, found[at] if at < len(found) else None) for at, one in enumerate(outputs))


def _values(places: _Places, args: Any, scale: Any) -> tuple[Tensor, ...]:
    """The output or, of a backward kernel, the three gradients."""
    given = args[places.query : places.query + 3]
    mask = None if places.mask is None else args[places.mask]
    # Arguments that have their defaults are left out.
    causal = len(args) > places.causal and bool(args[places.causal])
    out, log_sums = _FORWARD(*given, 0.0, causal, attn_mask=mask, scale=scale)
    if places.query == 0:
        return (out,)
    # The gradient of the output comes first.
    gradients: tuple[Tensor, ...] = _BACKWARD(args[0], *given, out, log_sums, 0.0, causal, attn_mask=mask, scale=scale)
    return gradients


def _filled(output: Any, values: Tensor | None) -> Any:
    if not isinstance(output, Tensor):
        return output
    made = torch.empty_strided(output.shape, output.stride(), dtype=output.dtype, device="cpu")
    return made.zero_() if values is None else made.copy_(values)
