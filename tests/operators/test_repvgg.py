"""RepVGG's block: numbers by hand, and the one convolution that its branches become."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import batch_norm, build_block, convolve, random_tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc import layer


def test_repvgg_numbers() -> None:
    """64 channels: deployed 64*64*9 + 64; in training 64*64*9 + 64*64 and three norms of 128."""
    deployed, training = layer("repvgg", 64), layer("repvgg", 64, mode="training")
    assert deployed.cost.params == 36_928
    assert training.cost.params == 36_864 + 4096 + 3 * 128
    assert (deployed.cost.macs, training.cost.macs) == (36_864 * 3136, 40_960 * 3136)
    # Convolution and ReLU; convolution, norm, two sums and ReLU.
    assert (deployed.cost.steps, training.cost.steps) == (2, 5)
    # Where shapes differ there is no identity: two norms of 2 * 128.
    assert layer("repvgg", 64, 128, mode="training", stride=2).cost.params == 73_728 + 8192 + 512
    # g4: a quarter of the weights in both branches.
    assert layer("repvgg", 64, groups=4, mode="training").cost.params == 9216 + 1024 + 384


@pytest.mark.parametrize("shape", [{}, {"groups": 2}, {"stride": 2}, {"c_out": 8, "k": (3, 5)}], ids=str)
def test_repvgg_fuses(shape: dict[str, Any]) -> None:
    """The branches by their definition, and the one convolution with the same output."""
    module = build_block("repvgg", 4, mode="training", **shape)
    x = random_tensor(2, 4, 9, 7)
    groups, stride = shape.get("groups", 1), shape.get("stride", 1)
    padding = (1, 2) if "k" in shape else 1
    y = batch_norm(module.dense.norm, convolve(module.dense, x, stride=stride, padding=padding, groups=groups))
    y = y + batch_norm(module.point.norm, convolve(module.point, x, stride=stride, groups=groups))
    if stride == 1 and "c_out" not in shape:
        y = y + batch_norm(module.identity, x)
    assert torch.allclose(module(x), F.relu(y))
    fused = module.fused()
    assert sum(p.numel() for p in fused.parameters()) == layer("repvgg", 4, **shape).cost.params
    assert torch.allclose(fused(x), F.relu(y))
    assert fused.fused() is fused
