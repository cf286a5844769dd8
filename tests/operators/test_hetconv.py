"""HetConv: the tables of its paper, its exact and its masked form."""

import copy
from fractions import Fraction
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import build, random_tensor, refused
from torch.nn import functional as F  # noqa: N812

from flopcalc import layer, network
from flopcalc.catalog import lookup
from flopcalc.replacing.described import replace_convolutions

# VGG-16 for CIFAR-10: channels in and out and the size of the map, as the authors of HetConv built it.
_VGG = [
    (3, 64, 32),
    (64, 64, 32),
    (64, 128, 16),
    (128, 128, 16),
    (128, 256, 8),
    (256, 256, 8),
    (256, 256, 8),
    (256, 512, 4),
    (512, 512, 4),
    (512, 512, 4),
    (512, 512, 2),
    (512, 512, 2),
    (512, 512, 2),
]


_HEAD = 512 * 512 + 512 * 10


@pytest.mark.parametrize(("part", "printed"), [(2, "175.23"), (4, "105.98"), (8, "71.35"), (64, "41.05")])
def test_hetconv_table_of_its_paper(part: int, printed: str) -> None:
    """MACs and one more per output for the bias; all but the first convolution scaled by R; cut to two digits."""
    first, *others = _VGG
    total = Fraction(first[2] ** 2 * (first[0] * 9 + 1) * first[1] + _HEAD)
    for c_in, c_out, hw in others:
        e = layer("hetconv", c_in, c_out, hw=hw, part=part)
        ratio = e.ratio("macs")
        assert ratio == Fraction(1, part) + (1 - Fraction(1, part)) / 9
        total += e.cost.macs + ratio * c_out * hw * hw
    assert int(total / 10_000) == int(printed.replace(".", ""))


def test_hetconv_parameters() -> None:
    """P = 4 in VGG-16: 5,172,490 by the formula; 5,590,538 in the authors' code, batch norms included.

    The head is 512-512-10 with biases, the first convolution has one too; 4224 channels and the 512
    of the head have a batch norm, which the first figure leaves out.
    """
    head = _HEAD + 512 + 10
    exact = sum(layer("hetconv", c_in, c_out, hw=hw).cost.params for c_in, c_out, hw in _VGG[1:])
    masked = sum(layer("hetconv", c_in, c_out, hw=hw, form="masked").cost.params for c_in, c_out, hw in _VGG[1:])
    channels = sum(c_out for _, c_out, _ in _VGG)
    assert channels == 4224
    assert masked + 3 * 64 * 9 + 64 + 2 * channels + 2 * 512 + head == 5_590_538
    assert exact + 3 * 64 * 9 + 64 + head == 5_172_490


def test_hetconv_in_resnet50() -> None:
    """P = 4 in the sixteen 3x3 convolutions: 2.85 G (cut), 30.32 % less by the printed digits 4.09 and 2.85."""
    done = replace_convolutions(network("resnet50"), lookup.get("hetconv"), {})
    assert len(done.replaced) == 16
    assert int(done.network.total("macs") / 10**7) == 285
    assert round(100 * (1 - 2.85 / 4.09), 2) == 30.32


def test_hetconv_units() -> None:
    """Per pair of channels at k = 3: 9 / 4 + 1 - 1 / 4 = 3 exact, 9 / 4 + 1 = 3.25 masked."""
    assert layer("hetconv", 64, hw=10).cost.macs == 3 * 64 * 64 * 100
    assert layer("hetconv", 64, hw=10, form="masked").cost.macs == 64 * 64 * 100 * 13 // 4
    assert layer("hetconv", 64, part=1).cost.macs == layer("conv", 64).cost.macs
    # At P = 1 the code still has its 1x1, all zeros: 10 units for 9.
    assert layer("hetconv", 64, part=1, form="masked").ratio("macs") == Fraction(10, 9)
    # The exact form gathers while the k x k convolution runs: gather, 1x1, sum.
    assert (layer("hetconv", 64).cost.steps, layer("hetconv", 64, form="masked").cost.steps) == (3, 2)
    refused("part = 4", "hetconv", 6, 8)


@pytest.mark.parametrize("form", ["exact", "masked"])
def test_hetconv_is_a_convolution_with_points_in_its_kernel(form: str) -> None:
    """One dense kernel: k x k on the own group, only the centre elsewhere; also at a stride."""
    module, x = build("hetconv", 6, 9, hw=7, stride=2, part=3, form=form), random_tensor(2, 6, 7, 7)
    dense = torch.zeros(9, 6, 3, 3, dtype=torch.float64)
    for o in range(9):
        own = [2 * (o // 3), 2 * (o // 3) + 1]
        others = [c for c in range(6) if c not in own]
        dense[o, own] = module.gwc.weight[o]
        points = module.pwc.weight[o, :, 0, 0]
        dense[o, others, 1, 1] = points if form == "exact" else points[others]
    assert torch.allclose(module(x), F.conv2d(x, dense, stride=2, padding=1))


def test_masked_hetconv_stays_masked() -> None:
    """Training, copies included, leaves the own group at zero and moves the others."""
    module = copy.deepcopy(build("hetconv", 4, 8, hw=5, part=2, form="masked"))
    before = module.pwc.weight.detach().clone()
    torch.optim.SGD(module.parameters(), lr=0.1).zero_grad()
    module(random_tensor(1, 4, 5, 5)).square().sum().backward()
    torch.optim.SGD(module.parameters(), lr=0.1).step()
    weight = module.pwc.weight.detach()[:, :, 0, 0]
    assert weight[:4, :2].abs().sum() == weight[4:, 2:].abs().sum() == 0
    assert (weight[:4, 2:] != before[:4, 2:, 0, 0]).all()
