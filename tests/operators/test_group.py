"""Grouped convolution: groups see only themselves."""

from fractions import Fraction
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import build, random_tensor, refused
from torch.nn import functional as F  # noqa: N812

from flopcalc import layer


def test_group() -> None:
    """Two groups by default; M groups cost 1 / M; each group reads only its own channels."""
    e = layer("group", 64, 128)
    assert (e.geometry.groups, e.cost.params, e.ratio("macs")) == (2, 64 * 128 * 9 // 2, Fraction(1, 2))
    assert layer("group", 64, groups=8).ratio("params") == Fraction(1, 8)
    refused("groups = 2", "group", 5)
    module, x = build("group", 4, 6, bias=True), random_tensor(1, 4, 5, 5)
    halves = [F.conv2d(x[:, 2 * i : 2 * i + 2], module.weight[3 * i : 3 * i + 3], padding=1) for i in range(2)]
    assert torch.allclose(module(x), torch.cat(halves, 1) + module.bias[:, None, None])
