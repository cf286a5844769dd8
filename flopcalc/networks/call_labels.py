"""Checks of `calls` of a description: how the module that it mirrors calls its layers."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from flopcalc.cost.calls import LABELS, is_label
from flopcalc.errors import FlopcalcError, clip, unknown_name
from flopcalc.text.yaml_file import File, Map

_BRACES = re.compile(r"\{[^{}]*\}")
_WILD = frozenset("*?[")


def check_calls(file: File, data: Map) -> None:
    """Raise an error for a name that no layer or part can have, and for a way of calling that is not known.

    A pattern may fit under other options only, so the layers that are there are not asked.
    """
    calls = data["calls"] or Map()
    if not isinstance(calls, Map) or not all(isinstance(one, str) for one in calls.values()):
        raise file.error(data, "calls", "calls maps names of layers, with * for any text, to ways of calling")
    entries = set(_entries(data))
    names = {name for name, _ in entries}
    for pattern, label in calls.items():
        if not is_label(label):
            known = sorted(LABELS)
            hint = "a class of torch.nn, a function (F.relu) or an operator (mean); the guide to conventions has more"
            near = unknown_name("way of calling", label, known, hint)
            raise file.error(calls, pattern, f"calls: {near.message}", near.hint)
        layer, colon, part = pattern.partition(":")
        last = layer.rpartition(".")[2]
        # A number is that of a repetition.
        is_any = not _WILD.isdisjoint(last) or last.isdecimal()
        if not is_any and not any(fnmatchcase(last, name) for name in names):
            near = unknown_name("layer", last, sorted(names), "write the names of layers, with * for any text")
            raise file.error(calls, pattern, f"calls: {clip(pattern)}: {near.message}", near.hint)
        if colon:
            error = _unknown_part(part, {kind for name, kind in entries if is_any or fnmatchcase(last, name)})
            if error is not None:
                raise file.error(calls, pattern, f"calls: {clip(pattern)}: {error.message}", error.hint)


def _unknown_part(part: str, kinds: set[str]) -> FlopcalcError | None:
    """The error for a part that none of these operators and primitives has, whatever their options."""
    # Evaluates operators, which only descriptions need that name parts.
    from flopcalc.networks.part_names import has_names, part_names

    # Blocks and groups have layers, and no parts of their own.
    kinds = kinds - {""}
    if not all(map(has_names, kinds)):
        return None
    found: set[str] = set()
    for kind in sorted(kinds):
        for name in part_names(kind):
            if fnmatchcase(name, part):
                return None
            found.add(name)
    known = f"these layers have the parts {', '.join(sorted(found))}" if found else "these layers have no parts"
    return unknown_name("part", part, found, f"{known}; without `:` all parts of a layer are meant")


def _entries(value: Any) -> Iterator[tuple[str, str]]:
    """The names of all entries of a description, also of blocks, with their `op`; * for what is in braces."""
    if isinstance(value, Map):
        layers = value.get("layers")
        for item in layers if isinstance(layers, list) else ():
            if isinstance(item, Map):
                for name, entry in item.items():
                    yield _BRACES.sub("*", name), _kind(entry)
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _entries(one)


def _kind(entry: Any) -> str:
    """What `op` of an entry is; of a block or a group empty, which the names of its layers follow."""
    return str(entry.get("op", "")) if isinstance(entry, Map) else str(entry)
