"""A module of one function and one product, whose multiply-accumulates show what a form says of the function."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn


class Multiplied(nn.Module):
    """A function of the input, times a matrix of rows x columns."""

    def __init__(self, function: Callable[[Any], Any], rows: int, columns: int) -> None:
        super().__init__()
        self.function, self.matrix = function, nn.Parameter(torch.ones(rows, columns))

    def forward(self, x: Any) -> Any:
        """The product."""
        return self.function(x) @ self.matrix
