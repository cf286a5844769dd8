"""ODConv, as in its authors' code, except that kernels are mixed before their taps are scaled."""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import plan
from flopcalc.pytorch.layers._dynamic import Kernels
from flopcalc.pytorch.layers._excitation import Scale
from flopcalc.spec.operator import Evaluation


def _head(hidden: int, size: int, gate: nn.Module, **factory: Any) -> nn.Sequential:
    return nn.Sequential(OrderedDict(conv=nn.Conv2d(hidden, size, 1, **factory), gate=gate))


class OmniAttention(nn.Module):
    """Weights for input channels, output channels, taps and kernels, from the means of the input's channels."""

    def __init__(self, e: Evaluation, **factory: Any) -> None:
        super().__init__()
        g, named, hidden = e.geometry, e.named, e.named["hidden"]
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.reduce = nn.Conv2d(g.c_in, hidden, 1, bias=False, **factory)
        self.norm = nn.BatchNorm2d(hidden, **factory) if named["norm"] else None
        self.act = nn.ReLU()
        self.channel = _head(hidden, g.c_in, nn.Sigmoid(), **factory)
        self.filter = _head(hidden, g.c_out, nn.Sigmoid(), **factory) if named["with_filters"] else None
        self.taps = _head(hidden, g.area, nn.Sigmoid(), **factory) if named["with_taps"] else None
        self.kernel = _head(hidden, named["kernels"], nn.Softmax(1), **factory) if named["several"] else None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]:
        """(n, c_in, h, w) -> (n, c_in, 1, 1), (n, c_out, 1, 1), (n, k_h k_w, 1, 1), (n, kernels, 1, 1)."""
        means = self.reduce(self.pool(x))
        means = self.act(means if self.norm is None else self.norm(means))
        others = (None if head is None else head(means) for head in (self.filter, self.taps, self.kernel))
        return (self.channel(means), *others)


class ScaleTaps(nn.Module):
    """The taps of each sample's kernel times their weights."""

    def forward(self, weight: Tensor, taps: Tensor) -> Tensor:
        """(n or 1, weights of a kernel), (n, k_h k_w, 1, 1) -> (n, weights of a kernel)."""
        kernels = weight.reshape(len(weight), -1, taps.shape[1])
        return (kernels * taps.flatten(1).unsqueeze(1)).flatten(1)


class MixAndScale(nn.Module):
    """The kernel of each sample; of a single 1x1 kernel that kernel itself."""

    def __init__(self, e: Evaluation) -> None:
        super().__init__()
        self.taps = ScaleTaps() if e.named["with_taps"] else None

    def forward(self, kernels: Tensor, shares: Tensor | None, taps: Tensor | None) -> Tensor:
        """(kernels, c_out, c_in / groups, k_h, k_w) and the attentions -> (n or 1, weights of a kernel)."""
        flat = kernels.flatten(1)
        mixed = flat if shares is None else torch.mm(shares.flatten(1), flat)
        return mixed if self.taps is None else self.taps(mixed, taps)


class OmniConv(Kernels):
    """Convolves each sample with its own kernel, or all samples with one."""

    def forward(self, x: Tensor, weight: Tensor) -> Tensor:
        """(n, c_in, h, w), (n or 1, weights of a kernel) -> (n, c_out, h_out, w_out)."""
        n, g = len(x), self.geometry
        kernels = weight.reshape(-1, *self.weight.shape[-3:])
        if len(kernels) == g.c_out:
            return F.conv2d(x, kernels, None, g.stride, g.padding, g.dilation, g.groups)
        out = self.convolve(x.reshape(1, -1, *x.shape[2:]), kernels, None, samples=n)
        return out.reshape(n, -1, *out.shape[2:])


class ODConv2d(nn.Module):
    """Attention along four axes of the kernels (Li et al. 2022, Sec. 3.2).

    Weights of channels multiply the input and the output, which is the same as multiplying the kernels. norm adds the
    batch norm of the attention. The temperature of the authors' training schedule is 1.
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
        kernels: int = 4,
        reduction: int = 16,
        least: int = 16,
        norm: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given: dict[str, Any] = {"kernels": kernels, "reduction": reduction, "least": least, "norm": norm}
        e = plan("odconv", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given)
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.attention = OmniAttention(e, **factory)
        self.aggregation = MixAndScale(e)
        self.convolution = OmniConv((kernels, out_channels), e.geometry, bias=False, **factory)
        self.scale_in = Scale()
        self.scale_out = Scale() if e.named["with_filters"] else None

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h_out, w_out)."""
        channel, filters, taps, shares = self.attention(x)
        weight = self.aggregation(self.convolution.weight, shares, taps)
        out: Tensor = self.convolution(self.scale_in(x, channel), weight)
        return out if self.scale_out is None else self.scale_out(out, filters)


LAYER = ODConv2d
