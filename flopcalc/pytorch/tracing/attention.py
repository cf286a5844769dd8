"""What attention does, in sizes: scaled dot products, and the self-attention of torch's own module."""

from math import prod
from typing import Any, cast

import torch
from torch import Tensor

from flopcalc.pytorch.counting.kernels import new_work
from flopcalc.pytorch.counting.recorder import Recorder
from flopcalc.pytorch.tracing.fresh import is_contiguous, is_plain, keeping, packed
from flopcalc.pytorch.tracing.heavy import copied, linear, matmul, softmax, stored


def attention(
    recorder: Recorder,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor | None:
    """Attention as torch decomposes it on the meta device: both factors are scaled by the root of the scale.

    In types of 16 bits it computes in float32, unless a flag of torch allows the shorter type.
    """
    if attn_mask is not None or dropout_p or is_causal or enable_gqa:
        return None
    given, keys, values = query.shape, key.shape, value.shape
    if len(given) != 4 or len(keys) != 4 or len(values) != 4 or not given[:2] == keys[:2] == values[:2]:
        return None
    if given[3] != keys[3] or keys[2] != values[2] or not prod((*given, *keys, *values)):
        return None
    if not all(is_plain(one) and one.dtype is query.dtype for one in (query, key, value)):
        return None
    if not query.dtype.is_floating_point:
        return None
    dtype = query.dtype
    wider = dtype in _SHORT and not torch.backends.cuda.fp16_bf16_reduction_math_sdp_allowed()  # type: ignore[no-untyped-call]
    if wider:
        query, key, value = (_converted(recorder, one, torch.float32) for one in (query, key, value))
    queries = _scaled(recorder, query)
    turned = key.transpose(-2, -1)
    scores = matmul(recorder, queries, _scaled(recorder, turned))
    if scores is None:
        return None
    weights = softmax(recorder, scores, -1)
    out = matmul(recorder, weights, value)
    if wider and out is not None:
        out = _converted(recorder, out, dtype)
        _converted(recorder, weights, dtype)
    return out


_SHORT = frozenset({torch.float16, torch.bfloat16})


def _converted(recorder: Recorder, x: Tensor, dtype: torch.dtype) -> Tensor:
    return copied(recorder, x, keeping(x, dtype))


def _scaled(recorder: Recorder, x: Tensor) -> Tensor:
    out = keeping(x, x.dtype)
    size = out.numel()
    recorder.kernel("mul", new_work((0, 0, size, 0, 0, stored(x), size)), (x,), (out,))
    return out


def self_attention(
    recorder: Recorder,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    **more: Any,
) -> tuple[Tensor, None] | None:
    """multi_head_attention_forward of one sequence by itself, without masks: the most common case, in one step.

    The other cases run as torch has written them, function by function.
    """
    if query is not key or key is not value or query.dim() != 3 or not is_contiguous(query) or in_proj_weight is None:
        return None
    if need_weights or add_zero_attn or use_separate_proj_weight or (training and dropout_p) or more.get("is_causal"):
        return None
    if any(one is not None for one in (key_padding_mask, attn_mask, bias_k, bias_v, more.get("static_k"))):
        return None
    length, batch, width = query.shape
    # Heads of one channel each need no copy at the end.
    if width != embed_dim_to_check or not 0 < num_heads < width or width % num_heads:
        return None
    if length * batch < 2 or more.get("static_v") is not None:
        return None
    if in_proj_weight.shape != (3 * width, width) or not _fits(query, out_proj_weight, out_proj_bias):
        return None
    both = linear(recorder, query, in_proj_weight, in_proj_bias)
    if both is None:
        return None
    parts = copied(recorder, both, packed((3, length, batch, width), both.dtype))
    queries, keys, values = (
        part.view(length, batch * num_heads, -1).transpose(0, 1).view(batch, num_heads, length, -1) for part in parts
    )
    # From here on all sizes are known to fit.
    mixed = cast("Tensor", attention(recorder, queries, keys, values))
    rows = mixed.permute(2, 0, 1, 3)
    if not is_contiguous(rows):
        rows = copied(recorder, rows, packed(rows.shape, rows.dtype))
    out = cast("Tensor", linear(recorder, rows.view(batch * length, width), out_proj_weight, out_proj_bias))
    return out.view(length, batch, width), None


def _fits(query: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    """Whether the projection of the result is an ordinary one, so that nothing is left to torch half way."""
    width = query.shape[2]
    if weight.shape != (width, width) or not weight.is_meta or weight.dtype is not query.dtype:
        return False
    return bias is None or (bias.shape == (width,) and bias.is_meta and bias.dtype is query.dtype)
