"""Fused attention and fused transformer layers: the products, the scores' softmax and their scale.

A mask makes no product cheaper: the count is dense. Scores that a fused kernel does not write are not traffic.
"""

from typing import Any

import torch
from torch import Tensor

from flopcalc.pytorch.counting.kernels.products import product
from flopcalc.pytorch.counting.kernels.work import UNKNOWN, Answer, Kernel, Work, has_values


def lengths(tensor: Tensor, axis: int) -> list[int] | None:
    """The lengths of an axis, one for each sample of a batch; None where they cannot be read."""
    if not tensor.is_nested:
        return [int(tensor.shape[axis])] * int(tensor.shape[0])
    if tensor.layout is torch.strided:
        sizes = tensor._nested_tensor_size()
        return [int(row[axis % tensor.dim() - 1]) for row in sizes]
    offsets = tensor.offsets()  # type: ignore[attr-defined]
    if not has_values(offsets):
        return None
    if tensor._ragged_idx != axis % tensor.dim():  # type: ignore[attr-defined]
        return [int(tensor.shape[axis])] * (len(offsets) - 1)
    return [int(length) for length in offsets.diff()]


def _pairs(query: Tensor, key: Tensor, axis: int) -> int | None:
    """Queries times keys, summed over the batch."""
    rows, columns = lengths(query, axis), lengths(key, axis)
    if rows is None or columns is None:
        return None
    return sum(row * column for row, column in zip(rows, columns, strict=True))


def _attention(kernel: Kernel, scores: int, inner: int, outer: int, mask: Any) -> Work:
    # Softmax: a share of the sum, an exponential and a division; the scale is one product for each score.
    adds = scores * (2 if mask is not None else 1)
    work = product(kernel, scores * (inner + outer), muls=scores)
    return work._replace(adds=adds, other=2 * scores)


def sdpa(kernel: Kernel) -> Answer:
    """Attention on batch x heads x tokens x channels: scores, and their product with the values."""
    query, key, value = kernel.args[:3]
    if query.is_nested or query.dim() > 2:
        pairs = _pairs(query, key, -2)
        heads = query.size(1) if query.is_nested else query.shape[1:-2].numel()
    else:
        pairs, heads = query.shape[0] * key.shape[0], 1
    if pairs is None:
        return UNKNOWN
    mask = kernel.argument("attn_mask", kernel.argument("attn_bias"))
    return _attention(kernel, heads * pairs, query.shape[-1], value.shape[-1], mask)


def _in_a_row(kernel: Kernel, otherwise: int) -> int | None:
    """Queries times keys of samples whose tokens are in one row; None where its ends cannot be read.

    otherwise: those of samples that have an axis of their own.
    """
    ends_q = kernel.argument("cum_seq_q", kernel.argument("cu_seqlens_q"))
    ends_k = kernel.argument("cum_seq_k", kernel.argument("cu_seqlens_k"))
    # In a gradient, no ends are a tensor without elements.
    if ends_q is None or ends_k is None or not ends_q.numel():
        return otherwise
    if not (has_values(ends_q) and has_values(ends_k)):
        return None
    return int((ends_q.diff().long() * ends_k.diff().long()).sum())


def flash(kernel: Kernel) -> Answer:
    """Attention on batch x tokens x heads x channels, or on the tokens of all samples in a row."""
    query, key, value = kernel.args[:3]
    pairs = _in_a_row(kernel, query.shape[0] * query.shape[1] * key.shape[1])
    if pairs is None:
        return UNKNOWN
    return _attention(kernel, query.shape[-2] * pairs, query.shape[-1], value.shape[-1], kernel.argument("bias"))


