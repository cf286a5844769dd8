"""The block of RepLKNet, in both forms, and the conversion from training to inference."""

from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import Add, conv_block, plan
from flopcalc.pytorch.layers._merge import merged


class RepLK2d(nn.Module):
    """Batch norm, 1x1, large depthwise kernel, ReLU, 1x1, residual (Ding et al. 2022, Sec. 4.1 and Fig. 4).

    mode="training" has a second, small kernel, both with batch norm; `fused` makes one kernel with bias of them.
    form="conv" is the large kernel by itself. norm: batch norm before the block and after both 1x1 convolutions.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair = 7,
        stride: Pair = 1,
        padding: Pair | None = None,
        dilation: Pair = 1,
        groups: int = 1,
        *,
        small: int = 5,
        mode: str = "inference",
        form: str = "block",
        norm: bool = False,
        activation: bool | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given: dict[str, Any] = {"small": small, "mode": mode, "form": form, "norm": norm}
        given |= {} if activation is None else {"activation": activation}
        e = plan("replk", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given)
        self.geometry, self.given = e.geometry, given
        c, named, block = in_channels, e.named, e.named["block"]
        active: bool = named["activation"]
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.norm = nn.BatchNorm2d(c, **factory) if block and norm else None
        self.expand = conv_block(c, c, 1, norm=norm, activation=active, **factory) if block else None
        self.large = self._branch(e.geometry.kernel, e.geometry.padding, named["trains"], **factory)
        self.small = self.sum = None
        if named["trains"] and small:
            reach = tuple(d * (small // 2) for d in e.geometry.dilation)
            self.small, self.sum = self._branch(small, reach, True, **factory), Add()
        self.act = nn.ReLU() if active else None
        self.project = conv_block(c, c, 1, norm=norm, activation=False, **factory) if block else None
        self.residual = Add() if block else None

    def _branch(self, kernel: Pair, padding: Any, trains: bool, **factory: Any) -> nn.Sequential:
        g = self.geometry
        size: dict[str, Any] = {"padding": padding, "dilation": g.dilation, "groups": g.c_in}
        return conv_block(g.c_in, g.c_in, kernel, norm=trains, activation=False, bias=not trains, **size, **factory)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        y = x if self.norm is None else self.norm(x)
        y = y if self.expand is None else self.expand(y)
        found: Tensor = self.large(y)
        if self.small is not None and self.sum is not None:
            found = self.sum(found, self.small(y))
        found = found if self.act is None else self.act(found)
        if self.project is None or self.residual is None:
            return found
        out: Tensor = self.residual(x, self.project(found))
        return out

    @torch.no_grad()
    def fused(self) -> "RepLK2d":
        """The block for inference with the same output in evaluation mode; itself if it is that already."""
        if self.given["mode"] == "inference":
            return self
        weight: Tensor = self.large.get_parameter("conv.weight")
        pairs: list[tuple[Tensor, Any]] = [(weight, self.large.get_submodule("norm"))]
        if self.small is not None:
            pairs.append((self.small.get_parameter("conv.weight"), self.small.get_submodule("norm")))
        g, given = self.geometry, {**self.given, "mode": "inference"}
        same: dict[str, Any] = {"dilation": g.dilation, "device": weight.device, "dtype": weight.dtype}
        one = RepLK2d(g.c_in, g.c_out, g.kernel, **same, **given).train(self.training)
        for name in ("norm", "expand", "project"):
            ours, theirs = getattr(self, name), getattr(one, name)
            if ours is not None:
                theirs.load_state_dict(ours.state_dict())
        kernel, bias = merged(pairs, g.kernel)
        one.large.get_parameter("conv.weight").copy_(kernel)
        one.large.get_parameter("conv.bias").copy_(bias)
        return one


LAYER = RepLK2d
