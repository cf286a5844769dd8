"""The bottleneck block, as in ResNet."""

from typing import Any

from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import Add, conv_block, plan


class Bottleneck2d(nn.Module):
    """1x1 down, k x k, 1x1 up, and the shortcut (He et al. 2016, Sec. 4.1).

    stride_in="v1.5" strides the k x k convolution, "v1" the first 1x1. norm adds batch norm after each
    convolution; activation (default: as norm) adds ReLU after the first two and at the end.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair = 3,
        stride: Pair = 1,
        padding: Pair | None = None,
        dilation: Pair = 1,
        groups: int = 1,
        *,
        width: int | None = None,
        stride_in: str = "v1.5",
        shortcut: str = "none",
        norm: bool = False,
        activation: bool | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given: dict[str, Any] = {"stride_in": stride_in, "shortcut": shortcut, "norm": norm}
        given |= {} if width is None else {"width": width}
        given |= {} if activation is None else {"activation": activation}
        e = plan("bottleneck", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given)
        g, mid, active = e.geometry, e.named["mid"], e.named["activation"]
        first, second = (1, g.stride) if stride_in == "v1.5" else (g.stride, 1)
        common: dict[str, Any] = {"norm": norm, "device": device, "dtype": dtype}
        self.reduce = conv_block(in_channels, mid, 1, stride=first, activation=active, **common)
        self.spatial = conv_block(
            mid, mid, g.kernel, stride=second, padding=g.padding, dilation=g.dilation, activation=active, **common
        )
        self.expand = conv_block(mid, out_channels, 1, activation=False, **common)
        self.project: nn.Module | None = None
        if e.named["projects"]:
            self.project = conv_block(in_channels, out_channels, 1, stride=g.stride, activation=False, **common)
        self.sum = Add() if e.named["adds_input"] else None
        self.act = nn.ReLU() if active else None

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h_out, w_out)."""
        out: Tensor = self.expand(self.spatial(self.reduce(x)))
        if self.sum is not None:
            out = self.sum(x if self.project is None else self.project(x), out)
        return out if self.act is None else self.act(out)


LAYER = Bottleneck2d
