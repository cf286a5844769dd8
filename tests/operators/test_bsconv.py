"""Blueprint separable convolutions: numbers by hand, and the dense kernel that they are."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import build, build_block, part_params, random_tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc import layer


def test_bsconv_numbers() -> None:
    """64 -> 128, 3 x 3: 64 * 128 and 128 * 9; with a subspace of 16 channels 64 * 16 + 16 * 128."""
    assert part_params("bsconv", 64, 128) == {"pointwise": 8192, "depthwise": 1152}
    assert part_params("bsconv", 64, 128, variant="s") == {"reduce": 1024, "expand": 2048, "depthwise": 1152}
    # Rounded up: 50 / 4 = 12.5.
    assert layer("bsconv", 50, variant="s").named["mid"] == 13
    e, dsc = (layer(name, 64, 128, hw=28, stride=2).cost.macs for name in ("bsconv", "dsc"))
    assert (e, dsc) == (784 * 8192 + 196 * 1152, 196 * (576 + 8192))
    assert layer("bsconv", 64, 128, variant="s", norm=True, bias=True).cost.params == 4224 + 2 * (16 + 128) + 128


@pytest.mark.parametrize("given", [{}, {"stride": 2, "k": 5}, {"variant": "s", "p": "1/2", "bias": True}], ids=str)
def test_bsconv_is_a_convolution_with_blueprints(given: dict[str, Any]) -> None:
    """kernel[o, c, i, j] = weight[o, c] * blueprint[o, i, j]; of variant s the weights are a product of matrices."""
    module = build("bsconv", 4, 6, **given)
    if "variant" in given:
        weights = module.expand.conv.weight.flatten(1) @ module.reduce.conv.weight.flatten(1)
    else:
        weights = module.pointwise.conv.weight.flatten(1)
    dense = weights[:, :, None, None] * module.depthwise.weight
    x, k = random_tensor(2, 4, 9, 8), given.get("k", 3)
    expected = F.conv2d(x, dense, module.depthwise.bias, given.get("stride", 1), k // 2)
    assert torch.allclose(module(x), expected)


def test_norms_follow_the_pointwise_convolutions() -> None:
    """Before the depthwise convolution, whose zero padding comes after them."""
    module = build_block("bsconv", 4, 6, variant="s", norm=True)
    x = random_tensor(2, 4, 5, 5)
    y = module.expand.norm(module.expand.conv(module.reduce.norm(module.reduce.conv(x))))
    assert torch.allclose(module(x), F.conv2d(y, module.depthwise.weight, padding=1, groups=6))
