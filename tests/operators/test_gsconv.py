"""GSConv: numbers by hand, and the definition."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import batch_norm, build_block, convolve, part_params, random_tensor, refused, shuffled
from torch.nn import functional as F  # noqa: N812

from flopcalc import layer


def test_gsconv_numbers() -> None:
    """64 -> 128, 3 x 3: 64 channels of 576 weights, and 64 filters of 25."""
    assert part_params("gsconv", 64, 128) == {"primary": 36_864, "depthwise": 1600}
    e = layer("gsconv", 64, 128, hw=28)
    assert e.cost.macs == 784 * (36_864 + 1600)
    # At 5 x 5 the printed cost is right: W H K^2 C_2 / 2 (C_1 + 1).
    assert layer("gsconv", 64, 128, k=5, hw=28).cost.macs == 784 * 25 * 64 * 65
    # At 3 x 3 it is too small by (25 - 9) / 9 of the depthwise convolution.
    assert e.cost.macs - 784 * 9 * 64 * 65 == 784 * 64 * 16
    # Convolution, depthwise, concatenation, shuffle; with norm and Mish two more each.
    assert (e.cost.steps, layer("gsconv", 64, norm=True).cost.steps) == (4, 8)
    refused("has no halves", "gsconv", 64, 53)
    refused("does not divide both", "gsconv", 64, groups=64)


@pytest.mark.parametrize("given", [{}, {"k": 1, "d": 3}, {"stride": 2, "groups": 2, "norm": True}], ids=str)
def test_gsconv_by_its_definition(given: dict[str, Any]) -> None:
    """Channels of both halves alternate in the output."""
    module = build_block("gsconv", 4, 8, **given)
    x = random_tensor(2, 4, 9, 7)

    def run(block: Any, y: Any, **conv: Any) -> Any:
        y = convolve(block, y, **conv)
        return F.mish(batch_norm(block.norm, y)) if "norm" in given else y

    k, stride = given.get("k", 3), given.get("stride", 1)
    first = run(module.primary, x, stride=stride, padding=k // 2, groups=given.get("groups", 1))
    second = run(module.depthwise, first, padding=given.get("d", 5) // 2, groups=4)
    assert torch.allclose(module(x), shuffled(torch.cat([first, second], dim=1), 2))
