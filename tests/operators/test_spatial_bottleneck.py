"""Spatial bottleneck: blocks of positions become one, are mixed, and spread again."""

from fractions import Fraction
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import build, random_tensor, refused

from flopcalc import layer


def test_spatial_bottleneck() -> None:
    """h w (2 n + n^2 / k^2): at n = 128, k = 2, 56 x 56 it is 3136 * (256 + 4096) MACs.

    A SIC stage with k = 3 has 3136 * 128 * (9 + 128); 4352 / 17536 = 0.248. Of a 3x3 convolution it
    is (2 / n + 1 / k^2) / 9.
    """
    e = layer("spatial_bottleneck", 128, k=2, hw=56)
    assert e.cost.macs == 3136 * (256 + 4096) == 13_647_872
    assert e.cost.params == 2 * 128 * 4 + 128 * 128
    sic = layer("sic", 128, b=1, hw=56)
    assert sic.cost.macs == 3136 * 17_536
    assert round(e.cost.macs / sic.cost.macs, 3) == 0.248
    assert e.ratio("macs") == (Fraction(2, 128) + Fraction(1, 4)) / 9
    assert e.out_shape == (128, 56, 56)
    # k = (2, 3) on 8 x 9 with 16 channels: 12 coarse positions; 16 * 72 + 256 * 12 + 16 * 72.
    assert layer("spatial_bottleneck", 16, k=(2, 3), hw=(8, 9)).cost.macs == 2 * 1152 + 3072


def test_spatial_bottleneck_refuses() -> None:
    """Sizes that k does not divide, strides and paddings that would be ignored."""
    refused("not a multiple", "spatial_bottleneck", 8, hw=56)
    refused("stride 2", "spatial_bottleneck", 8, stride=2)
    refused("padding 0", "spatial_bottleneck", 8, padding=0)
    refused("differ", "spatial_bottleneck", 8, 16)
    with pytest.raises(ValueError, match="not a multiple"):
        build("spatial_bottleneck", 4)(random_tensor(1, 4, 10, 9))


def test_spatial_bottleneck_block_by_block() -> None:
    """Each 2 x 3 block becomes one number per channel, is mixed, and spreads over the same block again."""
    module, x = build("spatial_bottleneck", 4, k=(2, 3), hw=(6, 9)), random_tensor(2, 4, 6, 9)
    blocks = x.reshape(2, 4, 3, 2, 3, 3)
    coarse = torch.einsum("ncyixj,cij->ncyx", blocks, module.down.weight[:, 0])
    mixed = torch.einsum("oc,ncyx->noyx", module.projection.weight[:, :, 0, 0], coarse)
    spread = torch.einsum("ncyx,cij->ncyixj", mixed, module.up.weight[:, 0])
    assert torch.allclose(module(x), spread.reshape(2, 4, 6, 9))


def test_spatial_bottleneck_read_literally() -> None:
    """A full convolution and a full deconvolution at stride k: n^2 k^2 weights each, n^2 h w MACs each, 2 / k^2.

    At n = 8, k = 3, 6 x 9: 2 * 64 * 54 of 9 * 64 * 54.
    """
    e = layer("spatial_bottleneck", 8, hw=(6, 9), form="full")
    assert (e.cost.params, e.cost.macs) == (2 * 576, 2 * 64 * 54)
    assert e.ratio("macs") == Fraction(2, 9)
    # k = 2: 2 / k^2 = 1/2 of a 2x2 convolution of the same size, 2/9 of the 3x3 in the ratio.
    two = layer("spatial_bottleneck", 8, k=2, hw=8, form="full")
    assert two.cost.macs == Fraction(1, 2) * 64 * 4 * 64
    module, x = build("spatial_bottleneck", 4, k=(2, 3), hw=(6, 9), form="full"), random_tensor(2, 4, 6, 9)
    coarse = torch.einsum("ncyixj,ocij->noyx", x.reshape(2, 4, 3, 2, 3, 3), module.down.weight)
    spread = torch.einsum("ncyx,coij->noyixj", coarse, module.up.weight)
    assert torch.allclose(module(x), spread.reshape(2, 4, 6, 9))
