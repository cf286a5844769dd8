"""ShuffleNet's unit: numbers by hand, those of the slides, and its definition."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import batch_norm, build_block, convolve, random_tensor, shuffled
from torch.nn import functional as F  # noqa: N812

from flopcalc import FlopcalcError, layer
from flopcalc.spec.equations import readings


@pytest.mark.parametrize(
    ("mid", "weights", "ratio"), [(80, (9680, 800, 9840), 0.0392), (60, (7260, 600, 7440), 0.0295)]
)
def test_shuffle_unit_slides(mid: int, weights: tuple[int, ...], ratio: float) -> None:
    """240 channels, two groups, biases: 240*mid/2 + mid, mid*9 + mid, mid*240/2 + 240; a conv has 240*240*9 + 240."""
    unit = layer("shuffle_unit", 240, mid=mid, bias=True)
    assert unit.geometry.groups == 2
    assert tuple(part.params for part in unit.cost if part.params) == weights
    assert unit.cost.params == sum(weights) == {80: 20_320, 60: 15_300}[mid]
    assert unit.baseline.params == 518_640
    assert round(float(unit.ratio("params") or 0), 4) == ratio
    assert layer("shuffle_unit", 240).named["m"] == 60


def test_shuffle_unit_printed_wrong() -> None:
    """The slides' 20160 comes of halving the bias with the weights: 241 * 80 / 2 + 800 + 81 * 240 / 2."""
    unit = layer("shuffle_unit", 240, mid=80, bias=True)
    wrong = next(reading for reading in readings(unit) if reading.equation.status == "corrected")
    assert (wrong.printed, wrong.right, wrong.value) == (20_160, 20_320, 20_320)


def test_shuffle_unit_numbers() -> None:
    """hw (2 c m / g + 9 m) at c = 240, m = 60, g = 3, 28 x 28; and a unit with stride."""
    unit = layer("shuffle_unit", 240, hw=28, groups=3)
    assert unit.cost.macs == 784 * (2 * 240 * 60 // 3 + 9 * 60)
    # ShuffleNet 1x, g = 3, from stage 3 to 4 of Table 1: 240 -> 480, m = 120, the convolutions make 240.
    down = layer("shuffle_unit", 240, 480, hw=28, groups=3, stride=2)
    assert down.named["made"] == 240
    assert down.cost.params == 240 * 120 // 3 + 120 * 9 + 120 * 240 // 3
    assert down.cost.macs == (240 * 120 // 3) * 784 + (120 * 9 + 120 * 240 // 3) * 196
    # The pooling: windows of 9 at 14 x 14, in 240 channels.
    assert down.cost.total("adds") == 240 * 196 * 9
    # Moved: the shuffle of 120 maps on 28 x 28 and the concatenation of 480 on 14 x 14.
    moved = {part.name: part.writes for part in down.cost if part.work == "move"}
    assert moved == {"shuffle": 120 * 784, "join": 480 * 196}
    for wrong in ({"c_out": 480}, {"stride": 2}, {"groups": 7}, {"mid": 33}):
        with pytest.raises(FlopcalcError, match="shuffle_unit does not apply"):
            layer("shuffle_unit", 240, **wrong)


@pytest.mark.parametrize("stride", [1, 2])
def test_shuffle_unit_by_its_definition(stride: int) -> None:
    """No ReLU after the depthwise convolution; added at stride 1, concatenated behind the pooled input at stride 2."""
    c_out = 12 if stride == 1 else 18
    module = build_block("shuffle_unit", 12, c_out, groups=3, mid=6, stride=stride, norm=True)
    x = random_tensor(2, 12, 9, 7)
    y = F.relu(batch_norm(module.compress.norm, convolve(module.compress, x, groups=3)))
    y = batch_norm(
        module.depthwise.norm, convolve(module.depthwise, shuffled(y, 3), stride=stride, padding=1, groups=6)
    )
    y = batch_norm(module.expand.norm, convolve(module.expand, y, groups=3))
    y = x + y if stride == 1 else torch.cat([F.avg_pool2d(x, 3, 2, 1), y], 1)
    assert torch.allclose(module(x), F.relu(y))
