"""What a GPU or a CPU runs where the meta device would run something else: attention and dropout, and autocast."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend

from flopcalc.pytorch.counting.dispatch import OnDevice, left_alone
from flopcalc.pytorch.memory.autocast import Autocast
from flopcalc.pytorch.tracing.decomposed import decomposed

Rules = Literal["cuda", "cpu"]
_HALF = (torch.float16, torch.bfloat16)
_LARGEST_HEAD = 256


class Kernels(OnDevice):
    """Runs functions as the device of the rules would. notes: gets one line for each rule that was used."""

    def __init__(self, device: str, rules: Rules, note: Callable[[str], Any], autocast: Autocast | None) -> None:
        super().__init__(device)
        self.rules = rules
        self.note = note
        self.autocast = autocast

    @left_alone
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self.autocast is not None:
            args, kwargs = self.autocast.cast(func, args, kwargs)
        out = None
        if func is functional.scaled_dot_product_attention:
            out = self._attention(*args, **kwargs)
        elif func in _DROPOUTS and self.rules == "cuda":
            out = self._dropout(*args, **kwargs)
        if out is not None:
            return out
        inner = decomposed(func)
        if inner is not None:
            with self:
                return inner(*args, **kwargs)
        return super().__torch_function__(func, types, args, kwargs)

    @contextmanager
    def again(self) -> Iterator[None]:
        """While a part of the forward is computed again in the backward: copies of weights are its own."""
        try:
            with self:
                yield
        finally:
            if self.autocast is not None:
                self.autocast.clear()

    def _dropout(self, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
        """The kernel that saves its mask as one byte for each element."""
        if not training or inplace or not 0 < p < 1 or not input.numel():
            return None
        self.note(
            "dropout saves a mask of one byte for each element, as on CUDA; the CPU saves it in the input's dtype"
        )
        return torch.ops.aten.native_dropout(input, p, True)[0]

    def _attention(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Any:
        if not (query.dim() == key.dim() == value.dim() == 4) or query.dtype != key.dtype:
            return None
        if not all(one.numel() and one.stride(-1) == 1 for one in (query, key, value)):
            return None
        if _grouped(query, key) and not (enable_gqa and key.shape[1] == value.shape[1]):
            return None
        if self.rules == "cuda" and not query.is_meta:
            self.note("attention was followed as the CPU computes it, since real values are on the CPU")
            return None
        kernel = self._on_cpu if self.rules == "cpu" else self._on_cuda
        return kernel(query, key, value, attn_mask, dropout_p, is_causal, scale)

    def _on_cpu(self, query: Tensor, key: Tensor, value: Tensor, mask: Any, p: float, causal: bool, scale: Any) -> Any:
        if p or not query.shape[-1] == key.shape[-1] == value.shape[-1] or (mask is not None and mask.requires_grad):
            return None
        if _grouped(query, key) and not _GROUPS_ON_CPU:
            return None
        if mask is not None:
            mask = _additive(mask, query)
        flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        return flash(query, key, value, p, causal, attn_mask=mask, scale=scale)[0]

    def _on_cuda(self, query: Tensor, key: Tensor, value: Tensor, mask: Any, p: float, causal: bool, scale: Any) -> Any:
        head, needs = query.shape[-1], 8 if query.dtype in _HALF else 4
        if head % needs or value.shape[-1] % needs or query.dtype not in (*_HALF, torch.float32):
            return None
        if mask is None and query.dtype in _HALF and head == value.shape[-1] <= _LARGEST_HEAD:
            self.note(f"attention runs as the kernel FlashAttention, as on CUDA, {_NO_MATRIX}")
            return torch.ops.aten._scaled_dot_product_flash_attention(query, key, value, p, causal, scale=scale)[0]
        if _grouped(query, key):
            # The memory-efficient kernel has no groups of heads; torch then repeats keys and values.
            return None
        if mask is not None:
            mask = _additive(mask, query).expand(*query.shape[:3], key.shape[2])
        self.note(f"attention runs as the memory-efficient kernel, as on CUDA, {_NO_MATRIX}")
        saves = torch.is_grad_enabled() and any(one.requires_grad for one in (query, key, value))
        efficient = torch.ops.aten._scaled_dot_product_efficient_attention
        return efficient(query, key, value, mask, saves, p, causal, scale=scale)[0]


_NO_MATRIX = "which does not store the matrix of queries times keys"
_DROPOUTS = frozenset({functional.dropout, torch.dropout})


def _choice_of_groups() -> bool:
    query, key = torch.empty(1, 2, 1, 8), torch.empty(1, 1, 1, 8)
    try:
        return bool(torch._fused_sdp_choice(query, key, key, enable_gqa=True) == SDPBackend.FLASH_ATTENTION.value)
    except (TypeError, RuntimeError):
        # torch 2.4 has no groups of heads.
        return False


# Whether this version's kernel for CPUs takes keys with fewer heads than queries.
_GROUPS_ON_CPU = _choice_of_groups()


def _grouped(query: Tensor, key: Tensor) -> bool:
    return query.shape[1] != key.shape[1]


def _additive(mask: Tensor, query: Tensor) -> Tensor:
    """A mask of truth values as numbers that are added."""
    if mask.dtype is not torch.bool:
        return mask
    return torch.zeros_like(mask, dtype=query.dtype).masked_fill_(mask.logical_not(), float("-inf"))
