"""Autocast as on CUDA: products in half precision, sums and norms in float32, weights cast once for each pass."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

_LOWER = frozenset(
    {
        functional.linear,
        functional.bilinear,
        functional.conv1d,
        functional.conv2d,
        functional.conv3d,
        functional.conv_transpose1d,
        functional.conv_transpose2d,
        functional.conv_transpose3d,
        functional.prelu,
        functional.scaled_dot_product_attention,
        torch.conv1d,
        torch.conv2d,
        torch.conv3d,
        torch.matmul,
        torch.mm,
        torch.bmm,
        torch.mv,
        torch.addmm,
        torch.addbmm,
        torch.baddbmm,
        torch.chain_matmul,
        torch.prelu,
        Tensor.matmul,
        Tensor.__matmul__,
        Tensor.mm,
        Tensor.bmm,
        Tensor.mv,
        Tensor.addmm,
        Tensor.baddbmm,
    }
)
_FLOAT32 = frozenset(
    {
        functional.layer_norm,
        functional.group_norm,
        functional.softmax,
        functional.log_softmax,
        functional.softmin,
        functional.cross_entropy,
        functional.nll_loss,
        functional.mse_loss,
        functional.l1_loss,
        functional.smooth_l1_loss,
        functional.kl_div,
        functional.cosine_similarity,
        functional.softplus,
        torch.layer_norm,
        torch.group_norm,
        torch.softmax,
        torch.log_softmax,
        torch.exp,
        torch.log,
        torch.pow,
        torch.norm,
        torch.sum,
        torch.prod,
        torch.cumsum,
        torch.rsqrt,
        Tensor.softmax,
        Tensor.log_softmax,
        Tensor.exp,
        Tensor.log,
        Tensor.pow,
        Tensor.__pow__,
        Tensor.norm,
        Tensor.sum,
        Tensor.prod,
        Tensor.cumsum,
        Tensor.rsqrt,
    }
)


class Autocast:
    """Casts the arguments of functions. A parameter is cast once, and the copy is kept for the pass."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self._weights: dict[int, Tensor] = {}

    def cast(self, func: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """The arguments of a function in the types that it computes in."""
        if func in _LOWER:
            return self._all(args, self.dtype), self._all(kwargs, self.dtype)
        if func in _FLOAT32:
            return self._all(args, torch.float32), self._all(kwargs, torch.float32)
        return args, kwargs

    def clear(self) -> None:
        """Forget the copies of weights, as the end of an autocast region does."""
        self._weights.clear()

    def _all(self, value: Any, dtype: torch.dtype) -> Any:
        if isinstance(value, Tensor):
            return self._one(value, dtype)
        if isinstance(value, list | tuple):
            return type(value)([self._all(one, dtype) for one in value])
        if isinstance(value, dict):
            return {key: self._all(one, dtype) for key, one in value.items()}
        return value

    def _one(self, tensor: Tensor, dtype: torch.dtype) -> Tensor:
        if tensor.dtype is dtype or not tensor.is_floating_point() or tensor.dtype is torch.float64:
            return tensor
        if not (isinstance(tensor, nn.Parameter) and tensor.requires_grad and dtype is self.dtype):
            return tensor.to(dtype)
        if id(tensor) not in self._weights:
            self._weights[id(tensor)] = tensor.to(dtype)
        return self._weights[id(tensor)]
