"""Which calls of a log the outputs depend on: torch's tracer forgets the others.

Tensors are known by their storages, so that a view and what is written through it belong together. An operation is
needed if anything that is needed later reads a storage that it writes.
"""

from collections.abc import Iterable

from torch import Tensor
from torch.storage import UntypedStorage

from flopcalc.presets.call import Call

PRODUCT = "size * size"
Places = frozenset[int]


class Storages:
    """Numbers for the storages of one pass. known: whether all tensors had one; only those on the meta device count."""

    def __init__(self) -> None:
        self.known = True
        self._numbers: dict[int, int] = {}
        # Kept, so that no address is used again. They have no values.
        self._kept: list[UntypedStorage] = []

    def of(self, tensors: Iterable[Tensor]) -> Places:
        """The numbers of the storages of some tensors, from 1."""
        found = set()
        for one in tensors:
            if one.device.type != "meta":
                self.known = False
                continue
            try:
                storage = one.untyped_storage()
            except (RuntimeError, NotImplementedError):
                self.known = False
                continue
            address = storage._cdata
            if address not in self._numbers:
                self._numbers[address] = len(self._kept) + 1
                self._kept.append(storage)
            found.add(self._numbers[address])
        return frozenset(found)


def needed(calls: list[Call], outputs: Places) -> list[bool]:
    """For each call, whether the outputs need it. A product of sizes is needed where the call after it is.

    What gives no tensor, such as a number from a tensor, is a constant in a trace: it needs nothing.
    """
    live = set(outputs)
    found = [True] * len(calls)
    after = True
    for place in range(len(calls) - 1, -1, -1):
        call = calls[place]
        if call.level == "module":
            continue
        if call.name == PRODUCT:
            found[place] = after
            continue
        after = found[place] = not call.writes or not call.writes.isdisjoint(live)
        if after and call.writes:
            live |= call.reads
    return found
