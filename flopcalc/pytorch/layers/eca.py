"""ECA, as in its authors' code."""

from typing import Any

from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import plan
from flopcalc.pytorch.layers._excitation import Scale


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
        t: int = e.named["t"]
        self.conv = nn.Conv1d(1, 1, t, padding=t // 2, bias=False, device=device, dtype=dtype)
        self.gate = nn.Sigmoid()
        self.scale = Scale()

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        means = self.gap(x)
        # The axis of the convolution is that of the channels.
        found = self.conv(means.flatten(1).unsqueeze(1)).reshape(means.shape)
        out: Tensor = self.scale(x, self.gate(found))
        return out


LAYER = ECA2d
