"""Several convolutions with batch norm as one: what re-parameterised blocks become for inference."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812


def scaled(kernel: Tensor, norm: Any) -> tuple[Tensor, Tensor]:
    """Kernel and bias of a convolution followed by a batch norm in evaluation mode."""
    scale: Tensor = norm.weight / (norm.running_var + norm.eps).sqrt()
    return kernel * scale[:, None, None, None], norm.bias - norm.running_mean * scale


def identity(channels: int, groups: int, like: Tensor) -> Tensor:
    """The 1x1 kernel that returns its input: a one where a filter meets its own channel, numbered in the group."""
    own = channels // groups
    eye = torch.eye(own, device=like.device, dtype=like.dtype).repeat(groups, 1)
    return eye[:, :, None, None]


def merged(branches: Iterable[tuple[Tensor, Any]], kernel: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Kernel and bias of the sum of branches, each a kernel and the batch norm after it. kernel: the largest size."""
    kernels, biases = [], []
    for weight, norm in branches:
        down, across = ((size - own) // 2 for size, own in zip(kernel, weight.shape[2:], strict=True))
        one, bias = scaled(F.pad(weight, (across, across, down, down)), norm)
        kernels.append(one)
        biases.append(bias)
    return torch.stack(kernels).sum(0), torch.stack(biases).sum(0)
