"""Partial convolution: some channels are convolved, the others pass."""

from fractions import Fraction
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import build_block, random_tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc import FlopcalcError, layer


def test_pconv_numbers() -> None:
    """A quarter of the channels costs a sixteenth: 16*16*9 of 64*64*9."""
    pconv = layer("pconv", 64)
    assert (pconv.cost.params, pconv.cost.macs) == (2304, 2304 * 3136)
    assert pconv.ratio("macs") == Fraction(1, 16)
    # 50 // 4 = 12 channels, as the authors' code has it.
    assert layer("pconv", 50).cost.params == 12 * 12 * 9
    for wrong in ({"c_out": 32}, {"stride": 2}, {"ratio": "1/65"}):
        with pytest.raises(FlopcalcError, match="pconv does not apply"):
            layer("pconv", 64, **wrong)


def test_pconv_by_its_definition() -> None:
    """The first channels are convolved, the others are those of the input."""
    module = build_block("pconv", 10, ratio="1/3", k=5)
    x = random_tensor(2, 10, 7, 6)
    out = module(x)
    assert torch.allclose(out[:, :3], F.conv2d(x[:, :3], module.conv.weight, padding=2))
    assert torch.equal(out[:, 3:], x[:, 3:])
