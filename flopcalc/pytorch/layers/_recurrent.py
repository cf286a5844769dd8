"""Recurrent layers step by step, with the kernels that torch's own layers run where no library has a fused one."""

from collections.abc import Sequence
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.spec.operator import Evaluation


class AddTo(nn.Module):
    """The sum of what the input and the state give to a gate, in place."""

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """Two tensors of one shape."""
        return x.add_(other)


class Stack(nn.Module):
    """The outputs of all steps."""

    def forward(self, outputs: Sequence[Tensor]) -> Tensor:
        """(n, c) each -> (n, c, steps)."""
        return torch.stack(tuple(outputs), dim=2)


class Join(nn.Module):
    """The outputs of both directions."""

    def forward(self, outputs: Sequence[Tensor]) -> Tensor:
        """(n, c, steps) each -> (n, 2 c, steps)."""
        return torch.cat(tuple(outputs), dim=1)


class Last(nn.Module):
    """The last states of all layers and directions, which torch returns next to the output."""

    def forward(self, states: Sequence[Sequence[Tensor]]) -> list[Tensor]:
        """The states of each layer and direction -> the first states, the second states."""
        return [torch.stack(kind) for kind in zip(*states, strict=True)]


class Recurrent(nn.Module):
    """Layers and directions of a cell on channels x 1 x steps. A subclass defines `gate` and `step`."""

    gate: int
    memories: int

    def __init__(self, evaluation: Evaluation, **factory: Any) -> None:
        super().__init__()
        g, named = evaluation.geometry, evaluation.named
        self.hidden_size, self.state = g.c_out, named["state"]
        self.num_layers, self.directions = named["num_layers"], named["directions"]
        rows, bias = self.gate * g.c_out, named["bias"]
        widths = [g.c_in, *[self.directions * self.state] * (self.num_layers - 1)]
        inputs = [width for width in widths for _ in range(self.directions)]
        self.input = nn.ModuleList(nn.Linear(width, rows, bias, **factory) for width in inputs)
        self.hidden = nn.ModuleList(nn.Linear(self.state, rows, bias, **factory) for _ in inputs)
        projected = inputs if named.get("projected") else []
        self.projection = nn.ModuleList(nn.Linear(g.c_out, self.state, False, **factory) for _ in projected)
        self.sum, self.stack, self.join, self.last = AddTo(), Stack(), Join(), Last()
        for parameter in self.parameters():
            # As torch initialises its recurrent layers.
            nn.init.uniform_(parameter, -1 / sqrt(g.c_out), 1 / sqrt(g.c_out))

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, 1, steps) -> (n, directions state, 1, steps)."""
        out, lasts = x.squeeze(2), []
        for layer in range(self.num_layers):
            sides = []
            for side in range(self.directions):
                steps = out.unbind(2)
                outputs, last = self._run(layer * self.directions + side, steps[::-1] if side else steps)
                sides.append(self.stack(outputs[::-1] if side else outputs))
                lasts.append(last)
            out = self.join(sides) if len(sides) > 1 else sides[0]
        self.last(lasts)
        return out.unsqueeze(2)

    def _run(self, index: int, steps: Sequence[Tensor]) -> tuple[list[Tensor], tuple[Tensor, ...]]:
        n = len(steps[0])
        like: dict[str, Any] = {"dtype": steps[0].dtype, "device": steps[0].device}
        states = (torch.zeros(n, self.state, **like), *(torch.zeros(n, self.hidden_size, **like),) * self.memories)
        outputs = []
        for x in steps:
            states = self.step(index, x, states)
            outputs.append(states[0])
        return outputs, states

    def step(self, index: int, x: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """One step of a layer and direction: the input and the states -> the new states, the output first."""
        raise NotImplementedError
