"""SPConv: the definition of its branches and of their fusion."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import random_tensor
from torch.nn import functional as F  # noqa: N812

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
