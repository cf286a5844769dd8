"""DyNet's dynamic convolution, after its paper; its authors' code is not known."""

from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import plan
from flopcalc.pytorch.layers._dynamic import FuseKernels, Kernels, SampleConv
from flopcalc.spec.operator import Evaluation


class CoefficientPrediction(nn.Module):
    """sigmoid(fc(mean of each channel)): g_t coefficients for each output channel. pools=False: the means are given."""

    def __init__(self, in_channels: int, out_channels: int, g_t: int, pools: bool, **factory: Any) -> None:
        super().__init__()
        self.g_t = g_t
        self.pool = nn.AdaptiveAvgPool2d(1) if pools else None
        self.fc = nn.Linear(in_channels, out_channels * g_t, bias=False, **factory)
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w), or the means (n, c_in) -> (n, c_out, g_t)."""
        means = x if self.pool is None else self.pool(x).flatten(1)
        out: Tensor = self.gate(self.fc(means))
        return out.reshape(len(x), -1, self.g_t)


class FuseOutputs(nn.Module):
    """The maps of each output channel's kernels, mixed for each sample."""

    def forward(self, coefficients: Tensor, maps: Tensor) -> Tensor:
        """(n, c_out, g_t), (n, c_out g_t, h, w) -> (n, c_out, h, w)."""
        n, c_out, g_t = coefficients.shape
        size = maps.shape[2:]
        rows = coefficients.flatten(0, 1).unsqueeze(1)
        columns = torch.unflatten(maps, 1, (c_out, g_t)).flatten(0, 1).flatten(2)
        return torch.bmm(rows, columns).reshape(n, c_out, *size)


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
    coefficients="layer": predicted from the layer's input. "block", as in the paper: from the means of the channels of
    the block's input, which the module takes as well, (x, means) with means of shape (n, block_in).
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
        coefficients: str = "layer",
        block_in: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given: dict[str, Any] = {"g_t": g_t, "mode": mode, "coefficients": coefficients, "bias": bias}
        given |= {} if block_in is None else {"block_in": block_in}
        e = plan("dynet", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given)
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.mixes_outputs: bool = e.named["training"]
        self.routing = CoefficientPrediction(e.named["c_seen"], out_channels, g_t, e.named["pools"], **factory)
        self.aggregation = FuseOutputs() if self.mixes_outputs else FuseKernels()
        kind = EveryFilter if self.mixes_outputs else SampleConv
        self.convolution = kind((out_channels, g_t), e.geometry, bias=False, **factory)
        self.bias = Bias(out_channels, **factory) if bias else None

    def forward(self, given: Tensor | tuple[Tensor, Tensor]) -> Tensor:
        """(n, c_in, h, w), with coefficients="block" also (n, block_in) -> (n, c_out, h_out, w_out)."""
        x, source = (given, given) if isinstance(given, Tensor) else given
        coefficients: Tensor = self.routing(source)
        out: Tensor
        if self.mixes_outputs:
            out = self.aggregation(coefficients, self.convolution(x))
        else:
            out = self.convolution(x, self.aggregation(coefficients, self.convolution.weight), None)
        return out if self.bias is None else self.bias(out)


def input_shape(evaluation: Evaluation) -> tuple[Any, ...]:
    """The shape of the image, or those of the image and of the means."""
    g = evaluation.geometry
    image = g.batch, g.c_in, g.h, g.w
    return image if evaluation.named["pools"] else (image, (g.batch, evaluation.named["c_seen"]))


LAYER = DyNetConv2d
