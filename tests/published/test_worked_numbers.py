"""Numbers worked out by hand or printed in papers. Each is written here with how it comes about."""

from fractions import Fraction
from typing import Any

import pytest

import flopcalc
from flopcalc import FlopcalcError
from flopcalc.algebra import closed_form
from flopcalc.catalog import lookup

# Its types have a test of their own; here a ratio is a number.
layer: Any = flopcalc.layer

PLAIN = 256 * 256 * 9 * 56 * 56


def test_plain_convolution() -> None:
    """256 -> 256, 3x3, 56x56."""
    conv = layer("conv", 256)
    assert (conv.cost.params, conv.cost.macs, PLAIN) == (589_824, 1_849_688_064, 1_849_688_064)
    assert conv.cost.flops == 2 * PLAIN
    assert layer("conv", 256, bias=True).cost.params == 589_824 + 256


def test_strides_dilation_and_groups() -> None:
    """Output size (57 + 2 - 3) // 2 + 1 = 29; dilation changes no cost; groups divide it."""
    assert layer("conv", 8, 16, hw=57, stride=2).cost.macs == 8 * 16 * 9 * 29 * 29
    assert layer("conv", 8, hw=20, dilation=3).cost.macs == layer("conv", 8, hw=20).cost.macs
    assert layer("conv", 8, groups=4).ratio("macs") == Fraction(1, 4)
    assert layer("conv", 6, k=(1, 7), hw=(10, 12)).cost.macs == 6 * 6 * 7 * 120
    assert layer("conv", 6, k=2, hw=8, padding=0).geometry.h_out == 7


def test_depthwise_separable() -> None:
    """The slides' example with biases, 128 -> 128: 1280 + 16512 = 17792 of 147584, ratio 0.1206."""
    dsc = layer("dsc", 128, bias=True)
    assert [part.params for part in dsc.cost] == [128 * 9 + 128, 128 * 128 + 128]
    assert dsc.cost.params == 17_792
    assert dsc.baseline.params == 147_584
    assert round(float(dsc.ratio("params")), 4) == 0.1206
    # Without bias the printed ratio 1/N + 1/D_K^2 is exact.
    assert layer("dsc", 64, 128).ratio("macs") == Fraction(1, 128) + Fraction(1, 9)


@pytest.mark.parametrize(
    ("depth", "prim", "surplus", "squared", "unsquared"),
    [(1, 128, 0, 0.7500, 0.5020), (2, 43, 2, 0.3937, 0.2821), (3, 19, 10, 0.2725, 0.1855), (4, 9, 14, 0.2181, 0.1401)],
)
def test_compconv_table(depth: int, prim: int, surplus: int, squared: float, unsquared: float) -> None:
    """C = 256, k = 3: C_prim, surplus and both readings of eq. 8, as a share of a convolution."""
    conv = layer("compconv", 256, depth=depth)
    depthwise = layer("compconv", 256, depth=depth, tail="depthwise")
    assert conv.derived["c_prim"] == prim
    assert conv.named["channels"] - 256 == surplus
    assert round(float(conv.ratio("macs")), 4) == squared
    assert round(float(depthwise.ratio("macs")), 4) == unsquared
    # By hand: primary, the levels 2^j p, the tail 2^(d-1) p.
    tail = 2 ** (depth - 1) * prim
    channels = 256 * prim + sum((2**j * prim) ** 2 for j in range(1, depth))
    assert conv.cost.macs == 56 * 56 * 9 * (channels + tail**2)
    assert depthwise.cost.macs == 56 * 56 * 9 * (channels + tail)


def test_compconv_headline() -> None:
    """The README's command: depth 3 and C_prim 19 by the rules, 504,080,640 MACs."""
    e = layer("compconv", 256)
    assert (e.derived["d"], e.derived["c_prim"], e.cost.macs) == (3, 19, 504_080_640)
    # primary; then a concatenation and a convolution for each of two levels; tail; join; shuffle.
    assert e.cost.steps == 1 + 2 * 2 + 1 + 2


def test_compconv_depth_rule() -> None:
    """Eq. 6: log2 floored, max as printed, min as its prose means."""
    depths = {
        c: (layer("compconv", c).named["d"], layer("compconv", c, depth_rule="min").named["d"])
        for c in (64, 128, 255, 256, 384, 512, 1024, 2048)
    }
    assert depths == {
        64: (3, 1),
        128: (3, 1),
        255: (3, 1),
        256: (3, 2),
        384: (3, 2),
        512: (3, 3),
        1024: (4, 3),
        2048: (5, 3),
    }
    assert layer("compconv", 512, c0=32).named["d"] == 5


