"""The kinds of layers that entries with `op` name: operators, also of other files, and primitives."""

import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from flopcalc.catalog import lookup
from flopcalc.errors import FlopcalcError, clip, unknown_name
from flopcalc.networks.evaluated import Sized
from flopcalc.networks.tape import Values
from flopcalc.primitives.registry import PRIMITIVES
from flopcalc.spec.operator import Operator
from flopcalc.text.yaml_file import File, Map

# The keys of every entry with an operator.
OF_OPERATORS = ("out", "k", "stride", "padding", "dilation", "groups")


class Prepared(NamedTuple):
    """An entry with `op` whose keys were checked: the entries of a block are read often, and prepared once.

    operator: None for a primitive. sizes: of an operator, the keys of its window, and `out`. settings: its options, or
    the settings of the primitive. names: those in their expressions; None if the step cannot be kept by them.
    """

    kind: str
    operator: Operator | None
    sizes: tuple[str, ...]
    settings: tuple[str, ...]
    names: tuple[str, ...] | None


# What a layer whose inputs are in these slots is on a tape.
StepFrom: TypeAlias = Callable[[tuple[int, ...], Values], Sized]


class Kinds:
    """What one reading knows of entries with `op`, by their identity, and the operators used so far.

    steps: by the entry and the values of the names in its expressions.
    """

    def __init__(self) -> None:
        self.operators: dict[str, Operator] = {}
        self.prepared: dict[int | str, Prepared] = {}
        self.steps: dict[Any, StepFrom] = {}

    def operator(self, file: File, spec: Map, kind: str, full: str) -> Operator:
        """The operator that an entry names: by its name, or from a file, with a path relative to the network's."""
        found = self.operators.get(kind)
        if found is None:
            found = self.operators[kind] = _found(file, spec, kind, full)
        return found


def _found(file: File, spec: Map, kind: str, full: str) -> Operator:
    if kind.endswith((".yaml", ".yml")):
        path = os.path.join(os.path.dirname(file.path), kind)
        if not os.path.exists(path):
            hint = "the path is relative to the folder of this file"
            raise file.error(spec, "op", f"{full}: there is no file {clip(kind)}", hint)
        try:
            operator = lookup.find(path)
        except FlopcalcError as error:
            if error.code != "unreadable-file":
                raise
            raise file.error(spec, "op", f"{full}: {error.message}", error.hint) from None
    else:
        operator = lookup.find(kind)
    if operator is None:
        known = [*PRIMITIVES, *lookup.names()]
        near = unknown_name("layer kind", kind, known, f"known: {', '.join(sorted(known))}")
        raise file.error(spec, "op", f"{full}: {near.message}", near.hint)
    return operator


@lru_cache(maxsize=128)
def settings_of(common: frozenset[str], kind: str, operator: Operator | None) -> tuple[tuple[str, ...], frozenset[str]]:
    """The names of settings in their order, and all keys of an entry of that kind."""
    own = tuple(operator.param if operator else PRIMITIVES[kind].settings)
    return own, common.union(own, OF_OPERATORS if operator else ())
