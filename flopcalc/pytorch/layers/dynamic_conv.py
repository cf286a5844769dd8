"""Dynamic convolution, after its paper."""

from typing import Any

from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import plan
from flopcalc.pytorch.layers._dynamic import MixedConv2d


class KernelAttention(nn.Module):
    """softmax(fc(relu(fc(mean of each channel))) / temperature) over the kernels.

    temperature: the authors start training at 30 and end at 1, which takes no division.
    """

    def __init__(self, in_channels: int, squeezed: int, kernels: int, **factory: Any) -> None:
        super().__init__()
        self.temperature = 1.0
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.squeeze = nn.Linear(in_channels, squeezed, **factory)
        self.act = nn.ReLU()
        self.excite = nn.Linear(squeezed, kernels, **factory)
        self.softmax = nn.Softmax(dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, kernels), each row with the sum 1."""
        scores: Tensor = self.excite(self.act(self.squeeze(self.pool(x).flatten(1))))
        if self.temperature != 1.0:
            scores = scores / self.temperature
        out: Tensor = self.softmax(scores)
        return out


class DynamicConv2d(MixedConv2d):
    """A convolution with a kernel for each sample, mixed by attention (Chen et al. 2020, Sec. 3).

    mode="training" convolves with every kernel and mixes the outputs: the same function.
    `routing.temperature` flattens the attention early in training.
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
        bias: bool = False,
        *,
        kernels: int = 4,
        reduction: int = 4,
        mode: str = "inference",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        given = {"kernels": kernels, "reduction": reduction, "mode": mode, "bias": bias}
        e = plan("dynamic_conv", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given)
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        routing = KernelAttention(in_channels, e.named["squeezed"], kernels, **factory)
        super().__init__(e, kernels, routing, **factory)


LAYER = DynamicConv2d
