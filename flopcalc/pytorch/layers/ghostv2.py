"""The Ghost module with DFC attention, as in its authors' code."""

from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import Concat, conv_block, plan
from flopcalc.pytorch.layers._excitation import Scale
from flopcalc.pytorch.layers.self_calibrated import RepeatTo


class GhostV2Conv2d(nn.Module):
    """A Ghost module times a gate: pooled 2 x 2, k x k, 1 x reach, reach x 1, sigmoid, enlarged (Tang et al. 2022).

    Sec. 3 and Fig. 4. norm adds batch norm after all five convolutions; activation (default: as norm) ReLU after
    both steps of the Ghost module.
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
        *,
        s: int = 2,
        d: int = 3,
        reach: int = 5,
        norm: bool = False,
        activation: bool | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given: dict[str, Any] = {"s": s, "d": d, "reach": reach, "norm": norm}
        given |= {} if activation is None else {"activation": activation}
        e = plan("ghostv2", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given)
        g, m, c = e.geometry, e.named["m"], out_channels
        self.out_channels = out_channels
        grid: dict[str, Any] = {"padding": g.padding, "dilation": g.dilation}
        rest: dict[str, Any] = {"norm": norm, "device": device, "dtype": dtype}
        steps: dict[str, Any] = {"activation": e.named["activation"], **rest}
        gate: dict[str, Any] = {"activation": False, **rest}
        self.primary = conv_block(in_channels, m, g.kernel, **grid, **steps)
        self.cheap = conv_block(m, m * (s - 1), d, padding=d // 2, groups=m, **steps) if s > 1 else None
        self.join = Concat()
        self.pool = nn.AvgPool2d(2)
        self.point = conv_block(in_channels, c, g.kernel, **grid, **gate)
        self.horizontal = conv_block(c, c, (1, reach), padding=(0, reach // 2), groups=c, **gate)
        self.vertical = conv_block(c, c, (reach, 1), padding=(reach // 2, 0), groups=c, **gate)
        self.gate = nn.Sigmoid()
        self.upsample = RepeatTo()
        self.product = Scale()

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h, w); h and w are at least 2."""
        maps: Tensor = self.primary(x)
        if self.cheap is not None:
            maps = torch.narrow(self.join((maps, self.cheap(maps))), 1, 0, self.out_channels)
        small = self.vertical(self.horizontal(self.point(self.pool(x))))
        out: Tensor = self.product(maps, self.upsample(self.gate(small), maps))
        return out


LAYER = GhostV2Conv2d
