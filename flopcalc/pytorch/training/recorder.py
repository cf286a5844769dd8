"""Recording a forward and its backward pass: kernels of the backward pass belong to the layer whose kernel they undo.

Autograd numbers its nodes in the order in which the forward makes them. A kernel of the forward runs right after its
node was made, so that the node of a kernel of the backward pass says which layer it belongs to.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from flopcalc.cost.kinds import WorkKind
from flopcalc.pytorch.counting.kernels import Work
from flopcalc.pytorch.counting.record import add
from flopcalc.pytorch.counting.recorder import Recorder

# The number that autograd will give to the next node, and the node that runs.
_next_node = torch._C._autograd._get_sequence_nr
_running_node = torch._C._current_autograd_node
# Nodes that add up the gradients of parameters have no number of their own.
_LAST = 2**62

Key = tuple[str, WorkKind]


class GradientRecorder(Recorder):
    """Records the forward as every recorder does, and the backward pass after `turn`.

    gradients: by call of the forward, the work of the backward pass; kernels: their number. steps: kernels in the
    longest chain of both passes. unknown_back: (operator, module) -> how often it ran without a rule. scores: by call,
    the multiply-adds of the scores of attention.
    """

    def __init__(self, layers: Mapping[str, str]) -> None:
        super().__init__(layers)
        self.backward = False
        self.gradients: dict[int, dict[Key, Work]] = {}
        self.kernels: dict[int, Counter[Key]] = {}
        self.steps = 0
        self.unknown_back: Counter[tuple[str, str]] = Counter()
        self.scores: Counter[int] = Counter()
        # Of each kernel of the forward: the number of the next node, its call, and its module.
        self._numbers_of_nodes: list[int] = []
        self._kernels_of_nodes: list[tuple[int, str]] = []
        self._origin_before = (0, "")

    def turn(self) -> None:
        """The forward has ended: what follows is the backward pass."""
        self.backward = True
        self.steps = self.result.steps

    @property
    def module(self) -> str:
        """The name of the running module; of the backward pass, of the module whose kernel it undoes."""
        return self._origin()[1] if self.backward else super().module

    def _origin(self) -> tuple[int, str]:
        """The call and the module that a kernel of the backward pass belongs to."""
        name, layer, _ = self._frames[-1]
        if len(self._frames) > 1:
            # A part of the forward runs again, as in torch.utils.checkpoint.
            places = [place for place, call in enumerate(self.result.calls) if call.layer == layer]
            return (places[0], name) if places else self._origin_before
        node = _running_node()
        number = _LAST if node is None else node._sequence_nr()
        if number < _LAST and self._kernels_of_nodes:
            place = bisect_left(self._numbers_of_nodes, number + 1)
            self._origin_before = self._kernels_of_nodes[min(place, len(self._kernels_of_nodes) - 1)]
        return self._origin_before

    def enter(self, name: str) -> None:
        """A module starts to run."""
        if self.backward:
            self._frames.append((name, self._layers.get(name, name), []))
        else:
            super().enter(name)

    def leave(self, given: Any, out: Any) -> None:
        """The innermost module has ended."""
        if self.backward:
            self._frames.pop()
        else:
            super().leave(given, out)

    def kernel(self, kind: WorkKind, work: Work, read: Sequence[Tensor], written: Sequence[Tensor]) -> None:
        """A kernel of the forward or of the backward pass."""
        if not self.backward:
            super().kernel(kind, work, read, written)
            self._numbers_of_nodes.append(_next_node())
            self._kernels_of_nodes.append((len(self.result.calls) - 1, self._frames[-1][0]))
            return
        call, name = self._origin()
        key = (name, kind)
        works = self.gradients.setdefault(call, {})
        works[key] = add(works[key], work) if key in works else work
        self.kernels.setdefault(call, Counter())[key] += 1
        end = 1 + max((self._depth[self.place(tensor)] for tensor in read), default=0)
        for tensor in written:
            place = self.place(tensor)
            self._depth[place] = max(end, self._depth[place])
        self.steps = max(self.steps, end)

    def unknown(self, operator: str) -> None:
        """A kernel without a rule ran."""
        if self.backward:
            self.unknown_back[operator, self.module] += 1
        else:
            super().unknown(operator)

    def stops(self, name: str) -> None:
        """A function of the forward whose gradient cannot be seen."""
        self.unknown_back[name, super().module] += 1

    def _meets(self, tensor: Tensor) -> None:
        # The gradients that the backward pass starts from come from no kernel.
        if not self.backward:
            super()._meets(tensor)

    def attends(self, macs: int) -> None:
        """The last kernels were those of attention. macs: of its scores."""
        if not self.backward and self.result.calls:
            self.scores[len(self.result.calls) - 1] += macs
