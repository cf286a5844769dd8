"""The GRU on a row of tokens, step by step as torch runs it without a fused kernel."""

from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.pytorch.layers._recurrent import Recurrent
from flopcalc.spec.operator import Evaluation


class Sigmoid(nn.Module):
    """The sigmoid, in place."""

    def forward(self, x: Tensor) -> Tensor:
        """Unchanged in shape."""
        return x.sigmoid_()


class Tanh(nn.Module):
    """The tangent, in place."""

    def forward(self, x: Tensor) -> Tensor:
        """Unchanged in shape."""
        return x.tanh_()


class TimesTo(nn.Module):
    """A product, in place."""

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """Unchanged in shape."""
        return x.mul_(other)


class Update(nn.Module):
    """Sums and differences that make the new state."""

    def forward(self, x: Tensor, other: Tensor, sign: int = 1) -> Tensor:
        """Unchanged in shape."""
        return x + other if sign > 0 else x - other


class GRU(Recurrent):
    """nn.GRU (Cho et al. 2014); the reset gate multiplies what the state gives, as in torch and cuDNN."""

    gate, memories = 3, 0

    def __init__(self, evaluation: Evaluation, **factory: Any) -> None:
        super().__init__(evaluation, **factory)
        self.gates, self.products, self.update = nn.ModuleList((Sigmoid(), Tanh())), TimesTo(), Update()

    def step(self, index: int, x: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """(n, c_in) and the state -> the new state."""
        (state,) = states
        from_x = torch.unsafe_chunk(self.input[index](x), 3, 1)
        from_state = torch.unsafe_chunk(self.hidden[index](state), 3, 1)
        reset = self.gates[0](self.sum(from_state[0], from_x[0]))
        keep = self.gates[0](self.sum(from_state[1], from_x[1]))
        new = self.gates[1](self.update(from_x[2], self.products(from_state[2], reset)))
        return (self.update(self.products(self.update(state, new, -1), keep), new),)


LAYER = GRU


def build(evaluation: Evaluation, **factory: Any) -> nn.Module:
    """The GRU of the evaluation's sizes."""
    return GRU(evaluation, **factory)
