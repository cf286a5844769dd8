"""Complex convolutions: one kernel of complex numbers, in both witnesses and on both devices."""

from itertools import product
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from flopcalc.pytorch import count
from flopcalc.pytorch.counting.counter import COMPLEX, count_call

WAYS = list(product(("trace", "dispatch"), ("meta", "cpu")))


@pytest.mark.parametrize(("witness", "on"), WAYS)
def test_four_real_multiply_adds(witness: Any, on: Any) -> None:
    """3 -> 4 channels, 3x3, padding 1, on 8x8: 64 positions x 4 x 27 products, 4 each; a bias of 2 real sums each."""
    conv = nn.Conv2d(3, 4, 3, padding=1, dtype=torch.complex64)
    found = count_call(conv, (torch.zeros(1, 3, 8, 8, dtype=torch.complex64),), witness=witness, on=on)
    assert (found.macs, found.adds, found.activations) == (4 * 64 * 4 * 27, 2 * 256, 256)
    assert (found.params, found.kernels[("", "conv")], found.uncounted.total()) == (4 * 27 + 4, 1, 0)
    assert COMPLEX in found.notes


def test_the_same_function_costs_the_same() -> None:
    """A 1x1 convolution, the functional form by keyword, and the linear layer on the same positions."""

    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(4, 3, 1, 1, dtype=torch.complex64))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return functional.conv2d(input=x, weight=self.weight)

    image = torch.zeros(2, 3, 8, 8, dtype=torch.complex64)
    rows = torch.zeros(2, 64, 3, dtype=torch.complex64)
    found = [
        count(nn.Conv2d(3, 4, 1, bias=False, dtype=torch.complex64), image).macs,
        count(Functional(), image).macs,
        count(nn.Linear(3, 4, bias=False, dtype=torch.complex64), rows).macs,
    ]
    assert found == [4 * 2 * 64 * 12] * 3


def test_transposed() -> None:
    """Each of 8 inputs of 3 channels scatters to 4 channels and 3 taps."""
    conv = nn.ConvTranspose1d(3, 4, 3, dtype=torch.complex64)
    assert count(conv, torch.zeros(1, 3, 8, dtype=torch.complex64)).macs == 4 * 8 * 3 * 4 * 3


def test_a_real_convolution_has_no_note() -> None:
    """And one multiply-add for each product."""
    found = count(nn.Conv2d(3, 4, 3), (1, 3, 8, 8))
    assert (found.macs, COMPLEX in found.notes) == (36 * 4 * 27, False)
