"""Recording a forward and its backward pass: kernels of the backward pass belong to the layer whose kernel they undo.

Autograd numbers its nodes in the order in which the forward makes them. A kernel of the forward runs right after its
node was made, so that the node of a kernel of the backward pass says which layer it belongs to. So it is with the nodes
of a part of the forward that runs again, whose gradients may be those of the second run.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from flopcalc.cost.kinds import WorkKind
from flopcalc.networks.network import Gradients
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
    longest chain of both passes. macs: by call, what the MACs of the backward pass are. unknown_back: (operator,
    module) -> how often it ran without a rule. scores: by call, the multiply-adds of the scores of attention.
    """

    def __init__(self, layers: Mapping[str, str]) -> None:
        super().__init__(layers)
        self.backward = False
        self.gradients: dict[int, dict[Key, Work]] = {}
        self.kernels: dict[int, Counter[Key]] = {}
        self.steps = 0
        self.macs: dict[int, Gradients] = {}
        # The gradients that the next kernel of the backward pass computes, where its arguments say so.
        self.wanted: tuple[bool, bool] | None = None
        # Queries, keys and values, where the next kernel of the backward pass is that of fused attention.
        self.attention: Sequence[Tensor] | None = None
        self.unknown_back: Counter[tuple[str, str]] = Counter()
        self.scores: Counter[int] = Counter()
        # The same of attention whose gradients fused kernels computed.
        self._scores_again: Counter[int] = Counter()
        # Of each kernel of the forward: the number of the next node, its call, and its module.
        self._numbers_of_nodes: list[int] = []
        self._kernels_of_nodes: list[tuple[int, str]] = []
        self._origin_before: tuple[int, str, int | None] = (0, "", None)
        # Places of tensors that come from the forward pass, and of those among them that depend on its input.
        self._of_forward: set[int] = set()
        self._varies: set[int] = set()
        # Of each kernel of the forward, whether its two factors depend on the input.
        self._factors: list[tuple[bool, bool]] = []

    def start(self, parameters: Iterable[Tensor], given: Iterable[Tensor], held: Iterable[Tensor] = ()) -> None:
        """As of every recorder."""
        given = list(given)
        super().start(parameters, given, held)
        self._varies.update(map(self.place, given))

    def passed(self, read: Sequence[Tensor], written: Sequence[Tensor]) -> None:
        """As of every recorder."""
        super().passed(read, written)
        self._follow(read, written)

    def turn(self, gradients: Iterable[Tensor] = ()) -> None:
        """The forward has ended: what follows is the backward pass. gradients: those of the outputs."""
        self.backward = True
        self.steps = self.result.steps
        self._of_forward.update(self._depth)
        self._of_forward.difference_update(map(self.place, gradients))

    @property
    def module(self) -> str:
        """The name of the running module; of the backward pass, of the module whose kernel it undoes."""
        return self._origin()[1] if self.backward else super().module

    def _origin(self) -> tuple[int, str, int | None]:
        """Where a kernel of the backward pass belongs: the call, the module, and the kernel of the forward."""
        name, layer, _ = self._frames[-1]
        if len(self._frames) > 1:
            # A part of the forward runs again, as in torch.utils.checkpoint.
            places = [place for place, call in enumerate(self.result.calls) if call.layer == layer]
            return (places[0], name, None) if places else self._origin_before
        node = _running_node()
        number = _LAST if node is None else node._sequence_nr()
        if number < _LAST and self._kernels_of_nodes:
            place = min(bisect_left(self._numbers_of_nodes, number + 1), len(self._kernels_of_nodes) - 1)
            self._origin_before = (*self._kernels_of_nodes[place], place)
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
            self._made_node(len(self.result.calls) - 1, self._frames[-1][0], kind, read)
            self._follow(read, written)
            return
        call, name, undone = self._origin()
        if torch.is_grad_enabled():
            # A part of the forward runs again, and the gradients may be those of its nodes.
            self._made_node(call, name, kind, read)
        attention, self.attention = self.attention, None
        found = None
        if attention is not None:
            work, found = self._of_attention(call, work, attention)
        key = (name, kind)
        works = self.gradients.setdefault(call, {})
        works[key] = add(works[key], work) if key in works else work
        self.kernels.setdefault(call, Counter())[key] += 1
        if work.macs:
            found = found or self._meaning(kind, work.macs, read, undone)
            self.macs[call] = Gradients(*map(sum, zip(self.macs.get(call, Gradients()), found, strict=True)))
        if all(map(self._is_of_forward, read)):
            self._of_forward.update(map(self.place, written))
            self._follow(read, written)
        end = 1 + max((self._depth[self.place(tensor)] for tensor in read), default=0)
        for tensor in written:
            place = self.place(tensor)
            self._depth[place] = max(end, self._depth[place])
        self.steps = max(self.steps, end)

    def _meaning(self, kind: WorkKind, macs: int, read: Sequence[Tensor], undone: int | None) -> Gradients:
        """What the MACs of a kernel of the backward pass are. undone: the kernel of the forward that it undoes."""
        wanted, self.wanted = self.wanted, None
        first, second = _factors(kind, read) if wanted is None else (None, None)
        saved = [one for one in (first, second) if one is not None and self._is_of_forward(one)]
        if wanted is None and (undone is None or len(saved) == 2):
            # A product of tensors of the forward pass is not a gradient.
            return Gradients(again=macs)
        varies = (True, True) if undone is None else self._factors[undone]
        if wanted is not None:
            each = macs // max(1, sum(wanted))
            of_weights = each * sum(is_wanted and not own for is_wanted, own in zip(wanted, varies, strict=True))
        elif varies[0] == varies[1]:
            of_weights = 0 if varies[0] else macs
        else:
            # The gradient of one factor is a product with the other one.
            of_weights = macs if any(map(self._depends, saved)) else 0
        return Gradients(macs - of_weights, of_weights)

    def _made_node(self, call: int, name: str, kind: WorkKind, read: Sequence[Tensor]) -> None:
        """A kernel of the forward ran, whose node, if it has one, is the last that autograd made."""
        self._numbers_of_nodes.append(_next_node())
        self._kernels_of_nodes.append((call, name))
        first, second = _factors(kind, read)
        self._factors.append((self._depends(first), self._depends(second)))

    def _of_attention(self, call: int, work: Work, factors: Sequence[Tensor]) -> tuple[Work, Gradients]:
        """The gradients of fused attention without its scores, which `scores` has; and what their MACs are.

        The four products are the gradients of queries and keys, as long as these, and of values and shares.
        """
        query, _, value = factors
        inner, outer = query.shape[-1], value.shape[-1]
        pairs = work.macs // (3 * inner + 2 * outer)
        # A kernel that is called by itself has no scores from the forward.
        self._scores_again[call] += pairs * inner
        self.scores[call] = max(self.scores[call], self._scores_again[call])
        queries, keys, values = (not self._depends(one) for one in factors)
        of_weights = pairs * (inner * (queries + keys) + outer * (values + (queries and keys)))
        macs = 2 * pairs * (inner + outer)
        return work._replace(macs=macs), Gradients(macs - of_weights, of_weights)

    def _follow(self, read: Iterable[Tensor], written: Iterable[Tensor]) -> None:
        """What is computed from tensors that depend on the input depends on it, too."""
        if any(map(self._depends, read)):
            self._varies.update(map(self.place, written))

    def _depends(self, tensor: Tensor | None) -> bool:
        return tensor is not None and self.place(tensor) in self._varies

    def _is_of_forward(self, tensor: Tensor) -> bool:
        return self.place(tensor) in self._of_forward

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

    def attends(self, macs: int, *, on_meta: bool) -> None:
        """The last kernels were those of attention. macs: of its scores.

        What torch's older way to checkpoint runs first has no gradients, and what it runs again has them. On real
        values the fused kernel is seen in the backward pass.
        """
        if not torch.is_grad_enabled() or not self.result.calls:
            return
        if not self.backward:
            self.scores[len(self.result.calls) - 1] += macs
        elif on_meta and _in_reentrant_checkpoint():
            self.scores[self._origin()[0]] += macs


def _in_reentrant_checkpoint() -> bool:
    node = _running_node()
    return node is not None and node.name() == "CheckpointFunctionBackward"


def _factors(kind: WorkKind, read: Sequence[Tensor]) -> tuple[Tensor | None, Tensor | None]:
    """The two factors of a product, from what its kernel reads: a bias is the last of a convolution, else the first."""
    among = read[:2] if kind == "conv" else read[-2:]
    first, second = (*among, None, None)[:2]
    return first, second
