"""The kernels of a pass as steps that read and write tensors."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from torch._ops import OpOverload

from flopcalc.networks.dataflow import Dataflow, Step
from flopcalc.pytorch.counting.kernels import tensors, work_kind_of


class Graph:
    """Collects steps.

    A storage that is written again is a new tensor; where a part of it is written, its memory is reused.
    """

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.sizes: list[int] = []
        self.given: list[int] = []
        # By storage, the number of the tensor that it is now. Addresses are used again, so a new storage replaces it.
        self._now: dict[int, int] = {}

    def start(self, given: Sequence[Tensor]) -> None:
        """The inputs of the pass."""
        for tensor in given:
            self.given.append(self._new(tensor))

    def ran(
        self, func: OpOverload, args: Any, kwargs: Any, out: Any, name: str, is_known: Callable[[Tensor], bool]
    ) -> None:
        """A kernel has run."""
        read = tensors((args, kwargs))
        places = {_place(tensor) for tensor in read}
        reads = tuple(dict.fromkeys(self._now[place] for place in map(_place, read) if place in self._now))
        changed = list(_written(func, args, kwargs))
        fresh = [tensor for tensor in tensors(out) if _place(tensor) not in places and not is_known(tensor)]
        reuses = -1
        writes = []
        for tensor in changed:
            place = _place(tensor)
            if place not in self._now:
                continue
            before = self._now[place]
            if tensor.numel() * tensor.element_size() < self.sizes[before]:
                reuses = before
            writes.append(self._new(tensor, self.sizes[before]))
        writes += [self._new(tensor) for tensor in {_place(one): one for one in fresh}.values()]
        if not writes:
            return
        weighty = any(map(is_known, read))
        self.steps.append(Step(name, reads, tuple(writes), work_kind_of(func, args, weighty), reuses))

    def finish(self, out: Sequence[Tensor]) -> Dataflow:
        """The steps, without outputs of kernels that no step reads beside one that is read."""
        kept = tuple(dict.fromkeys(self._now[place] for place in map(_place, out) if place in self._now))
        read = {tensor for step in self.steps for tensor in step.reads}.union(kept)
        steps = []
        for step in self.steps:
            used = tuple(tensor for tensor in step.writes if tensor in read)
            steps.append(step._replace(writes=used or step.writes[:1]))
        return Dataflow(tuple(steps), tuple(self.sizes), tuple(self.given), kept)

    def _new(self, tensor: Tensor, size: int | None = None) -> int:
        place = _place(tensor)
        self._now[place] = len(self.sizes)
        self.sizes.append(tensor.untyped_storage().nbytes() if size is None else size)
        return self._now[place]


def _place(tensor: Tensor) -> int:
    try:
        place: int = tensor.untyped_storage()._cdata
    except (NotImplementedError, RuntimeError):
        return -id(tensor)
    return place


def _written(func: OpOverload, args: Any, kwargs: Any) -> list[Tensor]:
    """The tensors that a kernel changes in place."""
    if not func._schema.is_mutable:
        return []
    found: list[Tensor] = []
    for index, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            value = args[index] if index < len(args) else kwargs.get(argument.name)
            found += tensors(value)
    return found
