"""The RepVGG block, in both forms, and the conversion from training to inference."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import Add, conv_block, plan


class RepVGG2d(nn.Module):
    """k x k, 1x1 and identity, each with batch norm, summed (Ding et al. 2021, Sec. 3.2).

    mode="training" has the branches, "inference" one k x k convolution with bias; `fused` makes the
    second out of the first.
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
        mode: str = "inference",
        activation: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        e = plan(
            "repvgg",
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            mode=mode,
            activation=activation,
        )
        self.geometry = g = e.geometry
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.conv: nn.Conv2d | None = None
        if mode == "inference":
            self.conv = nn.Conv2d(
                in_channels, out_channels, g.kernel, g.stride, g.padding, g.dilation, groups, **factory
            )
        else:
            branch: dict[str, Any] = {
                "stride": g.stride,
                "groups": groups,
                "norm": True,
                "activation": False,
                **factory,
            }
            self.dense = conv_block(
                in_channels, out_channels, g.kernel, padding=g.padding, dilation=g.dilation, **branch
            )
            self.point = conv_block(in_channels, out_channels, 1, **branch)
            self.identity = nn.BatchNorm2d(in_channels, **factory) if e.named["identity"] else None
            self.sum = Add()
        self.act = nn.ReLU() if activation else None

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h_out, w_out)."""
        out: Tensor
        if self.conv is not None:
            out = self.conv(x)
        else:
            branches = [self.dense(x), self.point(x)] + ([] if self.identity is None else [self.identity(x)])
            out = self.sum(*branches)
        return out if self.act is None else self.act(out)

    @torch.no_grad()
    def fused(self) -> "RepVGG2d":
        """The deployed block with the same output in evaluation mode; itself if it is deployed."""
        if self.conv is not None:
            return self
        g, dense, point = self.geometry, self.dense, self.point
        weight: Tensor = dense.get_parameter("conv.weight")
        deployed = RepVGG2d(
            g.c_in,
            g.c_out,
            g.kernel,
            g.stride,
            g.padding,
            g.dilation,
            g.groups,
            mode="inference",
            activation=self.act is not None,
            device=weight.device,
            dtype=weight.dtype,
        )
        around = (g.k_w // 2, g.k_w // 2, g.k_h // 2, g.k_h // 2)
        pairs: list[tuple[Tensor, Any]] = [
            (weight, dense.get_submodule("norm")),
            (F.pad(point.get_parameter("conv.weight"), around), point.get_submodule("norm")),
        ]
        if self.identity is not None:
            # One in the centre where a filter meets its own channel, which is numbered within the group.
            own = g.c_in // g.groups
            eye = torch.eye(own, device=weight.device, dtype=weight.dtype).repeat(g.groups, 1)
            pairs.append((F.pad(eye[:, :, None, None], around), self.identity))
        kernels, biases = [], []
        for tensor, norm in pairs:
            scale: Tensor = norm.weight / (norm.running_var + norm.eps).sqrt()
            kernels.append(tensor * scale[:, None, None, None])
            biases.append(norm.bias - norm.running_mean * scale)
        kernel, bias = torch.stack(kernels).sum(0), torch.stack(biases).sum(0)
        deployed.load_state_dict({"conv.weight": kernel, "conv.bias": bias})
        return deployed.train(self.training)


LAYER = RepVGG2d
