"""The LSTM on a row of tokens, step by step as torch runs it without a fused kernel."""

from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.pytorch.layers._recurrent import Recurrent
from flopcalc.spec.operator import Evaluation


class Gates(nn.Module):
    """Three sigmoids and a tangent in place, and the tangent of the memory."""

    def forward(self, sums: Tensor) -> tuple[Tensor, ...]:
        """(n, 4 c) -> input, forget, candidate and output gate."""
        i, f, g, o = torch.unsafe_chunk(sums, 4, 1)
        return i.sigmoid_(), f.sigmoid_(), g.tanh_(), o.sigmoid_()


class Tanh(nn.Module):
    """The tangent of the memory."""

    def forward(self, x: Tensor) -> Tensor:
        """Unchanged in shape."""
        return x.tanh()


class Times(nn.Module):
    """A product of two tensors of one shape."""

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """Unchanged in shape."""
        return x * other


class Update(nn.Module):
    """What is kept of the memory and what is added to it, in place."""

    def forward(self, kept: Tensor, added: Tensor) -> Tensor:
        """Unchanged in shape."""
        return kept.add_(added)


class LSTM(Recurrent):
    """nn.LSTM (Hochreiter and Schmidhuber 1997), its projections included."""

    gate, memories = 4, 1

    def __init__(self, evaluation: Evaluation, **factory: Any) -> None:
        super().__init__(evaluation, **factory)
        self.gates, self.products, self.update = nn.ModuleList((Gates(), Tanh())), Times(), Update()

    def step(self, index: int, x: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """(n, c_in) and output and memory -> the new output and memory."""
        out, memory = states
        i, f, g, o = self.gates[0](self.sum(self.hidden[index](out), self.input[index](x)))
        memory = self.update(self.products(f, memory), self.products(i, g))
        out = self.products(o, self.gates[1](memory))
        return (self.projection[index](out) if len(self.projection) else out), memory


LAYER = LSTM


def build(evaluation: Evaluation, **factory: Any) -> nn.Module:
    """The LSTM of the evaluation's sizes."""
    return LSTM(evaluation, **factory)
