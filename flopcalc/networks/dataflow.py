"""Which step of a network reads and writes which tensor: what the memory of its activations follows from."""

from collections.abc import Sequence
from typing import NamedTuple


class Step(NamedTuple):
    """One kernel or one layer. name: of the layer that it belongs to. work: its kind of work.

    reads: its inputs as numbers of tensors. writes: the tensors that it makes. reuses: the input whose memory its
    output has, because it writes a part of it; -1: none.
    """

    name: str
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    work: str = ""
    reuses: int = -1


class Dataflow(NamedTuple):
    """Steps in order of execution. sizes: of each tensor, in bytes. given: the inputs. kept: the outputs.

    Weights are not among the tensors.
    """

    steps: tuple[Step, ...]
    sizes: tuple[int, ...]
    given: tuple[int, ...]
    kept: tuple[int, ...]

    def last_reads(self, order: Sequence[int]) -> dict[int, int]:
        """For each tensor the place in an order of the last step that reads it; that of its maker if no step does."""
        last: dict[int, int] = {}
        for place, index in enumerate(order):
            for tensor in (*self.steps[index].writes, *self.steps[index].reads):
                last[tensor] = place
        return last


class Moment(NamedTuple):
    """The bytes that are alive while a layer runs, at their highest."""

    name: str
    live: int


class Peak(NamedTuple):
    """The highest sum of tensors that are alive at once, in bytes, and the layer that runs then."""

    live: int
    at: str
    moments: tuple[Moment, ...] = ()


def as_moments(pairs: Sequence[tuple[str, int]]) -> tuple[Moment, ...]:
    """The highest number of each stretch of steps of the same layer."""
    found: list[Moment] = []
    for name, live in pairs:
        if found and found[-1].name == name:
            found[-1] = Moment(name, max(found[-1].live, live))
        else:
            found.append(Moment(name, live))
    return tuple(found)