def sdpa_backward(kernel: Kernel) -> Answer:
    """The gradients of fused attention: scores once more, and four products; softmax backwards.

    The scores are scaled and get their mask again; the logarithm of their sum, which was kept, is taken off, and the
    exponential is their share. Softmax backwards has 2 adds and 2 muls, and its gradient is scaled.
    """
    query, key, value = (kernel.argument(name) for name in ("query", "key", "value"))
    # The kernels below the attention function have the tokens before the heads.
    axis = -2 if kernel.func.name().startswith("aten::_scaled") else -3
    heads = query.shape[-5 - axis]
    pairs = _in_a_row(kernel, query.shape[:-1].numel() // max(heads, 1) * key.shape[axis])
    if pairs is None:
        return UNKNOWN
    scores = heads * pairs
    mask = kernel.argument("attn_mask", kernel.argument("attn_bias", kernel.argument("bias")))
    return Work(
        scores * (3 * query.shape[-1] + 2 * value.shape[-1]),
        adds=(3 if mask is None else 4) * scores,
        muls=4 * scores,
        other=scores,
        activations=kernel.written,
        reads=kernel.reads,
        writes=kernel.written,
    )


def _self_attention(kernel: Kernel, embedded: int, heads: int, mask: Any) -> Work | None:
    """The four projections and the attention of a fused layer, whose first argument is batch x tokens x channels."""
    query = kernel.first
    key = kernel.argument("key", query)
    if query.dim() == 2:
        # A row of a nested tensor.
        query, key = query[None], key[None]
    pairs = _pairs(query, key, 1)
    if pairs is None:
        return None
    tokens, keys = query.numel() // embedded, key.numel() // embedded
    scores = heads * pairs
    projections = embedded**2 * (2 * tokens + 2 * keys)
    adds = embedded * (2 * tokens + 2 * keys) + scores * (2 if mask is not None else 1)
    return Work(projections + 2 * pairs * embedded, adds, scores, 2 * scores, embedded * (3 * tokens + 2 * keys))


def multi_head(kernel: Kernel) -> Answer:
    """A fused MultiheadAttention: projections, scores, values, output."""
    found = _self_attention(kernel, kernel.argument("embed_dim"), kernel.argument("num_head"), kernel.argument("mask"))
    return UNKNOWN if found is None else found._replace(reads=kernel.reads, writes=kernel.written)


def encoder_layer(kernel: Kernel) -> Answer:
    """A fused TransformerEncoderLayer: attention, two linear layers, two layer norms, two sums, an activation."""
    embedded = kernel.argument("embed_dim")
    found = _self_attention(kernel, embedded, kernel.argument("num_heads"), kernel.argument("mask"))
    if found is None:
        return UNKNOWN
    size = kernel.first.numel()
    tokens = size // embedded
    first, second = kernel.argument("ffn_weight_1"), kernel.argument("ffn_weight_2")
    hidden = tokens * first.shape[0]
    return Work(
        found.macs + tokens * (first.numel() + second.numel()),
        found.adds + hidden + size + 2 * size + 6 * size,
        found.muls + 4 * size,
        found.other + hidden,
        found.activations + hidden + size,
        kernel.reads,
        kernel.written,
    )


RULES = {
    sdpa: (
        "aten::scaled_dot_product_attention aten::_scaled_dot_product_attention_math "
        "aten::_scaled_dot_product_attention_math_for_mps aten::_scaled_dot_product_flash_attention "
        "aten::_scaled_dot_product_flash_attention_for_cpu aten::_scaled_dot_product_efficient_attention "
        "aten::_scaled_dot_product_cudnn_attention aten::_scaled_dot_product_fused_attention_overrideable"
    ),
    flash: (
        "aten::_flash_attention_forward aten::_efficient_attention_forward aten::_cudnn_attention_forward "
        "aten::_flash_attention_forward_no_dropout_inplace"
    ),
    sdpa_backward: (
        "aten::_scaled_dot_product_flash_attention_backward "
        "aten::_scaled_dot_product_flash_attention_for_cpu_backward "
        "aten::_scaled_dot_product_efficient_attention_backward "
        "aten::_scaled_dot_product_cudnn_attention_backward "
        "aten::_scaled_dot_product_fused_attention_overrideable_backward "
        "aten::_flash_attention_backward aten::_efficient_attention_backward"
    ),
    multi_head: "aten::_native_multi_head_attention",
    encoder_layer: "aten::_transformer_encoder_layer_fwd",
}

KINDS = dict.fromkeys(RULES, "matmul")
