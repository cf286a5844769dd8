"""Convolution of volumes, depthwise too."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import build, random_tensor, refused
from torch.nn import functional as F  # noqa: N812

from flopcalc import FlopcalcError, layer, network
from flopcalc.pytorch.comparison import compare_network


def test_conv3d() -> None:
    """C3D's first layer, 3 -> 64 by 3x3x3 on 16 frames of 112 x 112: 5184 weights at 200,704 positions."""
    e = layer("conv3d", 3, 64, hw=112, depth=16, bias=True)
    assert (e.in_shape, e.out_shape) == ((3, 16, 112, 112), (64, 16, 112, 112))
    assert (e.cost.params, e.cost.macs) == (5184 + 64, 5184 * 200_704)
    # Depth as the height when not given; stride 2 halves all three: 4 * 4 * 4.
    assert layer("conv3d", 2, hw=8, stride=2).cost.macs == 2 * 2 * 27 * 64
    # The depth takes k = 5 and stride 3 of the height: (7 + 4 - 5) // 3 + 1 = 3.
    e = layer("conv3d", 2, k=(5, 1), hw=(9, 6), stride=(3, 1), depth=7)
    assert (e.out_shape, e.cost.macs) == ((2, 3, 3, 6), 4 * 25 * 54)
    assert layer("conv3d", 8, groups=4, hw=6).ratio("macs") == Fraction(1, 4)
    assert layer("depthwise3d", 8, hw=6, multiplier=2).cost.params == 8 * 2 * 27
    assert layer("depthwise3d", 8, hw=6).ratio("params") == Fraction(1, 8)
    refused("does not fit the depth 2", "conv3d", 4, padding=0, depth=2)
    # The baseline reads the volume of the input and the weights, and writes the volume of the output.
    e = layer("conv3d", 8, groups=4, hw=6, stride=2)
    assert e.baseline.total("traffic") == 8 * 6**3 + 8 * 8 * 27 + 8 * 3**3


def test_conv3d_is_a_sum_over_slices() -> None:
    """Two-dimensional convolutions of neighbouring slices, added up."""
    x = F.pad(random_tensor(1, 4, 3, 6, 5), (0, 0, 0, 0, 1, 1))
    for name, groups, out in (("conv3d", 1, 6), ("depthwise3d", 4, 4)):
        module = build(name, 4, out, hw=(6, 5), depth=3)
        slices = [
            sum(F.conv2d(x[:, :, z + t], module.weight[:, :, t], padding=1, groups=groups) for t in range(3))
            for z in range(3)
        ]
        assert torch.allclose(module(x[:, :, 1:-1]), torch.stack(slices, 2))


def test_conv3d_with_three_sizes() -> None:
    """Depth, height and width: R(2+1)D's first layers, 3 -> 45 by 1x7x7 at stride 1x2x2, then 45 -> 64 by 3x1x1.

    16 x 112 x 112 -> 16 x 56 x 56 = 50,176 positions; 45 * 3 * 49 = 6,615 and 64 * 45 * 3 = 8,640 weights, as in the
    authors' R(2+1)D-18.
    """
    first = layer("conv3d", 3, 45, k=(1, 7, 7), stride=(1, 2, 2), hw=112, depth=16)
    assert (first.cost.params, first.cost.macs, first.out_shape) == (6615, 6615 * 50_176, (45, 16, 56, 56))
    second = layer("conv3d", 45, 64, k=(3, 1, 1), hw=56, depth=16)
    assert (second.cost.params, second.cost.macs) == (8640, 8640 * 50_176)
    # Each size has its own padding and dilation: 9 deep, taps 0, 2, 4 without padding: 5; 7 high: 7 - 2 = 5.
    mixed = layer("conv3d", 2, k=(3, 3, 1), padding=(0, 0, 0), dilation=(2, 1, 1), hw=(7, 6), depth=9)
    assert mixed.out_shape == (2, 5, 5, 6)
    assert layer("depthwise3d", 4, k=(2, 3, 3), padding="same", hw=6, depth=5).out_shape == (4, 5, 6, 6)
    # Two sizes are those of height and width, and the depth is as the height.
    assert layer("conv3d", 2, k=(3, 5), hw=8).geometry.sizes("k") == (3, 5)
    wrong: tuple[tuple[str, dict[str, Any]], ...] = (
        ("conv", {"k": (3, 3, 3)}),
        ("conv1d", {"stride": (1, 2, 2)}),
        ("conv3d", {"hw": (8, 8, 8)}),
    )
    for name, given in wrong:
        with pytest.raises(FlopcalcError, match="three sizes"):
            layer(name, 4, **given)


def test_conv3d_of_three_sizes_is_that_of_torch() -> None:
    """The module gives the promised shape, and the numbers of torch's function."""
    given: dict[str, Any] = {"k": (1, 3, 5), "stride": (2, 1, 2), "padding": (0, 1, 2), "hw": (6, 7), "depth": 5}
    e, x = layer("conv3d", 4, 6, **given), random_tensor(2, 4, 5, 6, 7)
    out = build("conv3d", 4, 6, **given)(x)
    assert out.shape == (2, *e.out_shape) == (2, 6, 3, 6, 4)
    weight = build("conv3d", 4, 6, **given).weight
    assert weight.shape == (6, 4, 1, 3, 5)


NET = """
name: volumes
title: first layers of R(2+1)D
input: [3, 16, 112, 112]
layers:
  - space: {op: conv3d, out: 45, k: 1x7x7, stride: [1, 2, 2]}
  - bn: batchnorm
  - relu: relu
  - time: {op: conv3d, out: 64, k: 3x1x1}
  - dw: {op: depthwise3d, k: 2x3x3, padding: same}
"""


def test_networks_of_volumes(tmp_path: Path) -> None:
    """A description with three sizes: 331,914,240 + 433,520,640 MACs, and 64 filters of 18 taps at 50,176 positions."""
    path = tmp_path / "volumes.yaml"
    path.write_text(NET)
    net = network(str(path))
    assert net.macs == 331_914_240 + 433_520_640 + 64 * 18 * 50_176
    assert network(str(path), input=(3, 8, 56, 56)).macs * 8 == net.macs
    assert all(row.agrees for row in compare_network(net))
    with pytest.raises(FlopcalcError, match="takes channels x height x width"):
        network("resnet18", input=(3, 16, 112, 112))
    with pytest.raises(FlopcalcError, match="takes channels x depth x height x width"):
        network(str(path), input=(3, 112, 112))


def test_the_rule_of_the_depth_names_both_paddings() -> None:
    """4 taps along the depth keep the size with one zero before and two after; 3 taps with one on each side."""
    for taps, zeros in ((4, "padding 1 and 2"), (3, "padding 1")):
        e = layer("conv3d", 4, k=(taps, 3, 3), hw=6, padding="same")
        (why,) = (one.why for one in e.operator.derived if one.name == "d_out" and one.why)
        assert why(e.geometry, e.named) == f"by kernel {taps}, stride 1, {zeros}, dilation 1 along the depth"
        assert e.named["d_out"] == e.named["d_in"]