def test_compconv_limit_for_many_channels() -> None:
    """C -> infinity, d = 1..4: 3/4, 7/18, 25/98, 89/450 squared; and for unsquared 1/2 ... 0.1267."""
    squared = closed_form.closed_form(lookup.get("compconv")).limit("macs")
    unsquared = closed_form.closed_form(lookup.get("compconv"), {"tail": "depthwise"}).limit("macs")
    for depth, first, second in ((1, 0.75, 0.5), (2, 0.3889, 0.2778), (3, 25 / 98, 0.1735), (4, 0.1978, 0.1267)):
        symbol = next(iter(squared.free_symbols))
        assert round(float(squared.subs(symbol, depth)), 4) == round(first, 4)
        assert round(float(unsquared.subs(symbol, depth)), 4) == second


def test_compconv_feasibility() -> None:
    """3 -> 64 at d = 3 copies 15 channels of 3; 16 -> 16 has a surplus of 12 and A(0) only 8."""
    for c_in, c_out in ((3, 64), (16, 16)):
        with pytest.raises(FlopcalcError, match="does not apply") as caught:
            layer("compconv", c_in, c_out, depth=3)
        assert "depth" in caught.value.hint
    assert layer("compconv", 16, depth=0).cost.macs == layer("conv", 16).cost.macs


def test_the_papers_twenty_per_cent() -> None:
    """At C_in = C_out, d = 3: unsquared 17.3 to 20.5 %, squared never under 25.51 %."""
    channels = [c for c in range(32, 513) if _stands(c)]
    squared = [layer("compconv", c, depth=3).ratio("macs") for c in channels]
    unsquared = [layer("compconv", c, depth=3, tail="depthwise").ratio("macs") for c in (64, 128, 256, 512)]
    assert len(channels) > 400
    assert min(squared) >= Fraction(25, 98)
    # 840 / 4096 at C = 64, towards 17 / 98 for large C.
    assert max(unsquared) == Fraction(840, 4096)
    assert Fraction(17, 98) < min(unsquared) < Fraction(18, 98)


def _stands(channels: int) -> bool:
    try:
        layer("compconv", channels, depth=3)
    except FlopcalcError:
        return False
    return True


def test_spconv_reduction() -> None:
    """k = 3, g = 2, alpha = 1/2: 9 / 3.25 = 2.769, printed 2.8."""
    e = layer("spconv", 64, 128)
    assert 1 / e.ratio("macs") == Fraction(9 * 4, 13)
    # L M (alpha k^2 / g + 1) = 8192 * 13 / 4.
    assert e.cost.params == 26_624
    assert f"{float(1 / e.ratio('macs')):.1f}" == "2.8"


def test_spconv_as_built() -> None:
    """Its authors' module has M biases and two batch norms, 4 M, on top."""
    formula, built = layer("spconv", 64, 128), layer("spconv", 64, 128, norm=True)
    assert built.cost.params - formula.cost.params == 128 + 4 * 128
    assert layer("spconv", 64, 128, bias=True).cost.params - formula.cost.params == 128


def test_ghost() -> None:
    """GhostNet's own k = 1, d = 3, c = 16, s = 2: 1.28 times cheaper, where s c / (s + c - 1) says 1.88."""
    e = layer("ghost", 16, 64, k=1)
    assert 1 / e.ratio("macs") == Fraction(16, 8) / Fraction(25, 16) == Fraction(32, 25)
    assert round(float(Fraction(2 * 16, 2 + 16 - 1)), 2) == 1.88
    # s = 3 does not divide 64: 22 intrinsic maps make 66.
    odd = layer("ghost", 16, 64, s=3)
    assert (odd.derived["m"], odd.derived["m"] * 3) == (22, 66)
    # A ghost map costs 9 parameters at d = 3, not the slides' 1 + 1.
    cheap = next(part for part in e.cost if part.name == "cheap")
    assert cheap.params == 32 * 9


def test_sic() -> None:
    """k = 3, b = 8, n = 64 costs 1.014 convolutions although b < k^2; b = 7 is cheaper."""
    assert round(float(layer("sic", 64, b=8).ratio("macs")), 3) == 1.014
    assert layer("sic", 64, b=7).ratio("macs") < 1
    # b < n k^2 / (n + k^2) = 576 / 73 = 7.89 is the exact condition.
    assert layer("sic", 64, b=8).ratio("macs") == 8 * (Fraction(1, 9) + Fraction(1, 64))
    both = [layer("sic", 48, b=3, form=form).cost for form in ("stacked", "parallel")]
    assert both[0].macs == both[1].macs == 3 * (48 * 9 + 48**2) * 56 * 56
    assert both[0].params == both[1].params


def test_topological_projection() -> None:
    """To SIC (k^2 + c) / (k^2 + n): n = 24 as 4 x 6, neighbourhood half of each, 2 x 3."""
    dense, topological = layer("sic", 24), layer("sic", 24, dims=(4, 6))
    assert Fraction(topological.cost.macs, dense.cost.macs) == Fraction(9 + 6, 9 + 24)
    assert topological.cost.params == 2 * 24 * (9 + 6)


def test_huge_channels_stay_exact() -> None:
    """10^30 channels: no float anywhere."""
    assert layer("conv", 10**30).cost.macs == 9 * 10**60 * 56 * 56
    assert layer("spconv", 10**30, alpha="1/4").cost.params == 10**60 * 17 // 8
