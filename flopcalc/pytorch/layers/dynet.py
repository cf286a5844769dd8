"""DyNet's dynamic convolution, after its paper; its authors' code is not known."""

from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import plan
from flopcalc.pytorch.layers._dynamic import FuseKernels, Kernels, SampleConv


class CoefficientPrediction(nn.Module):
    """sigmoid(fc(mean of each channel)): g_t coefficients for each output channel."""

    def __init__(self, in_channels: int, out_channels: int, g_t: int, **factory: Any) -> None:
        super().__init__()
        self.g_t = g_t
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(in_channels, out_channels * g_t, bias=False, **factory)
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, g_t)."""
        out: Tensor = self.gate(self.fc(self.pool(x).flatten(1)))
        return out.reshape(len(x), -1, self.g_t)


class FuseOutputs(nn.Module):
    """The maps of each output channel's kernels, mixed for each sample."""

    def forward(self, coefficients: Tensor, maps: Tensor) -> Tensor:
        """(n, c_out, g_t), (n, c_out g_t, h, w) -> (n, c_out, h, w)."""
        n, c_out, g_t = coefficients.shape
        size = maps.shape[2:]
        rows = coefficients.reshape(n * c_out, 1, g_t)
        return torch.bmm(rows, maps.reshape(n * c_out, g_t, -1)).reshape(n, c_out, *size)


class EveryFilter(Kernels):
    """Convolves the input with all kernels of all output channels at once."""

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out g_t, h_out, w_out)."""
        return self.convolve(x, self.weight.flatten(0, 1), None)


class Bias(nn.Module):
    """One bias for each channel."""

    def __init__(self, channels: int, **factory: Any) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels, **factory))

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w), unchanged in shape."""
        return x + self.bias[:, None, None]


class DyNetConv2d(nn.Module):
    """A convolution with a kernel for each sample; every output channel mixes g_t kernels of its own.

    Zhang et al. 2020. mode="training" convolves with all kernels and mixes the maps: the same function.
    The paper predicts the coefficients once for a block; here each layer predicts its own.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair | None = None,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = False,
        *,
        g_t: int = 6,
        mode: str = "inference",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given = {"g_t": g_t, "mode": mode, "bias": bias}
        e = plan("dynet", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given)
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.mixes_outputs: bool = e.named["training"]
        self.routing = CoefficientPrediction(in_channels, out_channels, g_t, **factory)
        self.aggregation = FuseOutputs() if self.mixes_outputs else FuseKernels()
        kind = EveryFilter if self.mixes_outputs else SampleConv
        self.convolution = kind((out_channels, g_t), e.geometry, bias=False, **factory)
        self.bias = Bias(out_channels, **factory) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h_out, w_out)."""
        coefficients: Tensor = self.routing(x)
        out: Tensor
        if self.mixes_outputs:
            out = self.aggregation(coefficients, self.convolution(x))
        else:
            out = self.convolution(x, self.aggregation(coefficients, self.convolution.weight), None)
        return out if self.bias is None else self.bias(out)


LAYER = DyNetConv2d
