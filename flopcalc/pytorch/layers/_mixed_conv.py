"""A convolution with a kernel for each sample, mixed by coefficients."""

from typing import Any

from torch import Tensor, nn

from flopcalc.cost.geometry import Geometry
from flopcalc.pytorch.layers._dynamic import FuseKernels, Mix, SampleConv


class MixedConv2d(nn.Module):
    """A convolution with a kernel for each sample, mixed by coefficients that another module computes.

    There is one coefficient for each kernel or, with per_channel, for each kernel of each output channel.
    """

    def __init__(self, g: Geometry, count: int, per_channel: bool, **factory: Any) -> None:
        super().__init__()
        self.lead = (g.c_out, count) if per_channel else (count,)
        self.aggregation = FuseKernels() if per_channel else Mix()
        self.convolution = SampleConv((g.c_out, count) if per_channel else (count, g.c_out), g, bias=False, **factory)

    def forward(self, x: Tensor, coefficients: Tensor) -> Tensor:
        """(n, c_in, h, w), (n, coefficients) -> (n, c_out, h_out, w_out)."""
        rows = coefficients.reshape(len(x), *self.lead)
        out: Tensor = self.convolution(x, self.aggregation(rows, self.convolution.weight), None)
        return out
