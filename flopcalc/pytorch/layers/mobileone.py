"""MobileOne's block in both forms, and the conversion from training to inference."""

from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import Add, conv_block, plan
from flopcalc.pytorch.layers._excitation import SqueezeExcite
from flopcalc.pytorch.layers._merge import identity, merged


class Half(nn.Module):
    """A convolution with bias, or branches with batch norm: several of it, a 1x1 and the identity.

    conv: the arguments of the convolution. scales, skips: whether there is a branch with a 1x1, and the identity.
    """

    def __init__(
        self,
        conv: dict[str, Any],
        branches: int,
        scales: bool,
        skips: bool,
        squeezed: int,
        active: bool,
        **factory: Any,
    ) -> None:
        super().__init__()
        channels: int = conv["out_channels"]
        self.conv = nn.Conv2d(**conv, bias=True, **factory) if not branches else None
        if branches:
            block: dict[str, Any] = {"norm": True, "activation": False, **factory}
            self.dense = nn.ModuleList(conv_block(**conv, **block) for _ in range(branches))
            point = {**conv, "kernel_size": 1, "padding": 0, "dilation": 1}
            self.scale = conv_block(**point, **block) if scales else None
            self.skip = nn.BatchNorm2d(channels, **factory) if skips else None
            self.sum = Add()
        self.se = SqueezeExcite(channels, squeezed, **factory) if squeezed else None
        self.act = nn.ReLU() if active else None

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, out_channels, h_out, w_out)."""
        out: Tensor
        if self.conv is not None:
            out = self.conv(x)
        else:
            others = [branch for branch in (self.scale, self.skip) if branch is not None]
            out = self.sum(*(branch(x) for branch in (*self.dense, *others)))
        for step in (self.se, self.act):
            out = out if step is None else step(out)
        return out

    def kernel_and_bias(self) -> tuple[Tensor, Tensor]:
        """Those of the one convolution with the same output in evaluation mode."""
        first: Any = self.dense[0].get_submodule("conv")
        pairs: list[tuple[Tensor, Any]] = [
            (block.get_parameter("conv.weight"), block.get_submodule("norm"))
            for block in (*self.dense, *(() if self.scale is None else (self.scale,)))
        ]
        if self.skip is not None:
            pairs.append((identity(first.in_channels, first.groups, first.weight), self.skip))
        return merged(pairs, first.kernel_size)


class MobileOne2d(nn.Module):
    """Depthwise k x k and 1x1, each re-parameterised (Vasu et al. 2023, Sec. 3.2 and Fig. 3).

    mode="training" has the branches, "inference" two convolutions with biases; `fused` makes the second out of the
    first. se: squeeze and excitation before each ReLU.
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
        branches: int = 1,
        mode: str = "inference",
        se: Any = 0,
        activation: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given: dict[str, Any] = {"branches": branches, "mode": mode, "se": se, "activation": activation}
        e = plan("mobileone", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given)
        g, named = e.geometry, e.named
        self.geometry, self.given = g, given
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        several = branches if named["trains"] else 0
        deep: dict[str, Any] = {"in_channels": g.c_in, "out_channels": g.c_in, "kernel_size": g.kernel}
        deep |= {"stride": g.stride, "padding": g.padding, "dilation": g.dilation, "groups": g.c_in}
        point: dict[str, Any] = {"in_channels": g.c_in, "out_channels": g.c_out, "kernel_size": 1}
        first = (named["has_scale"], named["skips_first"], named["m_in"], activation)
        second = (False, named["skips_second"], named["m_out"], activation)
        self.depthwise = Half(deep, several, *first, **factory)
        self.pointwise = Half(point, several, *second, **factory)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h_out, w_out)."""
        out: Tensor = self.pointwise(self.depthwise(x))
        return out

    @torch.no_grad()
    def fused(self) -> "MobileOne2d":
        """The block for inference with the same output in evaluation mode; itself if it is that already."""
        if self.given["mode"] == "inference":
            return self
        g, given = self.geometry, {**self.given, "mode": "inference"}
        weight: Tensor = self.depthwise.get_parameter("dense.0.conv.weight")
        same: dict[str, Any] = {"device": weight.device, "dtype": weight.dtype}
        one = MobileOne2d(g.c_in, g.c_out, g.kernel, g.stride, g.padding, g.dilation, **same, **given)
        for ours, theirs in ((self.depthwise, one.depthwise), (self.pointwise, one.pointwise)):
            kernel, bias = ours.kernel_and_bias()
            theirs.get_parameter("conv.weight").copy_(kernel)
            theirs.get_parameter("conv.bias").copy_(bias)
            if ours.se is not None and theirs.se is not None:
                theirs.se.load_state_dict(ours.se.state_dict())
        return one.train(self.training)


LAYER = MobileOne2d
