"""Convolution as two of low rank; refusals that all three factorisations share."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import random_tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc import FlopcalcError, layer
from flopcalc.pytorch.layers import SVDConv2d


def test_factorisations_by_hand() -> None:
    """8 -> 12, 3x3, 6x4 at stride 2, so 3x2.

    svd, r = 3: 8 * 9 * 3 + 3 * 12 = 252 weights, all on 6 positions.
    tucker2, r1 = 2, r2 = 3: 16 on 24 positions, 2 * 3 * 9 = 54 and 36 on 6.
    cp, r = 12: 96 on 24, 12 * 3 on 3x4 and on 3x2, 144 on 3x2.
    """
    sizes: dict[str, Any] = {"hw": (6, 4), "stride": 2}
    svd = layer("svd", 8, 12, **sizes)
    assert (svd.named["r"], svd.cost.params, svd.cost.macs, svd.cost.steps) == (3, 252, 252 * 6, 2)
    tucker = layer("tucker2", 8, 12, **sizes)
    assert (tucker.cost.params, tucker.cost.macs, tucker.cost.steps) == (16 + 54 + 36, 16 * 24 + 90 * 6, 3)
    cp = layer("cp", 8, 12, **sizes)
    assert (cp.cost.params, cp.cost.steps) == (96 + 36 + 36 + 144, 4)
    assert cp.cost.macs == 96 * 24 + 36 * 12 + 36 * 6 + 144 * 6
    for name in ("svd", "tucker2", "cp"):
        assert layer(name, 8, 12, bias=True).cost.params == layer(name, 8, 12).cost.params + 12


def test_svd_is_the_nearest_of_its_rank() -> None:
    """At full rank it is the convolution; below, its error is that of the singular values left out."""
    weight, bias = random_tensor(6, 4, 3, 3), random_tensor(6)
    x = random_tensor(2, 4, 7, 8, seed=1)
    full = SVDConv2d(4, 6, 3, stride=2, bias=True, rank=6, dtype=torch.float64)
    full.factorise(weight, bias)
    assert torch.allclose(full(x), F.conv2d(x, weight, bias, stride=2, padding=1))
    low = SVDConv2d(4, 6, 3, rank=2, dtype=torch.float64)
    low.factorise(weight)
    product = torch.einsum("or,rihw->oihw", low.mix.weight[:, :, 0, 0], low.basis.weight)
    left_out = torch.linalg.svdvals(weight.flatten(1))[2:]
    assert torch.allclose((product - weight).square().sum(), left_out.square().sum())
    assert torch.allclose(low(x), F.conv2d(x, product, padding=1))


@pytest.mark.parametrize(
    ("name", "options"),
    [("svd", {"rank": 13}), ("svd", {"groups": 2}), ("tucker2", {"rank1": 9}), ("tucker2", {"rank2": 13})],
)
def test_factorisations_refuse(name: str, options: dict[str, Any]) -> None:
    """Ranks beyond the matrix, and grouped convolutions."""
    with pytest.raises(FlopcalcError, match="does not apply"):
        layer(name, 8, 12, **options)
    # The matrix of 32 filters of 1 channel is 32 x 9.
    assert layer("svd", 1, 32, rank=9).cost.params == 9 * 9 + 32 * 9
    with pytest.raises(FlopcalcError, match="rank 10 of a 32 x 9 matrix"):
        layer("svd", 1, 32, rank=10)
    # A quarter of three channels is not a rank.
    with pytest.raises(FlopcalcError, match="does not apply"):
        layer(name, 3)
