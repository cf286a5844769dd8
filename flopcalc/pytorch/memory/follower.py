"""A dispatch mode that follows which tensors are alive.

A tensor's memory is its storage, which all views of it share. A storage is alive from the kernel that made it until no
tensor and no node of autograd's graph has it: weak references tell, as nothing here holds it.
"""

import weakref
from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._ops import OpOverload

from flopcalc.networks.allocator import FREED, Event, blocks
from flopcalc.networks.dataflow import Peak, as_moments
from flopcalc.pytorch.counting.dispatch import DispatchCounter, left_alone
from flopcalc.pytorch.counting.kernels import tensors
from flopcalc.pytorch.memory.accumulation import IN_PLACE, is_written, owners, sole_owner
from flopcalc.pytorch.memory.fused_attention import fused_attention
from flopcalc.pytorch.memory.graph import Graph
from flopcalc.pytorch.memory.temporaries import IN_PIECES, in_its_memory, others
from flopcalc.pytorch.memory.workspace import workspace

ROOT = "(model)"
# Behind the name of a layer whose gradients are computed.
BACKWARD = " (backward)"


class Level(NamedTuple):
    """The highest number of live bytes, exact and in blocks, and in blocks with estimated workspaces."""

    exact: int = 0
    exact_at: str = ""
    in_blocks: int = 0
    at: str = ""
    with_workspace: int = 0


def storage_of(tensor: Tensor) -> Any:
    """What holds the values of a tensor; None for sparse, nested and other tensors without one storage."""
    try:
        return tensor.untyped_storage()
    except (NotImplementedError, RuntimeError):
        return None


class Follower(DispatchCounter):  # type: ignore[no-untyped-call]
    """Follows the storages that kernels make. module: gives the name of the module that is running.

    known: storages that are there before: weights, buffers and inputs. graph: records the steps, if there is one.
    cuda: whether kernels make the temporary tensors that those of CUDA make.
    """

    def __init__(
        self, module: Callable[[], str], generator: torch.Generator, graph: Graph | None = None, cuda: bool = False
    ) -> None:
        super().__init__(None, generator=generator)
        self.cuda = cuda
        self.module = module
        self.graph = graph
        self.exact = self.in_blocks = 0
        self.top = Level()
        self.pairs: list[tuple[str, int]] = []
        # All tensors that came and went, in order.
        self.events: list[Event] = []
        self._last = ""
        self._held: dict[int, Any] = {}
        # By storage, the number of the node of the graph that made it in the backward.
        self._makers: dict[int, int] = {}
        # Looks at a backward, which it cannot do within one.
        sole_owner()
        self._places: list[int] = []
        self._names: list[str] = []

    def knows(self, known: Iterable[Tensor]) -> None:
        """Storages that are not followed."""
        for tensor in known:
            storage = storage_of(tensor)
            if storage is not None:
                self._held[storage._cdata] = storage

    def is_known(self, tensor: Tensor) -> bool:
        """Whether a tensor is in one of the storages that are not followed."""
        storage = storage_of(tensor)
        return storage is None or isinstance(self._held.get(storage._cdata), torch.UntypedStorage)

    def rest(self) -> None:
        """Begin again with the tensors that are alive now."""
        self.top = Level(self.exact, ROOT, self.in_blocks, ROOT, self.in_blocks)
        self.pairs = []

    @left_alone
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in IN_PLACE and self._is_written(func, args):
            func = IN_PLACE[func]
        if func in IN_PIECES:
            with self:
                return func._op_dk(IN_PIECES[func], *args, **kwargs)
        temporaries = []
        for one in others(func, args, kwargs, self.cuda):
            with self:
                temporaries.append(torch.ops.aten.empty_like.default(one))
        made = super().__torch_dispatch__(func, types, args, kwargs)
        self.ran(func, args, kwargs, made)
        # Until here, next to the result.
        del temporaries
        return made

    def run(self, func: Any, args: Any, kwargs: Any) -> Any:
        """The result of a kernel."""
        out = fused_attention(func, args, kwargs)
        return in_its_memory(func, args, kwargs, super().run(func, args, kwargs)) if out is None else out

    def ran(self, func: Any, args: Any, kwargs: Any, out: Any) -> None:
        """A kernel has run: its outputs are alive, and so are its inputs still."""
        name = self._name()
        new = 0
        for tensor in tensors(out):
            new += self._add(tensor)
        if isinstance(func, OpOverload):
            extra = workspace(func, args, out)
            if new or extra:
                self._measure(name, extra)
            if self.graph is not None:
                self.graph.ran(func, args, kwargs, out, name, self.is_known)

    def _is_written(self, func: Any, args: Any) -> bool:
        """Whether autograd writes into the first argument, as it does without a mode."""
        node: Any = torch._C._current_autograd_node()
        if node is None or torch.is_grad_enabled():
            return False
        held, storage = owners(args[0]), storage_of(args[0])
        made_here = storage is not None and self._makers.get(storage._cdata) == node._sequence_nr()
        return is_written(func, args[0], held, made_here, node)

    def _add(self, tensor: Tensor) -> int:
        storage = storage_of(tensor)
        if storage is None or storage._cdata in self._held:
            return 0
        place, size = storage._cdata, storage.nbytes()
        whole, number = blocks(size), len(self.events)
        self.events.append((number, size))

        def gone(_: Any) -> None:
            self.events.append((number, FREED))
            self.exact -= size
            self.in_blocks -= whole
            del self._held[place]
            self._makers.pop(place, None)

        node: Any = torch._C._current_autograd_node()
        if node is not None:
            self._makers[place] = node._sequence_nr()
        self._held[place] = weakref.ref(storage, gone)
        self.exact += size
        self.in_blocks += whole
        return whole

    def _measure(self, name: str, extra: int) -> None:
        top = self.top
        if torch._C._current_autograd_node() is not None:
            name = f"{name}{BACKWARD}"
        if self.exact > top.exact:
            top = top._replace(exact=self.exact, exact_at=name)
        if self.in_blocks > top.in_blocks:
            top = top._replace(in_blocks=self.in_blocks, at=name)
        if self.in_blocks + extra > top.with_workspace:
            top = top._replace(with_workspace=self.in_blocks + extra)
        self.top = top
        self.pairs.append((name, self.exact))

    def _name(self) -> str:
        """The running module; in a backward the module whose forward made the node that runs."""
        node: Any = torch._C._current_autograd_node()
        if node is None:
            name = self.module() or ROOT
            # The next node will have this number.
            place = torch._C._autograd._get_sequence_nr()
            if not self._places or self._places[-1] < place:
                self._places.append(place)
                self._names.append(name)
            return name
        # The nodes of a parameter's gradient have the largest number.
        index = bisect_right(self._places, node._sequence_nr()) - 1
        if 0 <= index < len(self._names) - 1:
            self._last = self._names[index]
        return self._last or ROOT

    def peak(self) -> Peak:
        """The exact peak until now, and the highest live bytes of each stretch of a module."""
        return Peak(self.top.exact, self.top.exact_at, as_moments(self.pairs))
