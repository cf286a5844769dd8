"""What the reader of a description knows of an entry: its place, the names that it can use, and its layers."""

from collections.abc import Mapping
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
    """A block that was read: its layers, the names of its input and output, and the number of its entries.

    input_slot: the slot of the layer that it takes.
    """

    prefix: str
    source: str
    input_slot: int
    rows: tuple[Row, ...]
    out: str
    entries: int
