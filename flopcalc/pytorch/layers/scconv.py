"""SCConv of 2023, after its paper: there is no code by its authors."""

from typing import Any

from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import Add, Concat, plan
from flopcalc.pytorch.layers._excitation import Scale
from flopcalc.pytorch.layers.spconv import BranchWeights

# A gate above this says that a position has much information.
THRESHOLD = 0.5


class Shares(nn.Module):
    """The scales of a normalisation over their sum, for each sample."""

    def forward(self, scales: Tensor, like: Tensor) -> Tensor:
        """(c,), (n, c, h, w) -> (n, c, 1, 1)."""
        expanded = scales.expand(like.shape[0], -1)
        return (expanded / expanded.sum(1, keepdim=True))[:, :, None, None]


class IsRich(nn.Module):
    """Where the gate is above the threshold."""

    def forward(self, gate: Tensor) -> Tensor:
        """A mask of the same shape."""
        return gate > THRESHOLD


class Fill(nn.Module):
    """The gate with 1, and with 0, where the mask is set."""

    def forward(self, gate: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Two tensors of the same shape."""
        return gate.masked_fill(mask, 1), gate.masked_fill(mask, 0)


class Separate(nn.Module):
    """The input times each of two weights."""

    def forward(self, x: Tensor, weights: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Two tensors of the same shape."""
        return weights[0] * x, weights[1] * x


class Cross(nn.Module):
    """The first half of one plus the second half of the other, and the reverse."""

    def forward(self, pair: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """(n, c, h, w) twice -> (n, c / 2, h, w) twice."""
        (first, second), (third, fourth) = (one.chunk(2, dim=1) for one in pair)
        return first + fourth, second + third


class Weigh(nn.Module):
    """Two maps, each times its weights."""

    def forward(self, first: Tensor, second: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """(n, c, h, w) twice and (2, n, c, 1, 1) -> (n, c, h, w) twice."""
        return first * weights[0], second * weights[1]


class SpatialReconstruction(nn.Module):
    """SRU: a gate from the normalised map and the scales of the norm; what it separates is added crosswise."""

    def __init__(self, channels: int, groups: int, **factory: Any) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels, **factory)
        self.weights = Shares()
        self.scale = Scale()
        self.gate = nn.Sigmoid()
        self.mask = IsRich()
        self.fill = Fill()
        self.separate = Separate()
        self.cross = Cross()
        self.join = Concat()

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        gate = self.gate(self.scale(self.norm(x), self.weights(self.norm.weight, x)))
        out: Tensor = self.join(self.cross(self.separate(x, self.fill(gate, self.mask(gate)))))
        return out


class SCConv2d(nn.Module):
    """SRU, then CRU: split, squeeze, transform, and fuse with weights that need no parameters (Li et al. 2023, Sec. 3).

    A branch's weight for a channel is a softmax over the means of both branches.
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
        alpha: Any = "1/2",
        squeeze: int = 2,
        groups_k: int = 2,
        norm_groups: int = 16,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given: dict[str, Any] = {"alpha": alpha, "squeeze": squeeze, "groups_k": groups_k, "norm_groups": norm_groups}
        e = plan("scconv", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given)
        g, named = e.geometry, e.named
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.sru = SpatialReconstruction(in_channels, norm_groups, **factory)
        up, low = named["up_squeezed"], named["low_squeezed"]
        self.up = named["up"]
        point: dict[str, Any] = {"kernel_size": 1, "bias": False, **factory}
        self.squeeze_up = nn.Conv2d(self.up, up, **point)
        self.gwc = nn.Conv2d(up, g.c_out, g.kernel, 1, g.padding, g.dilation, named["groups_k"], False, **factory)
        self.pwc1 = nn.Conv2d(up, g.c_out, **point)
        self.sum = Add()
        self.squeeze_low = nn.Conv2d(g.c_in - self.up, low, **point)
        self.pwc2 = nn.Conv2d(low, g.c_out - low, **point)
        self.join = Concat()
        self.gap = nn.AdaptiveAvgPool2d(1)
        self.weights = BranchWeights()
        self.weigh = Weigh()
        self.fusion = Add()

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h, w)."""
        x = self.sru(x)
        upper, lower = self.squeeze_up(x[:, : self.up]), self.squeeze_low(x[:, self.up :])
        first = self.sum(self.gwc(upper), self.pwc1(upper))
        second = self.join((self.pwc2(lower), lower))
        out: Tensor = self.fusion(*self.weigh(first, second, self.weights(self.gap(first), self.gap(second))))
        return out


LAYER = SCConv2d
