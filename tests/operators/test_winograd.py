"""Winograd's and Fourier's ways to compute a convolution: the same numbers, and the published savings."""

from fractions import Fraction
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import part_total, random_tensor
from torch.nn import functional

from flopcalc import FlopcalcError, layer, network
from flopcalc.catalog import lookup
from flopcalc.operators._winograd import LARGEST, transforms
from flopcalc.pytorch.comparison import compare_layer
from flopcalc.pytorch.layers import FFTConv2d, WinogradConv2d
from flopcalc.replacing.described import replace_convolutions
from flopcalc.spec.layer_record import notes


@pytest.mark.parametrize("m", range(1, LARGEST + 1))
@pytest.mark.parametrize(("hw", "padding"), [((8, 12), 1), ((7, 5), 1), ((9, 6), 0), ((5, 4), (2, 0))], ids=str)
def test_winograd_is_the_convolution(m: int, hw: tuple[int, int], padding: Any) -> None:
    """The same weights and biases give the output of torch's convolution, with tiles that do not fit too."""
    module = WinogradConv2d(3, 5, padding=padding, bias=True, m=m, dtype=torch.float64)
    torch.nn.init.normal_(module.bias.bias)
    x = random_tensor(2, 3, *hw)
    expected = functional.conv2d(x, module.weights.weight, module.bias.bias, padding=padding)
    assert torch.allclose(module(x), expected)


@pytest.mark.parametrize(("k", "hw", "padding"), [(3, (8, 12), 1), (5, (7, 5), 2), ((1, 4), (9, 6), 0)], ids=str)
def test_fourier_is_the_convolution(k: Any, hw: tuple[int, int], padding: int) -> None:
    """Odd maps, an even kernel, no padding."""
    module = FFTConv2d(3, 5, k, padding=padding, bias=True, dtype=torch.float64)
    torch.nn.init.normal_(module.bias.bias)
    x = random_tensor(2, 3, *hw)
    expected = functional.conv2d(x, module.weights.weight, module.bias.bias, padding=padding)
    assert torch.allclose(module(x), expected)


@pytest.mark.parametrize("padding", [0, 2, (2, 0)], ids=str)
def test_maps_that_do_not_keep_their_size(padding: Any) -> None:
    """The padding reads the input, and the bias is added on the output: part by part, in every kind of cost."""
    for row in compare_layer(layer("winograd", 3, 5, hw=(8, 13), padding=padding, bias=True)):
        assert row.agrees, row


def test_published_savings() -> None:
    """F(2x2, 3x3) has 2.25 times fewer products than the convolution, F(4x4, 3x3) 4 times fewer."""
    for m, times in ((2, Fraction(9, 4)), (4, Fraction(4)), (6, Fraction(81, 16))):
        e = layer("winograd", 64, 32, hw=24, m=m)
        assert Fraction(e.baseline.macs, e.macs) == times
        products = (
            f"= {(m + 2) ** 2} products for {m**2} outputs instead of {9 * m**2}, {float(times):.4g} times fewer;"
        )
        assert products in notes(e)[0]
    # The last tiles reach beyond a map of 7 x 7: 4^2 tiles of 2, 2^2 tiles of 4.
    assert layer("winograd", 8, hw=7).macs == 16 * 16 * 64
    assert layer("winograd", 8, hw=7, m=4).macs == 4 * 36 * 64


def test_published_transforms_of_f_2_3() -> None:
    """32 additions for a tile of data, 28 for a filter, 24 for the output, as the paper has them for F(2x2, 3x3)."""
    e = layer("winograd", 3, 5, hw=2)
    assert part_total(e, "data", "adds") == 32 * 3
    assert part_total(e, "weights", "adds") == 28 * 15
    assert part_total(e, "output", "adds") == 24 * 5
    assert part_total(e, "data", "muls") == part_total(e, "output", "muls") == 0
    scale = next(part for part in e.cost if part.name == "weights.scale")
    # Two rows of the filter's transform are halved: 2 x (3 + 4) products.
    assert scale.muls == 14 * 15


