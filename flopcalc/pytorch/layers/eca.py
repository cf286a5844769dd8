"""ECA, as in its authors' code."""

from typing import Any

from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import plan
from flopcalc.pytorch.layers._excitation import Scale


class AlongChannels(nn.Conv1d):
    """A 1-D convolution whose axis is that of the channels."""

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, 1, 1) -> (n, c, 1, 1)."""
        return super().forward(x.flatten(1).unsqueeze(1)).reshape(x.shape)


class ECA2d(nn.Module):
    """Channels times weights in (0, 1), each from the means of `taps` neighbours (Wang et al. 2020, Sec. 3.3)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair = 1,
        stride: Pair = 1,
        padding: Pair | None = None,
        dilation: Pair = 1,
        groups: int = 1,
        *,
        taps: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given: dict[str, Any] = {} if taps is None else {"taps": taps}
        e = plan("eca", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given)
        self.gap = nn.AdaptiveAvgPool2d(1)
        self.conv = AlongChannels(1, 1, e.named["t"], padding="same", bias=False, device=device, dtype=dtype)
        self.gate = nn.Sigmoid()
        self.scale = Scale()

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        out: Tensor = self.scale(x, self.gate(self.conv(self.gap(x))))
        return out


LAYER = ECA2d
