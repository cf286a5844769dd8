"""What the reader of a description knows of an entry: its place, the names that it can use, and its layers."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

from flopcalc.networks.tape import Known
from flopcalc.text.yaml_file import Map


class Scope(NamedTuple):
    """The names that expressions and `from` can use in one list of layers."""

    env: Mapping[str, Known]
    values: dict[str, str]
    outer: "Scope | None" = None
    depth: int = 0

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

    names: those of the layers, without the prefix of the block. rows: (kind, inputs, stage, slot, weights_of), where
    layers are numbers: i for the i-th layer of the block, counted from 1, and 0 for its input or for no layer.
    input_slot: the slot of the layer that the block takes.
    """

    input_slot: int
    names: tuple[str, ...]
    rows: tuple[tuple[str, tuple[int, ...], str, int, int], ...]
    slots: tuple[int, ...]
    out: int
    entries: int


def reading_of(prefix: str, source: str, input_slot: int, rows: Sequence[Row], out: str, entries: int) -> Reading:
    """The reading of a block with this prefix, which takes the output of `source` and gives that of `out`."""
    places = {source: 0, "": 0} | {row.name: place for place, row in enumerate(rows, 1)}
    relative = [
        (row.kind, tuple([places[name] for name in row.inputs]), row.stage, row.slot, places[row.weights_of])
        for row in rows
    ]
    names = tuple([row.name[len(prefix) :] for row in rows])
    return Reading(input_slot, names, tuple(relative), tuple([row.slot for row in rows]), places[out], entries)
