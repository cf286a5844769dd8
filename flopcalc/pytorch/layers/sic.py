"""Single intra-channel convolution, after its paper; its authors' code is not known."""

from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import Add, Gather, plan
from flopcalc.pytorch.layers._topology import torus_neighbours


class SIC2d(nn.Module):
    """b stages of depthwise k x k, 1x1 projection, residual, ReLU (Wang, Liu, Foroosh 2017).

    form="parallel": one stage of b filters for each channel, projected together. dims and
    neighbourhood make the projection topological.
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
        b: int = 2,
        form: str = "stacked",
        dims: tuple[int, ...] | None = None,
        neighbourhood: tuple[int, ...] | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given: dict[str, Any] = {"b": b, "form": form}
        given |= {} if dims is None else {"dims": dims}
        given |= {} if neighbourhood is None else {"neighbourhood": neighbourhood}
        e = plan("sic", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given)
        g, n = e.geometry, in_channels
        factory: dict[str, Any] = {"device": device, "dtype": dtype, "bias": False}
        stages, bases = (1, b) if form == "parallel" else (b, 1)
        self.intra = nn.ModuleList(
            nn.Conv2d(n, bases * n, g.kernel, 1, g.padding, g.dilation, n, **factory) for _ in range(stages)
        )
        if dims is None:
            self.projection = nn.ModuleList(nn.Conv2d(bases * n, n, 1, **factory) for _ in range(stages))
            self.gather = nn.ModuleList(nn.Identity() for _ in range(stages))
        else:
            # Depthwise output c * bases + j is basis j of channel c.
            seen = torus_neighbours(dims, e.named["near"], device)
            order = (seen[:, :, None] * bases + torch.arange(bases, device=device)).flatten()
            self.gather = nn.ModuleList(Gather(order) for _ in range(stages))
            self.projection = nn.ModuleList(nn.Conv2d(len(order), n, 1, groups=n, **factory) for _ in range(stages))
        self.residual = nn.ModuleList(Add() for _ in range(stages))
        self.activation = nn.ModuleList(nn.ReLU() for _ in range(stages))

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        stages = zip(self.intra, self.gather, self.projection, self.residual, self.activation, strict=True)
        for intra, gather, project, residual, activation in stages:
            x = activation(residual(x, project(gather(intra(x)))))
        return x


LAYER = SIC2d
