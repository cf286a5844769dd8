"""The combinations of several axes of ints, in blocks that fit the cache."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from flopcalc.analysis.sweeping.values import Values, len_of, product_of

Array: TypeAlias = Any

# Combinations of a block: 256 KiB for each array of 64-bit integers.
BLOCK = 32_768
# The inner loop of NumPy is at least this long, if the axes allow it: the last axes are one dimension.
_INNER = 128
# A sum of one axis that is longer is not held as an array.
_MAX_LOW = 2**63 - 1


class Axis(NamedTuple):
    """A name and ints."""

    name: str
    values: Values

    @property
    def low(self) -> int:
        """The least value."""
        return min(self.values[0], self.values[-1]) if isinstance(self.values, range) else min(self.values)

    @property
    def high(self) -> int:
        """The largest value."""
        return max(self.values[0], self.values[-1]) if isinstance(self.values, range) else max(self.values)


@dataclass(frozen=True)
class Block:
    """Part of a grid. shape: of its arrays. axes: the values of each axis, shaped for broadcasting.

    keys: for each axis; equal keys mean equal values. first: the number of its first combination in the grid.
    """

    shape: tuple[int, ...]
    axes: tuple[Array, ...]
    keys: tuple[Any, ...]
    first: int

    @property
    def count(self) -> int:
        """Combinations."""
        found = 1
        for size in self.shape:
            found *= size
        return found


class Grid:
    """All combinations of some axes; the last axis varies fastest. The blocks together are in this order."""

    def __init__(self, axes: Sequence[Axis], block: int = BLOCK) -> None:
        self.axes = tuple(axes)
        lengths = [len_of(axis.values) for axis in axes]
        # Dimensions: the last one holds several axes where these are short.
        dimensions: list[tuple[int, ...]] = []
        inner: list[int] = []
        size = 1
        for index in reversed(range(len(lengths))):
            if size < _INNER and not dimensions:
                inner.insert(0, index)
                size *= lengths[index]
                if size >= _INNER:
                    dimensions.insert(0, tuple(inner))
            else:
                dimensions.insert(0, (index,))
        if not dimensions:
            dimensions = [tuple(inner)]
        self._dimensions = dimensions
        self._lengths = lengths
        self._sizes = [product_of(lengths[index] for index in one) for one in dimensions]
        self.count = product_of(self._sizes)
        # The dimension that is cut, and the length of its pieces; before it one place at a time, behind it all.
        self._cut, room = 0, block
        for place in reversed(range(len(self._sizes))):
            self._cut = place
            if self._sizes[place] > room:
                break
            room //= max(1, self._sizes[place])
        self._piece = (
            max(1, min(room, self._sizes[self._cut])) if self._sizes[self._cut] > room else self._sizes[self._cut]
        )
        self._pieces = -(-self._sizes[self._cut] // self._piece)
        self.blocks = product_of(self._sizes[: self._cut]) * self._pieces
        self._held: dict[int, tuple[tuple[int, int], list[Array]]] = {}

    def block(self, number: int) -> Block:
        """One of the blocks, from 0."""
        outer, piece = divmod(number, self._pieces)
        ranges: list[tuple[int, int]] = []
        for size in reversed(self._sizes[: self._cut]):
            outer, place = divmod(outer, size)
            ranges.insert(0, (place, place + 1))
        start = piece * self._piece
        ranges.append((start, min(start + self._piece, self._sizes[self._cut])))
        ranges += [(0, size) for size in self._sizes[self._cut + 1 :]]
        first = 0
        for (start, _), size in zip(ranges, self._sizes, strict=True):
            first = first * size + start
        axes: list[Array] = [None] * len(self.axes)
        keys: list[Any] = [None] * len(self.axes)
        for place, (bounds, indices) in enumerate(zip(ranges, self._dimensions, strict=True)):
            held = self._held.get(place)
            if held is None or held[0] != bounds:
                held = self._held[place] = (bounds, self._arrays(place, bounds))
            for index, array in zip(indices, held[1], strict=True):
                axes[index], keys[index] = array, bounds
        return Block(tuple(stop - start for start, stop in ranges), tuple(axes), tuple(keys), first)

    def at(self, number: int) -> list[int]:
        """The values of one combination."""
        found = []
        for axis, length in zip(reversed(self.axes), reversed(self._lengths), strict=True):
            number, place = divmod(number, length)
            found.append(axis.values[place])
        return found[::-1]

    def number(self, block: Block, place: int) -> int:
        """The number in the grid of a combination of a block."""
        offsets: list[int] = []
        for size in reversed(block.shape):
            place, offset = divmod(place, size)
            offsets.insert(0, offset)
        found = 0
        for offset, size in zip(offsets, self._sizes, strict=True):
            found = found * size + offset
        return block.first + found

    def _arrays(self, place: int, bounds: tuple[int, int]) -> list[Array]:
        """The values of the axes of a dimension, from one place in it to another."""
        import numpy as np

        shape = [1] * len(self._sizes)
        shape[place] = bounds[1] - bounds[0]
        found: list[Array] = []
        behind = 1
        for index in reversed(self._dimensions[place]):
            axis, length = self.axes[index], self._lengths[index]
            exact = axis.low < -_MAX_LOW or axis.high > _MAX_LOW
            if len(self._dimensions[place]) == 1:
                values = axis.values[bounds[0] : bounds[1]]
                array = np.array(values, dtype=object) if exact else _array(values)
            else:
                places: Array = np.arange(*bounds, dtype=np.int64) // behind
                # A length may have more than 64 bits.
                places = places if length > bounds[1] else places % length
                if isinstance(axis.values, range):
                    # It may be too long for an array.
                    places = places.astype(object) if exact else places
                    array = axis.values.start + axis.values.step * places
                else:
                    array = (np.array(axis.values, dtype=object) if exact else _array(axis.values))[places]
            found.insert(0, array.reshape(shape))
            behind *= length
        return found


def _array(values: Values) -> Array:
    import numpy as np

    if isinstance(values, range):
        return np.arange(values.start, values.stop, values.step, dtype=np.int64)
    return np.array(values, dtype=np.int64)
