"""The bottleneck of ResNet: numbers by hand, its strides and shortcuts."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import batch_norm, build_block, convolve, random_tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc import FlopcalcError, layer


def test_bottleneck_numbers() -> None:
    """The first blocks of ResNet-50's second stage, by hand; the published ones are torchvision's shapes."""
    # 256*64 + 64*64*9 + 64*256.
    assert layer("bottleneck", 256).cost.params == 16_384 + 36_864 + 16_384
    # layer2.0 of torchvision's resnet50: 256 -> 512, width 128, stride 2, projection, batch norms.
    # Convolutions 256*128 + 128*128*9 + 128*512 + 256*512; norms 2 * (128 + 128 + 512 + 512).
    first: dict[str, Any] = {"hw": 56, "stride": 2, "norm": True, "shortcut": "auto"}
    assert layer("bottleneck", 256, 512, **first).cost.params == 32_768 + 147_456 + 65_536 + 131_072 + 2560
    # v1.5: the first 1x1 on 56 x 56, all else on 28 x 28; v1: everything on 28 x 28.
    late, early = (layer("bottleneck", 256, 512, stride_in=one, **first).cost.macs for one in ("v1.5", "v1"))
    assert late == 32_768 * 3136 + (147_456 + 65_536 + 131_072) * 784
    assert early == (32_768 + 147_456 + 65_536 + 131_072) * 784
    # Steps of the long branch: conv norm relu, conv norm relu, conv norm; then sum and relu.
    assert layer("bottleneck", 256, 512, **first).cost.steps == 10
    # The identity costs one addition per element, and fits equal shapes only.
    plain, added = layer("bottleneck", 64), layer("bottleneck", 64, shortcut="identity")
    assert added.cost.total("adds") - plain.cost.total("adds") == 64 * 56 * 56
    with pytest.raises(FlopcalcError, match="its shape is not that of the output"):
        layer("bottleneck", 64, 128, shortcut="identity")


@pytest.mark.parametrize("stride_in", ["v1", "v1.5"])
def test_bottleneck_by_its_definition(stride_in: str) -> None:
    """Norms, ReLUs, the place of the stride and the projection."""
    module = build_block("bottleneck", 6, 8, stride=2, stride_in=stride_in, shortcut="auto", norm=True)
    x = random_tensor(2, 6, 9, 7)
    strides = (2, 1) if stride_in == "v1" else (1, 2)
    y = F.relu(batch_norm(module.reduce.norm, convolve(module.reduce, x, stride=strides[0])))
    y = F.relu(batch_norm(module.spatial.norm, convolve(module.spatial, y, stride=strides[1], padding=1)))
    y = batch_norm(module.expand.norm, convolve(module.expand, y))
    y = F.relu(y + batch_norm(module.project.norm, convolve(module.project, x, stride=2)))
    assert torch.allclose(module(x), y)


def test_bottleneck_adds_its_input() -> None:
    """With zero weights in the last convolution only the shortcut is left."""
    module = build_block("bottleneck", 8, shortcut="auto")
    torch.nn.init.zeros_(module.expand.conv.weight)
    x = random_tensor(1, 8, 5, 5)
    assert torch.equal(module(x), x)
