"""The columns of `each`: settings of an entry with `op`, arguments of a block, and names of expressions."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from flopcalc.networks.kinds import Kinds, settings_of
from flopcalc.networks.scope import Entry
from flopcalc.primitives.registry import PRIMITIVES
from flopcalc.text.yaml_file import File, Map, copied, line_of

_WORD = re.compile(r"[A-Za-z0-9_]+")
# Keys with a text that is a name, and not an expression, unless it has braces.
_NAMES = frozenset(("op", "block", "from", "weights_of", "stage"))
_NO_KEYS: frozenset[str] = frozenset()


class Columns:
    """The entries with `each` of one reading.

    checked: the identities of those whose columns were looked at. filled: by entry and kind, the entry with its
    columns.
    """

    def __init__(self, file: File, kinds: Kinds, blocks: Mapping[str, Any]) -> None:
        self.file = file
        self.kinds = kinds
        self.blocks = blocks
        self.checked: set[int] = set()
        self.filled: dict[tuple[int, str], Map] = {}

    def check(self, entry: Entry, table: Map) -> None:
        """Raise an error for a column that is not a setting of the entry and that none of its expressions has."""
        spec = entry.spec
        if id(spec) in self.checked:
            return
        self.checked.add(id(spec))
        text = str(spec.get("op") or spec.get("block") or "")
        # Of a kind with braces the settings depend on the row.
        own = None if "{" in text else self._keys(spec, text, entry.label)
        used = {*_WORD.findall(entry.name)} if "{" in entry.name else set()
        used.update(_words({key: value for key, value in spec.items() if key != "each"}))
        for name in table:
            if name in used or own is None or (name in own and name not in spec):
                continue
            if name in own:
                why = f"the entry gives {name} itself, so the column {name} has no effect"
                raise self.file.error(table, name, f"{entry.label}: {why}", "leave out one of the two")
            kind = f"a setting of {text}" if "op" in spec else f"an argument of {text}" if text else "an argument"
            why = f"the column {name} is not {kind}, and no expression of the entry has it"
            hint = f"settings: {', '.join(sorted(own))}" if own else f"write {name} where its values are needed"
            raise self.file.error(table, name, f"{entry.label}: {why}", hint)

    def settings(self, entry: Entry, kind: str) -> Map:
        """The entry with those columns that are settings of the kind and that it does not give itself."""
        spec, table = entry.spec, entry.spec["each"]
        found = self.filled.get((id(spec), kind))
        if found is None:
            # Kept, so that its identity is that of no other entry.
            found = self.filled[id(spec), kind] = copied(spec)
            own = self._keys_of_layer(spec, kind, entry.label)
            for name in table:
                if name in own and name not in spec:
                    # An expression that is the name of the column.
                    found[name] = name
                    found.lines[name] = line_of(table, name)
        return found

    def _keys(self, spec: Map, name: str, label: str) -> frozenset[str]:
        if "op" in spec:
            return self._keys_of_layer(spec, name, label)
        block = self.blocks.get(name)
        # What is wrong with a block is said where it is read.
        args = block.get("args") if isinstance(block, Map) else None
        return frozenset(args) if isinstance(args, Map) else _NO_KEYS

    def _keys_of_layer(self, spec: Map, kind: str, label: str) -> frozenset[str]:
        operator = None if kind in PRIMITIVES else self.kinds.operator(self.file, spec, kind, label)
        return settings_of(_NO_KEYS, kind, operator)[1]


def _words(value: Any, key: str = "") -> Iterator[str]:
    """The words of all expressions of a value, and of texts with braces."""
    if isinstance(value, str):
        if "{" in value or key not in _NAMES:
            yield from _WORD.findall(value)
    elif isinstance(value, Mapping):
        for name, one in value.items():
            if "{" in name:
                yield from _WORD.findall(name)
            yield from _words(one, name)
    elif isinstance(value, list):
        for one in value:
            yield from _words(one, key)
