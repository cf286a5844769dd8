"""PyTorch's caching allocator for CUDA, for the size of the blocks that tensors get.

A block can be larger than its tensor: a cached block of a large tensor is split only if more than 1 MiB would be left,
and what is not split belongs to the tensor, also in `torch.cuda.max_memory_allocated`. Constants and rules are those of
c10/cuda/CUDACachingAllocator.cpp, with one stream, and with segments that do not expand, as by default.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from operator import itemgetter

BLOCK = 512
# Tensors up to this size share segments, whose blocks are split at each multiple of 512 bytes: none is too large.
_SMALL = 1 << 20
# Those below 10 MiB are in segments of 20 MiB, larger ones in segments of their own, of a multiple of 2 MiB.
_MEDIUM, _MEDIUM_SEGMENT, _STEP = 10 << 20, 20 << 20, 2 << 20


def blocks(size: int) -> int:
    """A size rounded up to blocks of 512 bytes, in which the allocator gives memory out; an empty tensor has none."""
    return -(-size // BLOCK) * BLOCK


# Of a tensor that comes or goes: its number, and its size, or FREED.
Event = tuple[int, int]
FREED = -1
# The last one counts: the cache has then the blocks that passes need.
_PASSES = 3


def steady_peak(there: Iterable[int], events: Sequence[Event]) -> int:
    """The peak of the blocks of a pass that was run before, without those of the tensors that are there all the time.

    there: sizes of weights, buffers and inputs. events: of one pass; what it leaves behind is dropped before the next.
    """
    allocator = Allocator()
    for size in there:
        allocator.allocate(size)
    base = allocator.allocated
    for _ in range(_PASSES):
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
        self.allocated = self.peak = self._end = 0
        self._used: dict[int, int] = {}
        # Free blocks of large tensors by size, then address; the size of each by its address, the address by its end.
        self._free: list[tuple[int, int]] = []
        self._sizes: dict[int, int] = {}
        self._starts: dict[int, int] = {}

    def allocate(self, size: int) -> int:
        """The address of a block for a tensor of some bytes; 0 for an empty one."""
        if not size:
            return 0
        size = blocks(size)
        if size <= _SMALL:
            place, given = self._new(size), size
        else:
            place, given = self._best(size)
            if given - size > _SMALL:
                self._put(place + size, given - size)
                given = size
        self._used[place] = given
        self.allocated += given
        self.peak = max(self.peak, self.allocated)
        return place

    def free(self, place: int) -> None:
        """Take a block back, and join it with free neighbours."""
        if not place:
            return
        size = self._used.pop(place)
        self.allocated -= size
        if size <= _SMALL:
            return
        if place in self._starts:
            place = self._starts[place]
            size += self._take(place)
        if place + size in self._sizes:
            size += self._take(place + size)
        self._put(place, size)

    def rest(self) -> None:
        """Begin a new peak with what is allocated now."""
        self.peak = self.allocated

    def _best(self, size: int) -> tuple[int, int]:
        """The smallest free block that is large enough, at the lowest address, and its size; else a new segment."""
        at = bisect_left(self._free, size, key=itemgetter(0))
        if at < len(self._free):
            place = self._free[at][1]
            return place, self._take(place)
        segment = _MEDIUM_SEGMENT if size < _MEDIUM else -(-size // _STEP) * _STEP
        return self._new(segment), segment

    def _new(self, size: int) -> int:
        # Apart from the one before: only blocks of the same segment are neighbours.
        place = self._end + BLOCK
        self._end = place + size
        return place

    def _put(self, place: int, size: int) -> None:
        insort(self._free, (size, place))
        self._sizes[place] = size
        self._starts[place + size] = place

    def _take(self, place: int) -> int:
        """A free block is no longer free. Returns its size."""
        size = self._sizes.pop(place)
        del self._starts[place + size]
        del self._free[bisect_left(self._free, (size, place))]
        return size
