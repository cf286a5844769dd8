"""Checks of `calls` of a description: how the module that it mirrors calls its layers."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from flopcalc.cost.calls import LABELS, is_label
from flopcalc.errors import clip, unknown_name
from flopcalc.text.yaml_file import File, Map

_BRACES = re.compile(r"\{[^{}]*\}")
_WILD = frozenset("*?[")


def check_calls(file: File, data: Map) -> None:
    """Raise an error for a name that no layer can have, and for a way of calling that is not known.

    A pattern may fit under other options only, so the layers that are there are not asked.
    """
    calls = data.get("calls") or {}
    if not isinstance(calls, Map) or not all(isinstance(one, str) for one in calls.values()):
        if calls:
            raise file.error(data, "calls", "calls maps names of layers, with * for any text, to ways of calling")
        return
    names = set(_entries(data))
    for pattern, label in calls.items():
        if not is_label(label):
            known = sorted(LABELS)
            hint = "a class of torch.nn, a function (F.relu) or an operator (mean); the guide to conventions has more"
            near = unknown_name("way of calling", label, known, hint)
            raise file.error(calls, pattern, f"calls: {near.message}", near.hint)
        last = pattern.partition(":")[0].rpartition(".")[2]
        # A number is that of a repetition.
        if not _WILD.isdisjoint(last) or last.isdecimal():
            continue
        if not any(fnmatchcase(last, name) for name in names):
            near = unknown_name("layer", last, sorted(names), "write the names of layers, with * for any text")
            raise file.error(calls, pattern, f"calls: {clip(pattern)}: {near.message}", near.hint)


def _entries(value: Any) -> Iterator[str]:
    """The names of all entries of a description, also of blocks; * for what is in braces."""
    if isinstance(value, Map):
        layers = value.get("layers")
        for item in layers if isinstance(layers, list) else ():
            if isinstance(item, Map):
                yield from (_BRACES.sub("*", name) for name in item)
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _entries(one)
