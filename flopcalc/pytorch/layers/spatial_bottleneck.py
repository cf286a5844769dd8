"""The spatial bottleneck, after its paper's description; its authors' code is not known."""

from typing import Any

from torch import Tensor, nn

from flopcalc.catalog import layer
from flopcalc.cost.geometry import Pair


class SpatialBottleneck2d(nn.Module):
    """Depthwise k x k at stride k, 1x1, depthwise transposed k x k at stride k (Wang, Liu, Foroosh, arXiv v2).

    form="full": a full convolution and a full transposed convolution, without the 1x1.
    Takes inputs whose height and width are multiples of k.
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
        form: str = "depthwise",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        k_h, k_w = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
        # Any size that k divides serves for the check.
        layer.layer(
            "spatial_bottleneck",
            in_channels,
            out_channels,
            k=(k_h, k_w),
            hw=(64 * k_h, 64 * k_w),
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            form=form,
        )
        n, self.kernel = in_channels, (k_h, k_w)
        factory: dict[str, Any] = {"bias": False, "device": device, "dtype": dtype}
        split = n if form == "depthwise" else 1
        self.down = nn.Conv2d(n, n, self.kernel, self.kernel, groups=split, **factory)
        self.projection = nn.Conv2d(n, n, 1, **factory) if form == "depthwise" else None
        self.up = nn.ConvTranspose2d(n, n, self.kernel, self.kernel, groups=split, **factory)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        if any(size % step for size, step in zip(x.shape[-2:], self.kernel, strict=True)):
            raise ValueError(f"the input's {tuple(x.shape[-2:])} is not a multiple of the kernel {self.kernel}")
        coarse: Tensor = self.down(x)
        if self.projection is not None:
            coarse = self.projection(coarse)
        out: Tensor = self.up(coarse)
        return out


LAYER = SpatialBottleneck2d
