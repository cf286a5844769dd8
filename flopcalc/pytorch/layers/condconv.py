"""CondConv, after its paper."""

from typing import Any

from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import plan
from flopcalc.pytorch.layers._dynamic import MixedConv2d


class SigmoidRouting(nn.Module):
    """sigmoid(fc(mean of each channel)): one weight for each expert, independent of the others."""

    def __init__(self, in_channels: int, experts: int, **factory: Any) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(in_channels, experts, **factory)
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, experts)."""
        out: Tensor = self.gate(self.fc(self.pool(x).flatten(1)))
        return out


class CondConv2d(MixedConv2d):
    """A convolution with a kernel for each sample, mixed from experts (Yang et al. 2019, Sec. 3).

    mode="training" convolves with every expert and mixes the outputs: the same function.
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
        experts: int = 8,
        mode: str = "inference",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        given = {"experts": experts, "mode": mode, "bias": bias}
        e = plan("condconv", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given)
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        super().__init__(e, experts, SigmoidRouting(in_channels, experts, **factory), **factory)


LAYER = CondConv2d
