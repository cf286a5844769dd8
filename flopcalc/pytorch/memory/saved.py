"""The tensors that autograd keeps for the backward."""

import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from flopcalc.pytorch.memory.follower import Follower, storage_of


class Saved:
    """Each storage that a node saves, once. size: without weights, buffers and inputs; whole: with these.

    live: with checkpointing autograd saves most in the backward; then what is alive at the end of the forward counts.
    """

    def __init__(self, follower: Follower | None = None, *, live: bool = False) -> None:
        self.follower = follower
        self.live = live
        self.size = self.whole = 0
        self._sizes: dict[int, int] = {}
        self._known: dict[int, int] = {}
        # What the nodes hold: a node that leads to no output is gone when the forward ends, with all that it saved.
        self._held: list[tuple[weakref.ref[Tensor], bool, int, int]] = []

    @contextmanager
    def looking(self) -> Iterator[None]:
        """While the forward runs."""
        if self.follower is None:
            yield
            return
        with torch.autograd.graph.saved_tensors_hooks(self._pack, lambda tensor: tensor):
            yield
        for held, known, place, size in self._held:
            if held() is not None:
                (self._known if known else self._sizes)[place] = size
        self.size = sum(self._sizes.values())
        self.whole = self.size + sum(self._known.values())

    def ended(self, left: Sequence[Tensor]) -> None:
        """The forward has ended, and only the tensors `left` are there and what is saved."""
        if self.live and self.follower is not None:
            others = {storage._cdata: storage.nbytes() for one in left if (storage := storage_of(one)) is not None}
            unsaved = sum(size for place, size in others.items() if place not in self._sizes)
            self.size = self.follower.exact - unsaved
            self.whole = self.size + sum(self._known.values())

    def _pack(self, tensor: Tensor) -> Tensor:
        # Not the tensor itself: an output of a node would keep the node alive, and the node its output.
        with torch._C.DisableTorchFunction():
            held = tensor.detach()
        storage = storage_of(tensor)
        if storage is not None and self.follower is not None:
            known = self.follower.is_known(tensor)
            self._held.append((weakref.ref(held), known, storage._cdata, storage.nbytes()))
        return held
