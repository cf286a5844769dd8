"""What the reader of a description knows of an entry: its place, the names that it can use, and its layers."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import repeat
from operator import itemgetter
from typing import NamedTuple

from flopcalc.networks.tape import Known
from flopcalc.text.yaml_file import Map


class Scope(NamedTuple):
    """The names that expressions and `from` can use in one list of layers.

    start: the number of layers before those of its block.
    """

    env: Mapping[str, Known]
    values: dict[str, str]
    outer: "Scope | None" = None
    depth: int = 0
    start: int = 0

    def find(self, name: str) -> str | None:
        """The layer whose output a name means; None if the name is unknown."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.values:
                return scope.values[name]
            scope = scope.outer
        return None

    def names(self) -> list[str]:
        """The names that `from` can use here."""
        return [*(self.outer.names() if self.outer else ()), *self.values]


class Entry(NamedTuple):
    """One entry of a list of layers, and its place. prefix: of the names of its layers, with the dot."""

    name: str
    spec: Map
    prefix: str
    scope: Scope
    stage: str

    @property
    def label(self) -> str:
        """The name of the entry in errors."""
        return f"layer {self.prefix}{self.name}"


class Row(NamedTuple):
    """A layer of the structure: everything but its sizes and its cost, which are in a slot of the tape."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    stage: str
    slot: int
    weights_of: str = ""


# A reading makes many records; a call of the class takes twice as long.
new_row = partial(tuple.__new__, Row)
new_entry = partial(tuple.__new__, Entry)


class Reading(NamedTuple):
    """A block that was read: its layers, its output, and the number of its entries, to be repeated elsewhere.

    names, kinds, slots: of the layers, the names without the prefix of the block. inputs: picks those of a layer from
    the names of the block's input and of all its layers. stages: empty if all layers have the stage of the block.
    owners: the place among those names of the layer whose weights a layer has, 0 for its own; empty if all have their
    own. out: the place of the output. input_slot: the slot of the layer that the block takes.
    """

    input_slot: int
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    inputs: tuple[Callable[[tuple[str, ...]], tuple[str, ...]], ...]
    stages: tuple[str, ...]
    slots: tuple[int, ...]
    owners: tuple[int, ...]
    out: int
    entries: int

    def rows(self, prefix: str, source: str, stage: str) -> tuple[list[str], list[Row], str]:
        """Repeated elsewhere: the names of the layers, the layers, and the name of the output."""
        made = [prefix + name for name in self.names]
        names = (source, *made)
        inputs = [pick(names) for pick in self.inputs]
        owners = [names[place] if place else "" for place in self.owners] if self.owners else repeat("")
        rows = zip(made, self.kinds, inputs, self.stages or repeat(stage), self.slots, owners, strict=False)
        return made, list(map(new_row, rows)), names[self.out]


def reading_of(
    prefix: str, source: str, input_slot: int, rows: Sequence[Row], out: str, entries: int, names_stages: bool
) -> Reading:
    """The reading of a block with this prefix, which takes the output of `source` and gives that of `out`.

    names_stages: whether its entries do.
    """
    places = {source: 0, "": 0} | {row.name: place for place, row in enumerate(rows, 1)}
    owners = tuple([places[row.weights_of] for row in rows])
    return Reading(
        input_slot,
        tuple([row.name[len(prefix) :] for row in rows]),
        tuple([row.kind for row in rows]),
        tuple([_picker([places[name] for name in row.inputs]) for row in rows]),
        tuple([row.stage for row in rows]) if names_stages else (),
        tuple([row.slot for row in rows]),
        owners if any(owners) else (),
        places[out],
        entries,
    )


def _picker(places: Sequence[int]) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    """Picks the items at these places, as a tuple."""
    return itemgetter(*places) if len(places) > 1 else itemgetter(slice(places[0], places[0] + 1))
