"""What a GPU or a CPU runs where the meta device would run something else: attention and dropout, and autocast."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend

from flopcalc.pytorch.counting.dispatch import OnDevice, left_alone
from flopcalc.pytorch.counting.mish import mish
from flopcalc.pytorch.memory.autocast import Autocast
from flopcalc.pytorch.tracing.decomposed import decomposed

Rules = Literal["cuda", "cpu"]
_aten: Any = torch.ops.aten
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
        elif func in _SOFTMAXES and self.rules == "cuda":
            out = _softmax_into_float32(_SOFTMAXES[func], *args, **kwargs)
        else:
            out = mish(func, args, kwargs)
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
            with super().again():
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
        return _aten.native_dropout(input, p, True)[0]

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
        given = query, key, value, attn_mask, dropout_p, is_causal, scale
        if self.rules == "cpu":
            return self._on_cpu(*given)
        found = self._on_cuda(*given)
        if found is None and not query.is_meta:
            # The CPU would choose its fused kernel.
            found = _in_products(*given, enable_gqa)
        return found

    def _on_cpu(self, query: Tensor, key: Tensor, value: Tensor, mask: Any, p: float, causal: bool, scale: Any) -> Any:
        if p or not _has_values(query, key, value, mask):
            return None
        if mask is not None:
            mask = _additive(mask, query)
        flash = _aten._scaled_dot_product_flash_attention_for_cpu
        return flash(query, key, value, p, causal, attn_mask=mask, scale=scale)[0]

    def _on_cuda(self, query: Tensor, key: Tensor, value: Tensor, mask: Any, p: float, causal: bool, scale: Any) -> Any:
        if query.dtype not in (*_HALF, torch.float32):
            return None
        if not query.is_meta and not _has_values(query, key, value, mask):
            self.note("attention with real values was followed as two products, since the CPU has no such fused kernel")
            return None
        head, needs = query.shape[-1], 8 if query.dtype in _HALF else 4
        square = not causal or query.shape[2] == key.shape[2]
        if mask is None and query.dtype in _HALF and head == value.shape[-1] <= _LARGEST_HEAD and square:
            self.note(f"attention runs as the kernel FlashAttention, as on CUDA, {_NO_MATRIX}")
            # Its heads are multiples of 8.
            padded = [functional.pad(one, (0, -head % needs)) if head % needs else one for one in (query, key, value)]
            usual = head**-0.5 if scale is None else scale
            flash = _aten._scaled_dot_product_flash_attention
            return flash(*padded, p, causal, scale=usual)[0][..., :head]
        if head % needs or value.shape[-1] % needs or _grouped(query, key):
            # The memory-efficient kernel has no groups of heads; torch then repeats keys and values.
            return None
        if mask is not None:
            mask = _additive(mask, query)
            if mask.stride(-1) != 1:
                return None
            mask = mask.expand(*query.shape[:3], key.shape[2])
        self.note(f"attention runs as the memory-efficient kernel, as on CUDA, {_NO_MATRIX}")
        saves = torch.is_grad_enabled() and any(one.requires_grad for one in (query, key, value))
        efficient = _aten._scaled_dot_product_efficient_attention
        return efficient(query, key, value, mask, saves, p, causal, scale=scale)[0]


def _in_products(
    query: Tensor, key: Tensor, value: Tensor, mask: Any, p: float, causal: bool, scale: Any, grouped: bool
) -> Any:
    """Attention as two products and a softmax."""
    if mask is not None:
        mask = _additive(mask, query)
    named = {"enable_gqa": True} if grouped else {}
    products = _aten._scaled_dot_product_attention_math
    return products(query, key, value, mask, p, causal, None, scale=scale, **named)[0]


_NO_MATRIX = "which does not store the matrix of queries times keys"
_DROPOUTS = frozenset({functional.dropout, torch.dropout})
_SOFTMAXES: dict[Any, Any] = {
    torch.softmax: _aten._softmax.default,
    Tensor.softmax: _aten._softmax.default,
    torch.log_softmax: _aten._log_softmax.default,
    Tensor.log_softmax: _aten._log_softmax.default,
}


def _softmax_into_float32(kernel: Any, input: Any, dim: Any = None, dtype: Any = None) -> Any:
    """CUDA's kernel reads float16 and writes float32; elsewhere there is a copy in float32. None where it is not so."""
    if not isinstance(input, Tensor) or not input.is_meta or input.dtype is not torch.float16:
        return None
    if dtype is not torch.float32 or type(dim) is not int:
        return None
    return kernel(input, dim, True)


def _choice_of_groups() -> bool:
    query, key = torch.empty(1, 2, 1, 8), torch.empty(1, 1, 1, 8)
    try:
        return bool(torch._fused_sdp_choice(query, key, key, enable_gqa=True) == SDPBackend.FLASH_ATTENTION.value)
    except (TypeError, RuntimeError):
        # torch 2.4 has no groups of heads.
        return False


# Whether this version's kernel for CPUs takes keys with fewer heads than queries.
_GROUPS_ON_CPU = _choice_of_groups()


def _has_values(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> bool:
    """Whether the CPU has a fused kernel for an attention without dropout."""
    same = query.shape[-1] == key.shape[-1] == value.shape[-1]
    return same and not (mask is not None and mask.requires_grad) and (_GROUPS_ON_CPU or not _grouped(query, key))


def _grouped(query: Tensor, key: Tensor) -> bool:
    return query.shape[1] != key.shape[1]


def _additive(mask: Tensor, query: Tensor) -> Tensor:
    """A mask of truth values as numbers that are added."""
    if mask.dtype is not torch.bool:
        return mask
    return torch.zeros_like(mask, dtype=query.dtype).masked_fill_(mask.logical_not(), float("-inf"))
