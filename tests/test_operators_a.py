"""Convolutions of every sort, topological and spatial subdivision, HetConv: numbers and behaviour.

Each number is worked out beside it; each module is compared with torch's functions on float64.
"""

from fractions import Fraction
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc import FlopcalcError, layer
from flopcalc.pytorch import build_layer


def _random(*shape: int) -> Tensor:
    torch.manual_seed(0)
    out: Tensor = torch.randn(*shape, dtype=torch.float64)
    return out


def _build(name: str, *sizes: int, **given: Any) -> Any:
    return build_layer(layer(name, *sizes, **given), dtype=torch.float64)


def _refused(match: str, name: str, *sizes: int, **given: Any) -> None:
    with pytest.raises(FlopcalcError, match=match) as caught:
        layer(name, *sizes, **given)
    assert caught.value.code == "cannot-stand"
    assert caught.value.hint


def test_pointwise() -> None:
    """The slides' 128 -> 128 with bias: 128 * 128 + 128 = 16512. A product of matrices at each position."""
    e = layer("pointwise", 128, bias=True)
    assert (e.geometry.kernel, e.cost.params, e.cost.macs) == ((1, 1), 16_512, 128 * 128 * 56 * 56)
    # Stride 2 on 7 x 7 leaves 4 x 4 positions.
    assert layer("pointwise", 6, 10, hw=7, stride=2).cost.macs == 6 * 10 * 16
    assert layer("pointwise", 6, 10, groups=2).cost.params == 30
    _refused("kernel is 3x3", "pointwise", 8, k=3)
    module, x = _build("pointwise", 4, 6, hw=5, bias=True), _random(2, 4, 5, 5)
    expected = torch.einsum("oc,nchw->nohw", module.weight[:, :, 0, 0], x) + module.bias[:, None, None]
    assert torch.allclose(module(x), expected)


def test_depthwise() -> None:
    """128 channels, 3x3, with bias: 128 * 9 + 128 = 1280 (the slides' MobileNet block)."""
    assert layer("depthwise", 128, bias=True).cost.params == 1280
    e = layer("depthwise", 8, multiplier=3, hw=10, stride=2)
    # 8 * 3 filters of 9 taps on 5 x 5 outputs.
    assert (e.geometry.c_out, e.cost.params, e.cost.macs) == (24, 216, 216 * 25)
    assert layer("depthwise", 64).ratio("macs") == Fraction(1, 64)
    assert layer("depthwise", 8, groups=8).cost.macs == layer("depthwise", 8).cost.macs
    _refused("c_in \\* multiplier", "depthwise", 8, 12)
    _refused("groups = 2", "depthwise", 8, groups=2)


def test_depthwise_filters_each_channel_by_itself() -> None:
    """Output 2 c + j is channel c under filter j, nothing else."""
    module, x = _build("depthwise", 3, multiplier=2, stride=2), _random(1, 3, 9, 8)
    one_by_one = [F.conv2d(x[:, i // 2 : i // 2 + 1], module.weight[i : i + 1], None, 2, 1) for i in range(6)]
    assert torch.allclose(module(x), torch.cat(one_by_one, 1))


def test_group() -> None:
    """Two groups unless told otherwise; M groups cost 1 / M; groups see only themselves."""
    e = layer("group", 64, 128)
    assert (e.geometry.groups, e.cost.params, e.ratio("macs")) == (2, 64 * 128 * 9 // 2, Fraction(1, 2))
    assert layer("group", 64, groups=8).ratio("params") == Fraction(1, 8)
    _refused("groups = 2", "group", 5)
    module, x = _build("group", 4, 6, bias=True), _random(1, 4, 5, 5)
    halves = [F.conv2d(x[:, 2 * i : 2 * i + 2], module.weight[3 * i : 3 * i + 3], padding=1) for i in range(2)]
    assert torch.allclose(module(x), torch.cat(halves, 1) + module.bias[:, None, None])


def test_dilated() -> None:
    """A 3x3 at dilation 2 sees 5 pixels, at 3 it sees 7, a 5-tap axis at 4 sees 17; the cost is that of conv."""
    e = layer("dilated", 16, 24)
    assert e.geometry.dilation == (2, 2)
    assert (e.derived["field_h"], e.derived["field_w"]) == (5, 5)
    assert e.cost.macs == layer("conv", 16, 24).cost.macs == 16 * 24 * 9 * 56 * 56
    assert layer("dilated", 8, dilation=3).derived["field_h"] == 7
    assert layer("dilated", 8, k=(1, 5), dilation=(1, 4)).derived == {"field_h": 1, "field_w": 17}
    # The same as a dense 5x5 kernel whose odd taps are zero.
    module, x = _build("dilated", 2, 3), _random(1, 2, 9, 9)
    dense = torch.zeros(3, 2, 5, 5, dtype=torch.float64)
    dense[:, :, ::2, ::2] = module.weight
    assert torch.allclose(module(x), F.conv2d(x, dense, padding=2))


def test_topological() -> None:
    """n c k^2 h w: 64 channels lie as 8 x 8, a neighbourhood is 4 x 4 = 16 of them, a quarter of the cost."""
    e = layer("topological", 64)
    assert (e.derived["connected"], e.ratio("macs")) == (16, Fraction(1, 4))
    assert e.cost.macs == 64 * 16 * 9 * 56 * 56
    # 24 as 4 x 6 with 2 x 3; 37 is prime: 1 x 37 with 1 x 19; 3 dims by hand: 1 * 2 * 3 of 2 * 3 * 4.
    assert layer("topological", 24).ratio("params") == Fraction(6, 24)
    assert layer("topological", 37).derived["connected"] == 19
    assert layer("topological", 24, dims="2,3,4", neighbourhood="1,2,3").cost.params == 24 * 6 * 9
    # Everybody sees everybody: a plain convolution.
    assert layer("topological", 24, dims="24", neighbourhood="24").cost.macs == layer("conv", 24).cost.macs


def test_topological_needs_a_torus_that_fits() -> None:
    """Wrong products, neighbourhoods larger than the torus, and a number that nobody can factor in time."""
    _refused("make 20 channels", "topological", 24, dims="4,5")
    _refused("does not fit", "topological", 24, neighbourhood="5,1")
    _refused("does not fit", "topological", 24, dims="4,6", neighbourhood="2")
    _refused("too many", "topological", 10**60)
    _refused("differ", "topological", 24, 48)
    assert layer("topological", 10**60, dims=(10**30, 10**30), neighbourhood="1,1").cost.params == 9 * 10**60


def test_topological_is_a_convolution_with_a_sparse_kernel() -> None:
    """On a 2 x 3 torus with 2 x 2, channel (r, c) sees (r, c), (r, c + 1), (r + 1, c), (r + 1, c + 1), cyclic."""
    given = {"dims": (2, 3), "neighbourhood": (2, 2), "hw": 7, "stride": 2}
    module, x = _build("topological", 6, **given), _random(2, 6, 7, 7)
    dense = torch.zeros(6, 6, 3, 3, dtype=torch.float64)
    for r in range(2):
        for c in range(3):
            seen = [(r, c), (r, (c + 1) % 3), ((r + 1) % 2, c), ((r + 1) % 2, (c + 1) % 3)]
            for j, (row, column) in enumerate(seen):
                dense[3 * r + c, 3 * row + column] = module.conv.weight[3 * r + c, j]
    assert torch.allclose(module(x), F.conv2d(x, dense, stride=2, padding=1))
