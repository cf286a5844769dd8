"""What torch runs as one kernel on the CPU: attention; modules of it, and encoder layers, where no gradient is needed.

A log cannot see it: torch does not take these kernels under a mode, nor on the meta device.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, Literal

import torch
from torch import Tensor, nn

from flopcalc.pytorch.counting.contents import parameters_of

Fused = Literal["", "attention", "attention without weights", "layer"]


def fused_kind(
    module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any], needs_gradient: Callable[[Tensor], bool]
) -> Fused:
    """Whether this call of a module in evaluation mode is one kernel on the CPU, by the conditions of torch 2.13."""
    if not torch.backends.mha.get_fastpath_enabled():
        return ""
    given = [*args, *kwargs.values()][:3]
    if type(module).forward is nn.MultiheadAttention.forward and isinstance(module, nn.MultiheadAttention):
        query, same = given[0], len(given) == 3 and all(one is given[0] for one in given)
        has_weights = args[4] if len(args) > 4 else kwargs.get("need_weights", True)
        kind: Fused = "attention" if has_weights else "attention without weights"
        kind = kind if same and _is_plain(module, query) else ""
    elif type(module).forward is nn.TransformerEncoderLayer.forward and isinstance(module, nn.TransformerEncoderLayer):
        query = given[0]
        usual = module.activation_relu_or_gelu and module.norm1.eps == module.norm2.eps
        kind = "layer" if usual and _is_plain(module.self_attn, query) else ""
    else:
        return ""
    return "" if any(map(needs_gradient, chain([query], parameters_of(module)))) else kind


def _is_plain(one: nn.MultiheadAttention, query: Tensor) -> bool:
    return (
        query.dim() == 3
        and one.batch_first
        and one.num_heads % 2 == 0
        and one._qkv_same_embed_dim
        and one.in_proj_bias is not None
        and one.bias_k is None
        and not one.add_zero_attn
    )


def is_one_kernel(
    is_trained: bool,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> bool:
    """Whether `F.scaled_dot_product_attention` is one kernel on the CPU, by the conditions of torch 2.13.

    is_trained: whether the mask needs a gradient. Other arguments are those of the function.
    """
    given = (query, key, value)
    return (
        torch.backends.cuda.flash_sdp_enabled()  # type: ignore[no-untyped-call]  # Of the CPU's kernel, too.
        and all(one.dim() == 4 and one.stride(-1) == 1 and one.shape[-1] == query.shape[-1] for one in given)
        and all(one.shape[0] == query.shape[0] for one in given)
        and (enable_gqa or all(one.shape[1] == query.shape[1] for one in given))
        and not dropout_p
        and not is_trained
        and (attn_mask is None or attn_mask.dim() in (2, 4))
    )
