"""Topological subdivisioning, after its paper; its authors' code is not known."""

from typing import Any

from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import Gather, plan
from flopcalc.pytorch.layers._topology import torus_neighbours


class TopologicalConv2d(nn.Module):
    """Each output is a k x k convolution of its neighbours on a torus of channels (Wang, Liu, Foroosh 2017)."""

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
        dims: tuple[int, ...] | None = None,
        neighbourhood: tuple[int, ...] | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given = {"dims": dims, "neighbourhood": neighbourhood}
        given = {name: value for name, value in given.items() if value is not None}
        e = plan("topological", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given)
        g = e.geometry
        order = torus_neighbours(e.named["torus"], e.named["near"], device).flatten()
        self.gather = Gather(order)
        self.conv = nn.Conv2d(
            len(order),
            out_channels,
            g.kernel,
            g.stride,
            g.padding,
            g.dilation,
            in_channels,
            bias=False,
            device=device,
            dtype=dtype,
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h_out, w_out)."""
        out: Tensor = self.conv(self.gather(x))
        return out


LAYER = TopologicalConv2d
