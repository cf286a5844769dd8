"""CBAM, as in its authors' code."""

from typing import Any

from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import Concat, plan
from flopcalc.pytorch.layers._excitation import Scale
from flopcalc.pytorch.layers._gates import ChannelGate, MaxOver, MeanOver


class SpatialGate(nn.Module):
    """A convolution of the mean and the maximum over channels; a sigmoid."""

    def __init__(self, window: int, norm: bool, **factory: Any) -> None:
        super().__init__()
        self.mean = MeanOver(1)
        self.max = MaxOver(1)
        self.join = Concat()
        self.conv = nn.Conv2d(2, 1, window, padding=window // 2, bias=False, **factory)
        self.norm = nn.BatchNorm2d(1, **factory) if norm else None
        self.gate = nn.Sigmoid()
        self.scale = Scale()

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        found = self.conv(self.join((self.mean(x), self.max(x))))
        out: Tensor = self.scale(x, self.gate(found if self.norm is None else self.norm(found)))
        return out


class CBAM2d(nn.Module):
    """Channels, then positions, times weights in (0, 1) (Woo et al. 2018, Sec. 3).

    The order of the mean and the maximum in the second convolution is that of the paper's Eq. 3.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair = 1,
        stride: Pair = 1,
        padding: Pair | None = None,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = False,
        *,
        reduction: int = 16,
        window: int = 7,
        norm: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given: dict[str, Any] = {"reduction": reduction, "window": window, "bias": bias, "norm": norm}
        e = plan("cbam", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given)
        self.channel = ChannelGate(in_channels, e.named["m"], bias, device=device, dtype=dtype)
        self.spatial = SpatialGate(window, norm, device=device, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        out: Tensor = self.spatial(self.channel(x))
        return out


LAYER = CBAM2d
