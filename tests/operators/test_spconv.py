"""SPConv: the definition of its branches and of their fusion."""

from fractions import Fraction
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import random_tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc import layer
from flopcalc.pytorch.layers import SPConv2d


@pytest.mark.parametrize("stride", [1, 2])
def test_spconv_by_its_definition(stride: int) -> None:
    """Branches and fusion written out with functions; also at an odd size."""
    module = SPConv2d(8, 6, 3, stride=stride, alpha="1/4", norm=True, dtype=torch.float64).eval()
    x = random_tensor(2, 8, 9, 7)
    pooled = x if stride == 1 else F.avg_pool2d(x, 2, 2, ceil_mode=True)
    first = F.conv2d(x[:, :2], module.gwc.weight, stride=stride, padding=1, groups=2)
    first = module.norm_rep(first + F.conv2d(pooled[:, :2], module.pwc.weight))
    second = module.norm_rest(F.conv2d(pooled[:, 2:], module.rest.weight, module.rest.bias))
    exp = [branch.mean((2, 3), keepdim=True).exp() for branch in (first, second)]
    expected = (first * exp[0] + second * exp[1]) / (exp[0] + exp[1])
    assert torch.allclose(module(x), expected)


def test_spconv_at_alpha_one_has_no_rest() -> None:
    """Only the representative part remains: one dense kernel, with the 1x1 in its centre."""
    module = SPConv2d(4, 6, 3, alpha=1, groups_k=1, dtype=torch.float64)
    kernel = module.gwc.weight + F.pad(module.pwc.weight, (1, 1, 1, 1))
    x = random_tensor(1, 4, 6, 6)
    assert torch.allclose(module(x), F.conv2d(x, kernel, padding=1))


@pytest.mark.parametrize("stride", [1, 2])
def test_spconv_in_its_first_form(stride: int) -> None:
    """A k x k convolution of the first channels plus a 1x1 of the rest: one dense kernel with zeros, at stride 1."""
    given: dict[str, Any] = {"alpha": "1/4", "groups_k": 1, "pointwise": False, "fusion": "sum"}
    module = SPConv2d(8, 6, 3, stride=stride, dtype=torch.float64, **given)
    x = random_tensor(2, 8, 9, 7)
    rest = x[:, 2:] if stride == 1 else F.avg_pool2d(x[:, 2:], 2, 2, ceil_mode=True)
    expected = F.conv2d(x[:, :2], module.gwc.weight, stride=stride, padding=1) + F.conv2d(rest, module.rest.weight)
    assert torch.allclose(module(x), expected)
    if stride == 1:
        kernel = torch.cat([module.gwc.weight, F.pad(module.rest.weight, (1, 1, 1, 1))], 1)
        assert torch.allclose(module(x), F.conv2d(x, kernel, padding=1))


def test_spconv_first_form_by_hand() -> None:
    """8 -> 6 on 9x7, alpha 1/4: 2 channels by 3x3, 6 by 1x1, 6 (18 + 6) = 144 weights; of a convolution's 432, 1/3.

    At stride 2 only the 6 channels of the rest are pooled, to 5 x 4: 20 positions of 4 values.
    """
    given: dict[str, Any] = {"alpha": "1/4", "groups_k": 1, "pointwise": False, "fusion": "sum"}
    e = layer("spconv", 8, 6, hw=(9, 7), **given)
    assert (e.cost.params, e.cost.macs) == (144, 144 * 63)
    assert e.ratio("macs") == Fraction(1, 4) + Fraction(3, 4) / 9
    # One convolution of each branch, and their sum.
    assert (e.cost.steps, e.cost.total("adds")) == (2, 6 * 63)
    strided = layer("spconv", 8, 6, hw=(9, 7), stride=2, **given)
    assert strided.cost.total("adds") == 6 * 20 * 4 + 6 * 20
    # Without the 1x1 and without groups, all channels representative: a convolution.
    whole = layer("spconv", 8, 6, hw=(9, 7), stride=2, **{**given, "alpha": 1})
    assert whole.cost.total("traffic") == layer("conv", 8, 6, hw=(9, 7), stride=2).cost.total("traffic")
