"""Pieces of the layers with dynamic kernels: kernels, mixing, and a convolution for each sample."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from flopcalc.cost.geometry import Geometry
from flopcalc.spec.operator import Evaluation


class Kernels(nn.Module):
    """Several kernels of one shape, each initialised as nn.Conv2d does; a subclass convolves.

    lead: the first axes of the weights, (count, c_out) unless an operator orders them otherwise.
    weight: (*lead, c_in / groups, k_h, k_w); bias: lead, or None.
    """

    bias: nn.Parameter | None

    def __init__(self, lead: tuple[int, int], g: Geometry, *, bias: bool, **factory: Any) -> None:
        super().__init__()
        inputs = g.c_in // g.groups
        self.geometry = g
        self.weight = nn.Parameter(torch.empty(*lead, inputs, g.k_h, g.k_w, **factory))
        self.bias = nn.Parameter(torch.empty(lead, **factory)) if bias else None
        bound = 1 / math.sqrt(inputs * g.area)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None, samples: int = 1) -> Tensor:
        """A plain convolution; the groups of `samples` samples are in parallel."""
        g = self.geometry
        return F.conv2d(x, weight, bias, g.stride, g.padding, g.dilation, samples * g.groups)


class SampleConv(Kernels):
    """Convolves each sample with its own kernel: the batch becomes groups of one convolution."""

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """(n, c_in, h, w), (n, weights of a kernel), (n, c_out) -> (n, c_out, h_out, w_out)."""
        n = x.shape[0]
        kernels = weight.reshape(-1, *self.weight.shape[-3:])
        flat = None if bias is None else bias.flatten()
        out = self.convolve(x.reshape(1, -1, *x.shape[2:]), kernels, flat, samples=n)
        return out.reshape(n, -1, *out.shape[2:])


class EveryConv(Kernels):
    """Convolves the input with every kernel."""

    def forward(self, x: Tensor) -> list[Tensor]:
        """(n, c_in, h, w) -> one (n, c_out, h_out, w_out) for each kernel."""
        biases = [None] * len(self.weight) if self.bias is None else list(self.bias)
        return [self.convolve(x, weight, bias) for weight, bias in zip(self.weight, biases, strict=True)]


class Mix(nn.Module):
    """Weighted sums of vectors, one for each sample, as a matrix product."""

    def forward(self, coefficients: Tensor, vectors: Tensor) -> Tensor:
        """(n, count), (count, ...) -> (n, size of a vector)."""
        return torch.mm(coefficients, vectors.flatten(1))


class MixKernels(nn.Module):
    """Mixes kernels and, in a separate child, biases for each sample."""

    def __init__(self, bias: bool) -> None:
        super().__init__()
        self.bias = Mix() if bias else None

    def forward(self, coefficients: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """(n, count), (count, ...), (count, c_out) -> (n, weights of a kernel), (n, c_out)."""
        mixed = torch.mm(coefficients, weight.flatten(1))
        return mixed, None if self.bias is None else self.bias(coefficients, bias)


class BatchFirst(nn.Module):
    """Swaps the first two axes in memory: the convolution takes one sample's kernel after the other."""

    def forward(self, x: Tensor) -> Tensor:
        """(c_out, n, weights) -> (n, c_out, weights)."""
        return x.transpose(0, 1).clone(memory_format=torch.contiguous_format)


class FuseKernels(nn.Module):
    """Each output channel's kernels, mixed for each sample."""

    def __init__(self) -> None:
        super().__init__()
        self.order = BatchFirst()

    def forward(self, coefficients: Tensor, weight: Tensor) -> Tensor:
        """(n, c_out, g_t), (c_out, g_t, ...) -> (n, c_out, weights of a filter)."""
        out: Tensor = self.order(torch.bmm(coefficients.transpose(0, 1), weight.flatten(2)))
        return out


class Stack(nn.Module):
    """Tensors of one shape as one, on a new second axis."""

    def forward(self, tensors: list[Tensor]) -> Tensor:
        """(n, ...) several times -> (n, count, ...)."""
        return torch.stack(tensors, dim=1)


class MixOutputs(nn.Module):
    """The outputs of all kernels, mixed for each sample."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = Stack()

    def forward(self, coefficients: Tensor, outputs: list[Tensor]) -> Tensor:
        """(n, count), count times (n, c, h, w) -> (n, c, h, w)."""
        stacked: Tensor = self.stack(outputs)
        return torch.bmm(coefficients.unsqueeze(1), stacked.flatten(2)).reshape(outputs[0].shape)


class MixedConv2d(nn.Module):
    """Several kernels with one coefficient each, from a routing module that gives (n, count).

    At inference the kernels are mixed, in training the outputs: the same function at different costs.
    The state dict is the same for both.
    """

    def __init__(self, evaluation: Evaluation, count: int, routing: nn.Module, **factory: Any) -> None:
        super().__init__()
        bias: bool = evaluation.named["bias"]
        self.mixes_outputs: bool = evaluation.named["training"]
        kind = EveryConv if self.mixes_outputs else SampleConv
        self.routing = routing
        self.convolution = kind((count, evaluation.geometry.c_out), evaluation.geometry, bias=bias, **factory)
        self.aggregation = MixOutputs() if self.mixes_outputs else MixKernels(bias)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h_out, w_out)."""
        coefficients: Tensor = self.routing(x)
        out: Tensor
        if self.mixes_outputs:
            out = self.aggregation(coefficients, self.convolution(x))
            return out
        held = self.convolution
        weight, bias = self.aggregation(coefficients, held.weight, held.bias)
        out = held(x, weight, bias)
        return out
