"""ShuffleNetV2's unit: numbers by hand, and its definition."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import batch_norm, build_block, convolve, import_torchvision, random_tensor, shuffled
from torch.nn import functional as F  # noqa: N812

from flopcalc import FlopcalcError, layer


def test_shuffle_unit_v2_numbers() -> None:
    """ShuffleNetV2 1x: stage 2, 116 channels, 28 x 28; its first unit 24 -> 116 from 56 x 56."""
    # Half of 116 is 58: 58*58 + 58*9 + 58*58.
    unit = layer("shuffle_unit_v2", 116, hw=28)
    assert unit.cost.params == 3364 + 522 + 3364 == 7250
    assert unit.cost.macs == 7250 * 784
    # Authors: the side branch keeps 24 channels (24*9 + 24*24), the main one makes 92:
    # 24*58 on 56 x 56, then 58*9 + 58*92 on 28 x 28.
    down = {"hw": 56, "stride": 2}
    authors = layer("shuffle_unit_v2", 24, 116, **down)
    assert authors.cost.params == 216 + 576 + 1392 + 522 + 5336
    assert authors.cost.macs == 1392 * 3136 + (216 + 576 + 522 + 5336) * 784
    # torchvision: both branches make 58: 24*9 + 24*58; 24*58, 58*9, 58*58.
    other = layer("shuffle_unit_v2", 24, 116, down="torchvision", **down)
    assert other.cost.params == 216 + 1392 + 1392 + 522 + 3364
    # From stage to stage the channels double, and both are one: 116 -> 232.
    both = [layer("shuffle_unit_v2", 116, 232, stride=2, down=one).cost.macs for one in ("authors", "torchvision")]
    assert both[0] == both[1]


@pytest.mark.parametrize("stride", [1, 2])
def test_shuffle_unit_v2_by_its_definition(stride: int) -> None:
    """The first half passes at stride 1; at stride 2 both branches see all channels; the shuffle comes last."""
    c_out = 8 if stride == 1 else 18
    module = build_block("shuffle_unit_v2", 8, c_out, stride=stride, mid=6, norm=True)
    x = random_tensor(2, 8, 9, 7)
    side, main = (x[:, :4], x[:, 4:]) if stride == 1 else (x, x)
    if stride == 2:
        side = convolve(module.side_depthwise, x, stride=2, padding=1, groups=8)
        side = batch_norm(module.side_depthwise.norm, side)
        side = F.relu(batch_norm(module.side.norm, convolve(module.side, side)))
    y = F.relu(batch_norm(module.reduce.norm, convolve(module.reduce, main)))
    y = batch_norm(module.depthwise.norm, convolve(module.depthwise, y, stride=stride, padding=1, groups=6))
    y = F.relu(batch_norm(module.expand.norm, convolve(module.expand, y)))
    assert side.shape[1] == (4 if stride == 1 else 8)
    assert torch.allclose(module(x), shuffled(torch.cat([side, y], 1), 2))


@pytest.mark.parametrize(("c_in", "c_out", "stride"), [(7, 7, 1), (6, 7, 2), (8, 8, 1), (6, 8, 2)])
def test_odd_channels_have_no_halves(c_in: int, c_out: int, stride: int) -> None:
    """torchvision's unit takes no odd number of channels at stride 1, and gives one channel less at a stride."""
    import_torchvision()
    from torchvision.models.shufflenetv2 import InvertedResidual

    try:
        fits = InvertedResidual(c_in, c_out, stride)(torch.zeros(2, c_in, 4, 4)).shape[1] == c_out
    except ValueError:
        fits = False
    unit: dict[str, Any] = {"hw": 4, "stride": stride, "groups": 1, "down": "torchvision"}
    if fits:
        assert layer("shuffle_unit_v2", c_in, c_out, **unit).out_shape[0] == c_out
        return
    with pytest.raises(FlopcalcError, match=f"c_out = {c_out} is odd"):
        layer("shuffle_unit_v2", c_in, c_out, **unit)
