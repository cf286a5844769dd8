"""Autocast as on CUDA: products in half precision, sums and norms in float32, weights cast once for each pass."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from flopcalc.pytorch.counting.kernels import tensors

_PLACES: tuple[Any, ...] = (torch, Tensor, functional, torch.linalg, torch._C._nn, torch._VF)


def _named(names: str) -> frozenset[Any]:
    """The functions and methods of torch with these names."""
    found = (getattr(place, name, None) for place in _PLACES for name in names.split())
    return frozenset(one for one in found if one is not None)


# The lists of torch's ATen/autocast_mode.h, and what of them has another name in Python. cuDNN's recurrent layers have
# a cast of their own.
_LOWER = _named(
    "conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d convolution prelu addmm addmv "
    "addr matmul __matmul__ __rmatmul__ einsum mm mv vecdot linear addbmm baddbmm bmm chain_matmul multi_dot lstm_cell "
    "gru_cell rnn_tanh_cell rnn_relu_cell lstm gru rnn_tanh rnn_relu scaled_dot_product_attention"
)
_FLOAT32 = _named(
    "acos asin cosh erfinv exp expm1 log log10 log2 log1p reciprocal __rdiv__ __rtruediv__ rsqrt sinh tan pow __pow__ "
    "__rpow__ softplus layer_norm rms_norm group_norm cosine_similarity poisson_nll_loss cosine_embedding_loss "
    "nll_loss hinge_embedding_loss kl_div l1_loss smooth_l1_loss huber_loss mse_loss margin_ranking_loss "
    "multilabel_margin_loss soft_margin_loss triplet_margin_loss multi_margin_loss binary_cross_entropy_with_logits "
    "cross_entropy dist pdist cdist renorm logsumexp cumsum upsample_nearest1d _upsample_nearest_exact1d "
    "upsample_nearest2d _upsample_nearest_exact2d upsample_nearest3d _upsample_nearest_exact3d upsample_linear1d "
    "upsample_bilinear2d _upsample_bilinear2d_aa upsample_trilinear3d upsample_bicubic2d _upsample_bicubic2d_aa "
    "nuclear_norm frobenius_norm native_layer_norm nll_loss2d"
)
# They read half precision and write float32, in one kernel.
_FLOAT32_OUT = _named("prod softmax log_softmax cumprod norm vector_norm matrix_norm sum")
# All in the widest type among their arguments.
_WIDEST = _named("addcdiv addcmul atan2 bilinear cross dot vdot grid_sampler index_put tensordot scatter_add")


class Autocast:
    """Casts the arguments of functions. A parameter is cast once, and the copy is kept for the pass."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self._weights: dict[int, Tensor] = {}

    @staticmethod
    @contextmanager
    def enabled() -> Iterator[None]:
        """Torch says that autocast is on: recurrent layers ask, and else refuse an input of another type.

        It casts nothing itself, since no tensor is on that device.
        """
        before = torch.is_autocast_enabled("cuda")
        torch.set_autocast_enabled("cuda", True)
        try:
            yield
        finally:
            torch.set_autocast_enabled("cuda", before)

    def cast(self, func: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """The arguments of a function in the types that it computes in."""
        if func in _LOWER:
            return self._all(args, self.dtype), self._all(kwargs, self.dtype)
        if func in _FLOAT32:
            return self._all(args, torch.float32), self._all(kwargs, torch.float32)
        if func in _FLOAT32_OUT:
            return args, self._into_float32(args, kwargs)
        if func in _WIDEST and any(one.dtype is torch.float32 for one in tensors((args, kwargs))):
            return self._all(args, torch.float32), self._all(kwargs, torch.float32)
        return args, kwargs

    def clear(self) -> None:
        """Forget the copies of weights, as the end of an autocast region does."""
        self._weights.clear()

    def _into_float32(self, args: Any, kwargs: Any) -> Any:
        """The arguments by name, with float32 as the type of the result where no type is asked for."""
        first = next(iter(tensors((args, kwargs))), None)
        asked = kwargs.get("dtype") is not None or any(isinstance(one, torch.dtype) for one in args)
        if asked or first is None or first.dtype not in (torch.float16, torch.bfloat16):
            return kwargs
        return {**kwargs, "dtype": torch.float32}

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