def _matrix(transform: Any) -> list[list[Fraction]]:
    rows = []
    for row in transform.rows:
        values = dict.fromkeys(range(transform.columns), Fraction(0))
        values.update({index: row.factor * coefficient for coefficient, index in row.terms})
        rows.append(list(values.values()))
    return rows


def test_matrices_of_f_4_3() -> None:
    """Those that the paper prints: data, filter and output."""
    found = transforms(4)
    assert _matrix(found.data) == [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
    sixth, halves = Fraction(1, 6), [Fraction(1, 24), Fraction(1, 12), Fraction(1, 6)]
    assert _matrix(found.weights) == [
        [Fraction(1, 4), 0, 0],
        [-sixth, -sixth, -sixth],
        [-sixth, sixth, -sixth],
        halves,
        [halves[0], -halves[1], halves[2]],
        [0, 0, 1],
    ]
    assert _matrix(found.output) == [
        [1, 1, 1, 1, 1, 0],
        [0, 1, -1, 2, -2, 0],
        [0, 1, 1, 4, 4, 0],
        [0, 1, -1, 8, -8, 1],
    ]


def test_products_of_vgg16() -> None:
    """All 13 convolutions of VGG-16 are 3 x 3 at stride 1 on sizes that 2 divides, down to 14: 2.25 times fewer."""
    net = network("vgg16")
    fast = replace_convolutions(net, lookup.get("winograd"), {}).network
    convolutions = [one for one in net.layers if one.kind == "conv"]
    assert len(convolutions) == 13
    saved = net.macs - fast.macs
    assert saved * 9 == 5 * sum(one.cost.macs for one in convolutions)
    assert fast.params == net.params


def test_fourier_by_hand() -> None:
    """A 5x5 kernel on 28 x 28 of 16 channels: padded to 32 x 32, 32 x 17 frequencies, 4 MACs for each pair.

    A transform of 1024 real numbers: 10 levels, 1024 x 10 products and half as many additions again.
    """
    e = layer("fft_conv", 16, 8, k=5, hw=28)
    assert e.macs == 4 * 32 * 17 * 16 * 8
    assert e.params == 16 * 8 * 25
    assert part_total(e, "spectrum", "muls") == 16 * 1024 * 10
    assert part_total(e, "spectrum", "adds") == 16 * 1024 * 15
    filters = next(part for part in e.cost if part.name == "weights.spectrum")
    assert (filters.muls, filters.adds) == (16 * 8 * 1024 * 10, 16 * 8 * 1024 * 15)
    # Transforms of 16 + 8 maps, and of 16 x 8 kernels: 25 for each of 1024 numbers.
    said = " ".join(notes(e))
    assert f"maps {24 * 25 * 1024:,}, weights {128 * 25 * 1024:,};" in said
    # The products do not depend on the kernel, as long as the padded map has the same size.
    assert layer("fft_conv", 16, 8, k=3, hw=30).macs == e.macs
    # Of 2 points one level of sums and differences along each axis, the least; of 6 and of 8 three.
    assert [layer("fft_conv", 1, k=1, hw=hw).named["depth"] for hw in (1, 2, (2, 6), (6, 8), (8, 10))] == [
        2,
        2,
        4,
        6,
        7,
    ]


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("winograd", {"k": 5}, "5x5 kernel"),
        ("winograd", {"stride": 2}, "stride 2"),
        ("winograd", {"dilation": 2}, "dilation 2"),
        ("winograd", {"groups": 2}, "groups = 2"),
        ("winograd", {"m": 7}, "at most 6"),
        ("fft_conv", {"stride": 2}, "stride 2"),
        ("fft_conv", {"dilation": 2}, "dilation 2"),
    ],
)
def test_where_it_does_not_apply(name: str, settings: dict[str, Any], message: str) -> None:
    """Tiles are those of a 3x3 kernel at stride 1."""
    with pytest.raises(FlopcalcError, match=message):
        layer(name, 8, **settings)
