"""The convolution by Fourier transforms as a module."""

from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import plan
from flopcalc.pytorch.layers.winograd import Bias


class PadTo(nn.Module):
    """Zeros around a map, and at its end up to a size."""

    def __init__(self, padding: tuple[int, int]) -> None:
        super().__init__()
        self.padding = padding

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """(..., h, w) -> (..., rows, columns)."""
        (above, left), (h, w), (rows, columns) = self.padding, x.shape[2:], size
        return functional.pad(x, (left, columns - w - left, above, rows - h - above))


class Spectrum(nn.Module):
    """The frequencies of real maps, half of them along the columns."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., rows, columns) -> (..., rows, columns / 2 + 1), complex."""
        out: Tensor = torch.fft.rfft2(x)
        return out


class Weights(nn.Module):
    """The mirrored filters, and their frequencies."""

    def __init__(self, c_in: int, c_out: int, kernel: tuple[int, int], **factory: Any) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(c_out, c_in, *kernel, **factory))
        nn.init.kaiming_uniform_(self.weight, a=sqrt(5))
        self.pad, self.spectrum = PadTo((0, 0)), Spectrum()

    def forward(self, size: tuple[int, int]) -> Tensor:
        """-> (c_out, c_in, rows, columns / 2 + 1), complex."""
        out: Tensor = self.spectrum(self.pad(self.weight.flip(2, 3), size))
        return out


class Products(nn.Module):
    """For each frequency the product of the filters with the maps."""

    def forward(self, weights: Tensor, maps: Tensor) -> Tensor:
        """(c_out, c_in, f), (n, c_in, f) -> (n, c_out, f); f two axes."""
        n, _, rows, columns = maps.shape
        by_frequency = torch.bmm(weights.flatten(2).permute(2, 0, 1), maps.flatten(2).permute(2, 1, 0))
        return by_frequency.permute(2, 1, 0).reshape(n, -1, rows, columns)


class Inverse(nn.Module):
    """Maps from their frequencies."""

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """(..., rows, columns / 2 + 1), complex -> (..., rows, columns)."""
        out: Tensor = torch.fft.irfft2(x, s=size)
        return out


class FFTConv2d(nn.Module):
    """The numbers of nn.Conv2d at stride 1, by Fourier transforms of whole maps (Mathieu et al. 2014)."""

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
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        g = plan("fft_conv", in_channels, out_channels, kernel_size, stride, padding, dilation, groups).geometry
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.kernel, self.padding = g.kernel, g.padding
        self.pad, self.spectrum = PadTo(g.padding), Spectrum()
        self.weights = Weights(in_channels, out_channels, g.kernel, **factory)
        self.products, self.inverse = Products(), Inverse()
        self.bias = Bias(out_channels, **factory) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h_out, w_out)."""
        h, w = (size + 2 * pad for size, pad in zip(x.shape[2:], self.padding, strict=True))
        size = (h + h % 2, w + w % 2)
        maps = self.inverse(self.products(self.weights(size), self.spectrum(self.pad(x, size))), size)
        # The first k - 1 rows and columns wrap around.
        out: Tensor = maps[:, :, self.kernel[0] - 1 : h, self.kernel[1] - 1 : w]
        return out if self.bias is None else self.bias(out)


LAYER = FFTConv2d
