"""The layers of a description at certain sizes: their parts at once, their records when they are asked for."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, NamedTuple

from flopcalc.cost.cost import Cost, Parts
from flopcalc.cost.geometry import Geometry
from flopcalc.networks.network import Layer, Shape, numbered
from flopcalc.networks.scope import Row
from flopcalc.networks.window import primitive_window
from flopcalc.primitives.registry import PRIMITIVES
from flopcalc.spec.operator import Evaluation, Named, Operator

_new_layer = tuple.__new__
_NOT_A_PAIR = Fraction(0)


class Applied(NamedTuple):
    """An operator on a shape: the fields of its `Evaluation`."""

    operator: Operator
    geometry: Geometry
    given: frozenset[str]
    named: Named
    parts: Parts


class Sized(NamedTuple):
    """What a layer is at certain sizes: the part of its record that does not depend on its place in the network.

    settings: as of the layer, but shared with other evaluations.
    """

    out_shape: Shape
    in_shape: Shape
    parts: Parts
    applied: Applied | None
    settings: Mapping[str, Any]
    further: tuple[Shape, ...]


@dataclass(frozen=True, eq=False)
class Structure:
    """The layers of a description in order, without their sizes."""

    rows: tuple[Row, ...]

    # What totals need is found when the first total is asked for.

    @cached_property
    def inputs(self) -> list[tuple[int, ...]]:
        """The inputs of each layer as numbers; see `numbered`."""
        return numbered(self.rows)

    @cached_property
    def slots(self) -> list[int]:
        """The slot of each layer."""
        return [row.slot for row in self.rows]

    @cached_property
    def times(self) -> list[tuple[int, int]]:
        """Each slot, and the number of layers that have it."""
        return list(Counter(self.slots).items())


class Evaluated(NamedTuple):
    """A structure, and the values of a tape, which has a `Sized` in the slot of each layer."""

    structure: Structure
    values: Sequence[Any]

    def costs(self) -> Iterable[tuple[Parts, int]]:
        """The parts of layers, and the number of layers that have them."""
        return [(self.values[slot][2], times) for slot, times in self.structure.times]

    def chain(self) -> Iterable[tuple[tuple[int, ...], Parts]]:
        """The inputs of each layer as numbers, and its parts."""
        return zip(self.structure.inputs, [self.values[slot][2] for slot in self.structure.slots], strict=True)

    def layers(self) -> tuple[Layer, ...]:
        """The records of the layers. Layers of the same sizes share what does not depend on their place."""
        made: dict[int, tuple[Any, ...]] = {}
        layers = []
        for name, kind, inputs, stage, slot, weights_of in self.structure.rows:
            sized = self.values[slot]
            found = made.get(id(sized))
            if found is None:
                found = made[id(sized)] = _made(sized, kind)
            in_shape, out_shape, cost, evaluation, settings, further, window = found
            # The fields of Layer in their order. A call of the class takes twice as long.
            own = (name, kind, inputs, in_shape, out_shape, cost, stage, evaluation, settings)
            layers.append(_new_layer(Layer, (*own, weights_of, further, window, _NOT_A_PAIR)))
        return tuple(layers)


def _made(sized: Sized, kind: str) -> tuple[Any, ...]:
    """The fields of a layer that do not depend on its place."""
    out_shape, in_shape, parts, applied, settings, further = sized
    cost = Cost(parts)
    if applied is None:
        evaluation, window = None, primitive_window(PRIMITIVES[kind], settings)
    else:
        # Without the weights that another layer counts, the cost is not that of the operator.
        evaluation, window = Evaluation(*applied[:4], cost=Cost(applied.parts)), None
    return in_shape, out_shape, cost, evaluation, dict(settings), further, window
