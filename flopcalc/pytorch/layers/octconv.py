"""Octave convolution. Its tensors are a pair, high on the full grid and low on the half grid, or one plain map."""

from fractions import Fraction
from typing import Any

from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import Add, plan
from flopcalc.spec.operator import Evaluation


class OctConv2d(nn.Module):
    """Four convolutions between a high and a low map (Chen et al. 2019, Sec. 3.2); no bias. Stride 2 by pooling only.

    Of c channels floor(alpha c) are low, in and out; alpha_in and alpha_out set the two apart. With 0 there is one
    tensor and no pair on that side.
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
        alpha_in: Fraction | float | str | None = None,
        alpha_out: Fraction | float | str | None = None,
        stride_by: str = "none",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given: dict[str, Any] = {"alpha": alpha, "alpha_in": alpha_in, "alpha_out": alpha_out}
        given = {"stride_by": stride_by} | {name: value for name, value in given.items() if value is not None}
        e = plan("octconv", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given)
        g, low_in, low_out = e.geometry, e.named["low_in"], e.named["low_out"]
        high_in, high_out = in_channels - low_in, out_channels - low_out

        def conv(c_in: int, c_out: int) -> nn.Conv2d:
            return nn.Conv2d(c_in, c_out, g.kernel, 1, g.padding, g.dilation, bias=False, device=device, dtype=dtype)

        takes, gives = bool(e.named["pair_in"]), bool(e.named["pair_out"])
        self.shrink = nn.AvgPool2d(2, ceil_mode=True) if g.strided else None
        self.high_high = conv(high_in, high_out)
        self.low_high = conv(low_in, high_out) if takes else None
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest") if takes and not g.strided else None
        self.sum_high = Add() if takes else None
        self.shrink_low = nn.AvgPool2d(2) if takes and gives and g.strided else None
        self.low_low = conv(low_in, low_out) if takes and gives else None
        self.pool = nn.AvgPool2d(2) if gives else None
        self.high_low = conv(high_in, low_out) if gives else None
        self.sum_low = Add() if takes and gives else None

    def forward(self, features: Tensor | tuple[Tensor, Tensor]) -> Tensor | tuple[Tensor, Tensor]:
        """((n, c_high, h, w), (n, c_low, h/2, w/2)) or (n, c, h, w) -> the same for the output's channels."""
        given, low = (features, None) if isinstance(features, Tensor) else features
        high = _through(self.shrink, given)
        out: Tensor = self.high_high(high)
        if self.low_high is not None and self.sum_high is not None:
            out = self.sum_high(out, _through(self.upsample, self.low_high(low)))
        if self.pool is None or self.high_low is None:
            return out
        small: Tensor = self.high_low(self.pool(high))
        if self.low_low is not None and self.sum_low is not None:
            small = self.sum_low(self.low_low(_through(self.shrink_low, low)), small)
        return out, small


def _through(module: nn.Module | None, x: Tensor | None) -> Any:
    return x if module is None else module(x)


def input_shape(evaluation: Evaluation) -> tuple[Any, ...]:
    """Two shapes, high, then low; one shape for a plain map."""
    g, low = evaluation.geometry, evaluation.named["low_in"]
    if not evaluation.named["pair_in"]:
        return g.batch, g.c_in, g.h, g.w
    return (g.batch, g.c_in - low, g.h, g.w), (g.batch, low, g.h // 2, g.w // 2)


LAYER = OctConv2d
