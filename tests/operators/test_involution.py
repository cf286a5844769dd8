"""Involution: kernels from the input, by its definition, and RedNets as printed."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import part_total, random_tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc import layer
from flopcalc.pytorch.layers.involution import Involution2d
from flopcalc.spec.operator import Evaluation

INVOLUTIONS: list[dict[str, Any]] = [{}, {"stride": 2}, {"dilation": 2, "norm": True}, {"stride": (2, 1), "bias": True}]


@pytest.mark.parametrize("given", INVOLUTIONS, ids=str)
def test_involution_by_its_definition(given: dict[str, Any]) -> None:
    """Eq. 4 written out: Y[i, j, c] = sum over the taps of H[i, j, tap, group of c] X[i + u, j + v, c]."""
    module: Any = Involution2d(6, 6, 3, reduction=2, group_channels=2, dtype=torch.float64, **given).eval()
    x = random_tensor(2, 6, 7, 5)
    stride, dilation = given.get("stride", 1), given.get("dilation", 1)
    s_h, s_w = stride if isinstance(stride, tuple) else (stride, stride)
    pooled = F.avg_pool2d(x, (s_h, s_w), ceil_mode=True) if s_h > 1 else x
    hidden = F.conv2d(pooled, module.reduce.conv.weight)
    if given.get("norm"):
        hidden = F.relu(module.reduce.norm(hidden))
    kernels = F.conv2d(hidden, module.span.weight, module.span.bias)
    padded = F.pad(x, (dilation,) * 4)
    expected = torch.zeros(2, 6, *kernels.shape[2:], dtype=torch.float64)
    for i in range(expected.shape[2]):
        for j in range(expected.shape[3]):
            for c in range(6):
                for u in range(3):
                    for v in range(3):
                        weight = kernels[:, c // 2 * 9 + u * 3 + v, i, j]
                        expected[:, c, i, j] += weight * padded[:, c, i * s_h + u * dilation, j * s_w + v * dilation]
    assert torch.allclose(module(x), expected)


def test_involution_by_hand() -> None:
    """64 channels, k 7, 56 x 56, r 4, 16 channels a kernel: 4 kernels of 49 taps from 16 channels.

    W_0 64 * 16 = 1024, W_1 16 * 196 = 3136; the product 64 * 49 for each position.
    """
    e = layer("involution", 64, k=7)
    assert e.derived == {"reduced": 16, "kernels": 4}
    assert e.cost.params == 1024 + 3136
    assert e.cost.macs == 3136 * (1024 + 3136 + 3136)
    assert part_total(e, "product", "macs") == 3136 * 3136
    # As built: two vectors of the batch norm and a bias for each of the 196 weights.
    assert layer("involution", 64, k=7, norm=True).cost.params == 4160 + 2 * 16 + 196
    # reduce, span, copy, product; unfold and copy run in parallel to them.
    assert e.cost.steps == 4
    assert layer("involution", 64, k=7, stride=2, norm=True).cost.steps == 7
    assert e.baseline.macs == 3136 * 49 * 64 * 64


REDNETS = {
    26: ((1, 2, 4, 1), "9.2", "1.7"),
    38: ((2, 3, 5, 2), "12.4", "2.2"),
    50: ((3, 4, 6, 3), "15.5", "2.7"),
    101: ((3, 4, 23, 3), "25.7", "4.7"),
    152: ((3, 8, 36, 3), "34.0", "6.8"),
}


def _rednet(blocks: tuple[int, ...]) -> list[tuple[Evaluation, int]]:
    """Layers of a RedNet, each with the element-wise operations of what follows it.

    ResNet with 7 x 7 involutions for the 3 x 3 convolutions, and a stem of conv, involution, conv. Batch
    norm (2 for each element) follows every layer, ReLU (1) all but the shortcuts' (the last one of a block
    comes after the sum).
    """
    layers = []

    def put(name: str, c_in: int, c_out: int, k: int, hw: int, stride: int = 1, per_element: int = 3) -> None:
        given = {"norm": True} if name == "involution" else {}
        e = layer(name, c_in, c_out, k=k, hw=hw, stride=stride, **given)
        inside = sum(part.adds + part.muls + part.other for part in e.cost)
        layers.append((e, inside + per_element * c_out * e.geometry.p_out))

    put("conv", 3, 32, 3, 224, 2)
    put("involution", 32, 32, 3, 112)
    put("conv", 32, 64, 3, 112)
    c_in, hw = 64, 56
    for stage, depth in enumerate(blocks):
        width = 64 * 2**stage
        for block in range(depth):
            stride = 2 if stage and not block else 1
            put("conv", c_in, width, 1, hw)
            put("involution", width, width, 7, hw, stride)
            if not block:
                put("conv", c_in, 4 * width, 1, hw, stride, per_element=2)
            hw //= stride
            put("conv", width, 4 * width, 1, hw)
            c_in = 4 * width
    return layers


@pytest.mark.parametrize("depth", REDNETS)
def test_rednets_as_printed(depth: int) -> None:
    """Parameters and FLOPs of the authors' five networks, to the last printed digit.

    Their counter adds normalisation, activations and biases to the MACs; only with the product among them
    do the FLOPs fit (without it RedNet-50 has 2.6 G and RedNet-152 6.6 G).
    """
    blocks, params, flops = REDNETS[depth]
    layers = _rednet(blocks)
    # Two vectors of batch norm after each layer; a classifier from 2048 to 1000 with bias.
    found = sum(e.cost.params + 2 * e.geometry.c_out for e, _ in layers) + 2_049_000
    assert f"{found / 10**6:.1f}" == params
    total = sum(e.cost.macs + extra for e, extra in layers) + 2_048_000
    assert f"{total / 10**9:.1f}" == flops
    without = total - sum(part_total(e, "product", "macs") for e, _ in layers)
    assert (f"{without / 10**9:.1f}" == flops) == (depth == 26)
