"""Octave convolution. Its tensors are a pair: high on the full grid, low on the half grid."""

from fractions import Fraction
from typing import Any

from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import Add, plan
from flopcalc.spec.operator import Evaluation


class OctConv2d(nn.Module):
    """Four convolutions between a high and a low map (Chen et al. 2019, Sec. 3.2); stride 1, no bias.

    Of c channels floor(alpha c) are low, in and out.
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
        *,
        alpha: Fraction | float | str = Fraction(1, 2),
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        e = plan("octconv", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, alpha=alpha)
        g, low_in, low_out = e.geometry, e.named["low_in"], e.named["low_out"]
        high_in, high_out = in_channels - low_in, out_channels - low_out

        def conv(c_in: int, c_out: int) -> nn.Conv2d:
            return nn.Conv2d(c_in, c_out, g.kernel, 1, g.padding, g.dilation, bias=False, device=device, dtype=dtype)

        self.high_high = conv(high_in, high_out)
        self.low_high = conv(low_in, high_out)
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")
        self.sum_high = Add()
        self.low_low = conv(low_in, low_out)
        self.pool = nn.AvgPool2d(2)
        self.high_low = conv(high_in, low_out)
        self.sum_low = Add()

    def forward(self, features: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """((n, c_high, h, w), (n, c_low, h/2, w/2)) -> the same for the output's channels."""
        high, low = features
        return (
            self.sum_high(self.high_high(high), self.upsample(self.low_high(low))),
            self.sum_low(self.low_low(low), self.high_low(self.pool(high))),
        )


def input_shape(evaluation: Evaluation) -> tuple[Any, ...]:
    """Two shapes: high, then low."""
    g, low = evaluation.geometry, evaluation.named["low_in"]
    return (g.n, g.c_in - low, g.h, g.w), (g.n, low, g.h // 2, g.w // 2)


LAYER = OctConv2d
