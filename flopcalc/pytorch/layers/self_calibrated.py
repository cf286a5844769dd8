"""Self-calibrated convolution, as in its authors' code."""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import Add, Concat, conv_block, plan
from flopcalc.pytorch.layers._excitation import Scale


class RepeatTo(nn.Module):
    """A map enlarged to the size of another: positions are repeated."""

    def forward(self, x: Tensor, like: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, height and width of `like`)."""
        return F.interpolate(x, like.shape[2:])


class SelfCalibratedConv2d(nn.Module):
    """Two halves of the channels: K1, and K4 after a product of K3 with a gate (Liu et al. 2020, Eq. 3 to 5).

    The gate is sigmoid(x + enlarged K2(pooled x)). K1 and K4 have the stride. The authors' bottleneck gives both
    halves by a 1x1 convolution each; here they are halves of the input, as in the paper's Fig. 2.
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
        pool: int = 4,
        norm: bool = False,
        activation: bool | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given: dict[str, Any] = {"pool": pool, "norm": norm} | (
            {} if activation is None else {"activation": activation}
        )
        e = plan("self_calibrated", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given)
        g, active = e.geometry, e.named["activation"]
        self.split: int = e.named["half"]
        same: dict[str, Any] = {"padding": g.padding, "dilation": g.dilation, "norm": norm}
        same |= {"device": device, "dtype": dtype}
        sizes = (self.split, self.split, g.kernel)
        self.k1 = conv_block(*sizes, stride=g.stride, activation=active, **same)
        self.pool = nn.AvgPool2d(pool)
        self.k2 = conv_block(*sizes, activation=False, **same)
        self.upsample = RepeatTo()
        self.sum = Add()
        self.gate = nn.Sigmoid()
        self.k3 = conv_block(*sizes, activation=False, **same)
        self.calibrate = Scale()
        self.k4 = conv_block(*sizes, stride=g.stride, activation=active, **same)
        self.join = Concat()

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h_out, w_out); h and w are at least `pool`."""
        plain, calibrated = x[:, : self.split], x[:, self.split :]
        far = self.upsample(self.k2(self.pool(calibrated)), calibrated)
        weights = self.gate(self.sum(calibrated, far))
        near = self.calibrate(self.k3(calibrated), weights)
        out: Tensor = self.join((self.k1(plain), self.k4(near)))
        return out


LAYER = SelfCalibratedConv2d
