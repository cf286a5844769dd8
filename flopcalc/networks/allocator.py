"""PyTorch's caching allocator for CUDA, for the size of the blocks that tensors get.

A block can be larger than its tensor: a cached block of a large tensor is split only if more than 1 MiB would be left,
and what is not split belongs to the tensor, also in `torch.cuda.max_memory_allocated`. Constants and rules are those of
c10/cuda/CUDACachingAllocator.cpp, with one stream, and with segments that do not expand, as by default.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence

BLOCK = 512
# Tensors up to this size share segments of 2 MiB, in blocks that are split at each multiple of 512 bytes.
_SMALL, _SMALL_SEGMENT = 1 << 20, 2 << 20
# Those up to 10 MiB are in segments of 20 MiB, larger ones in segments of their own, of a multiple of 2 MiB.
_MEDIUM, _MEDIUM_SEGMENT, _STEP = 10 << 20, 20 << 20, 2 << 20


def blocks(size: int) -> int:
    """A size rounded up to blocks of 512 bytes, in which the allocator gives memory out; an empty tensor has none."""
    return -(-size // BLOCK) * BLOCK


def _segment(size: int) -> int:
    if size <= _SMALL:
        return _SMALL_SEGMENT
    return _MEDIUM_SEGMENT if size < _MEDIUM else -(-size // _STEP) * _STEP


# Of a tensor that comes or goes: its number, and its size, or FREED.
Event = tuple[int, int]
FREED = -1
# Passes before the one that counts: the cache has then the blocks that passes need.
_EARLIER = 2


def steady_peak(there: Iterable[int], events: Sequence[Event]) -> int:
    """The peak of the blocks of a pass that was run before, without those of the tensors that are there all the time.

    there: sizes of weights, buffers and inputs. events: of one pass; what it leaves behind is dropped before the next.
    """
    allocator = Allocator()
    for size in there:
        allocator.allocate(size)
    base = allocator.allocated
    for _ in range(_EARLIER + 1):
        allocator.rest()
        held: dict[int, int] = {}
        for number, size in events:
            if size == FREED:
                allocator.free(held.pop(number))
            else:
                held[number] = allocator.allocate(size)
        for place in held.values():
            allocator.free(place)
    return allocator.peak - base


class Allocator:
    """Gives blocks out of segments that it keeps. allocated: bytes of all blocks in use; peak: the most until now."""

    def __init__(self) -> None:
        self.allocated = self.peak = 0
        # Free blocks by size, then address, of small and of large tensors; the size of each by its address.
        self._free: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
        self._sizes: dict[int, int] = {}
        self._used: dict[int, int] = {}
        # Of each block the neighbours in its segment.
        self._before: dict[int, int | None] = {}
        self._after: dict[int, int | None] = {}
        self._is_small: dict[int, bool] = {}
        self._end = 0

    def allocate(self, size: int) -> int:
        """The address of a block for a tensor of some bytes; -1 for an empty one."""
        if not size:
            return -1
        size = blocks(size)
        is_small = size <= _SMALL
        place = self._best(size, is_small)
        rest = self._sizes[place] - size
        if rest >= BLOCK if is_small else rest > _SMALL:
            self._split(place, size, is_small)
        self._used[place] = self._sizes[place]
        self.allocated += self._sizes[place]
        self.peak = max(self.peak, self.allocated)
        return place

    def free(self, place: int) -> None:
        """Take a block back, and join it with free neighbours."""
        if place < 0:
            return
        size = self._used.pop(place)
        self.allocated -= size
        is_small = self._is_small[place]
        for other in (self._before[place], self._after[place]):
            if other is not None and other not in self._used:
                pool = self._free[is_small]
                del pool[bisect_left(pool, (self._sizes[other], other))]
                place = self._join(min(place, other), max(place, other))
        insort(self._free[is_small], (self._sizes[place], place))

    def rest(self) -> None:
        """Begin a new peak with what is allocated now."""
        self.peak = self.allocated

    def _best(self, size: int, is_small: bool) -> int:
        """The smallest free block that is large enough, at the lowest address; else a new segment."""
        pool = self._free[is_small]
        at = bisect_left(pool, (size, -1))
        if at < len(pool):
            return pool.pop(at)[1]
        place = self._end
        self._sizes[place] = _segment(size)
        self._before[place] = self._after[place] = None
        self._is_small[place] = is_small
        self._end += self._sizes[place]
        return place

    def _split(self, place: int, size: int, is_small: bool) -> None:
        other, after = place + size, self._after[place]
        self._sizes[other] = self._sizes[place] - size
        self._sizes[place] = size
        self._before[other], self._after[other], self._after[place] = place, after, other
        self._is_small[other] = is_small
        if after is not None:
            self._before[after] = other
        insort(self._free[is_small], (self._sizes[other], other))

    def _join(self, first: int, second: int) -> int:
        self._sizes[first] += self._sizes.pop(second)
        after = self._after[first] = self._after.pop(second)
        del self._before[second], self._is_small[second]
        if after is not None:
            self._before[after] = first
        return first
