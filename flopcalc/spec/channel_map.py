"""Which input channels an output channel reads."""

from itertools import product
from typing import Any, NamedTuple

from flopcalc.cost.geometry import Geometry
from flopcalc.errors import FlopcalcError

# More channels than this are no map that a person or a program reads.
LARGEST = 100_000


class ChannelMap(NamedTuple):
    """The input channels of one output channel, in the order of its weights. Channels are numbered from 0.

    torus, neighbourhood: where the channels lie on a torus, its sizes and those of the part that is read; else empty.
    """

    channel: int
    inputs: tuple[int, ...]
    torus: tuple[int, ...] = ()
    neighbourhood: tuple[int, ...] = ()

    def place(self, channel: int) -> tuple[int, ...]:
        """The coordinates of a channel on the torus."""
        found = []
        for size in reversed(self.torus):
            channel, coordinate = divmod(channel, size)
            found.append(coordinate)
        return tuple(reversed(found))

    def record(self) -> dict[str, Any]:
        """As JSON holds it."""
        record: dict[str, Any] = {"channel": self.channel, "inputs": list(self.inputs)}
        if self.torus:
            record |= {
                "place": list(self.place(self.channel)),
                "torus": list(self.torus),
                "neighbourhood": list(self.neighbourhood),
                "places": [list(self.place(one)) for one in self.inputs],
            }
        return record


def of_group(g: Geometry, channel: int) -> ChannelMap:
    """The channels of the output's group, for a convolution."""
    size = g.c_in // g.groups
    first = channel // (g.c_out // g.groups) * size
    return ChannelMap(channel, _listed(range(first, first + size)))


def on_torus(torus: tuple[int, ...], near: tuple[int, ...], channel: int) -> ChannelMap:
    """The neighbourhood of a channel: at coordinate x of each axis x, x + 1, ..., x + c - 1, cyclic."""
    found = ChannelMap(channel, (), torus, near)
    axes = zip(found.place(channel), torus, near, strict=True)
    seen = [[(x + step) % size for step in _listed(range(extent))] for x, size, extent in axes]
    count = 1
    for axis in seen:
        count *= len(axis)
    _check(count)
    inputs = []
    for place in product(*seen):
        number = 0
        for size, coordinate in zip(torus, place, strict=True):
            number = number * size + coordinate
        inputs.append(number)
    return found._replace(inputs=tuple(inputs))


def _listed(channels: range) -> tuple[int, ...]:
    _check(channels.stop - channels.start)
    return tuple(channels)


def _check(count: int) -> None:
    if count > LARGEST:
        raise FlopcalcError(
            "bad-channel",
            f"the output channel reads {count} input channels, too many to list (at most {LARGEST:,})",
            "use fewer channels, a smaller neighbourhood or more groups",
        )
