"""Which operator a module is a layer of, for our own operators and for those of plug-ins alike.

The `LAYER` of an operator's layer file is the class of its modules. A module is recognised by its class, so however it
was built, copied, loaded or moved; a subclass counts as the operator that it extends. Where the class is not enough (a
plug-in may build its layer from classes of torch), `build_layer` marks the module.
"""

import sys
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from torch import nn

from flopcalc.catalog import registry
from flopcalc.pytorch.named_class import file_of
from flopcalc.spec.containment import contained_import

# The attribute of a marked module: the operator with its options, `spconv(alpha=1/4)`.
MARK = "_flopcalc_operator"
# The package of our own layer files.
LAYERS = "flopcalc.pytorch.layers"

_operators: WeakKeyDictionary[type, str] = WeakKeyDictionary()
# Classes that belonged to no operator when they were looked up.
_others: WeakSet[type] = WeakSet()


def operator_of(module: nn.Module) -> str | None:
    """The name of the operator that a module is a layer of, else None. Classes of torch itself are of no operator."""
    if is_marked(module):
        return str(module.__dict__[MARK]).partition("(")[0]
    return next((name for cls in type(module).__mro__ if (name := _operator_of_class(cls)) is not None), None)


def mark(module: nn.Module, label: str) -> None:
    """Note on a module which operator it is. Copies and pickles keep it."""
    module.__dict__[MARK] = label


def is_marked(module: nn.Module) -> bool:
    """Whether `mark` was called on the module or on its original."""
    return MARK in module.__dict__


def register(operator: str, layer_file: Any) -> None:
    """Know the class `LAYER` of a layer file as the class of an operator's modules."""
    layer = getattr(layer_file, "LAYER", None)
    if isinstance(layer, type) and not _is_torchs(layer):
        _operators.setdefault(layer, operator)


def _is_torchs(cls: type) -> bool:
    return file_of(cls).partition(".")[0] in ("torch", "builtins")


def _operator_of_class(cls: type) -> str | None:
    if cls not in _operators and cls not in _others and not _is_torchs(cls):
        for name in registry.names():
            # A module of this class exists, so its file has been imported.
            register(name, sys.modules.get(f"{LAYERS}.{name}"))
        if cls not in _operators:
            _look_in_plug_ins(cls)
        if cls not in _operators:
            _others.add(cls)
    return _operators.get(cls)


def _look_in_plug_ins(cls: type) -> None:
    package = file_of(cls).partition(".")[0]
    for name, packages in _plug_ins(tuple(sys.path)):
        if packages is None or package in packages:
            # A plug-in that fails has no layers. Commands that name it report the error.
            with suppress(Exception), contained_import(name):
                operator = registry.named(name)
                if operator is not None and operator.layer_file:
                    register(name, import_module(operator.layer_file))


@cache
def _plug_ins(_search: tuple[str, ...]) -> tuple[tuple[str, frozenset[str] | None], ...]:
    """The operators of plug-ins, each with the top-level packages of its distribution, or None if not known."""
    with suppress(Exception):
        return tuple((entry.name, _packages(entry)) for entry in entry_points(group=registry.GROUP))
    return ()


def _packages(entry: EntryPoint) -> frozenset[str] | None:
    files = entry.dist.files if entry.dist is not None else None
    if files is None:
        return None
    return frozenset({entry.module.partition(".")[0], *(file.parts[0].removesuffix(".py") for file in files)})
