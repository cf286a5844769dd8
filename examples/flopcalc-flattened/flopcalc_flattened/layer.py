"""Flattened convolution as a module; its children have the names of the formula's parts."""

from typing import Any

from torch import Tensor, nn

from flopcalc.cost.geometry import Pair


def _pair(size: Pair) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])


class FlattenedConv2d(nn.Module):
    """1x1, k x 1 and 1 x k with the arguments of nn.Conv2d; the last two have one filter for each channel."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair = 0,
        dilation: Pair = 1,
        groups: int = 1,
        **factory: Any,
    ) -> None:
        super().__init__()
        sizes = [_pair(size) for size in (kernel_size, stride, padding, dilation)]
        (k_h, k_w), (s_h, s_w), (p_h, p_w), (d_h, d_w) = sizes
        each: dict[str, Any] = {"groups": out_channels, "bias": False, **factory}
        self.lateral = nn.Conv2d(in_channels, out_channels, 1, bias=False, **factory)
        self.vertical = nn.Conv2d(out_channels, out_channels, (k_h, 1), (s_h, 1), (p_h, 0), (d_h, 1), **each)
        self.horizontal = nn.Conv2d(out_channels, out_channels, (1, k_w), (1, s_w), (0, p_w), (1, d_w), **each)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h_out, w_out)."""
        out: Tensor = self.horizontal(self.vertical(self.lateral(x)))
        return out


LAYER = FlattenedConv2d
