"""A module that the user names: `package.module:factory`, `path/file.py:factory`, `torchvision:NAME`, `timm:NAME`.

Only this package runs a user's code, and only the code that the user named. Whatever goes wrong
in it becomes one line and a hint. What it prints goes to stderr, so that JSON stays JSON.
"""

import inspect
from collections.abc import Mapping
from types import ModuleType
from typing import Any, NamedTuple

from torch import nn

from flopcalc.errors import FlopcalcError
from flopcalc.pytorch.loading.attribute import find_attribute, find_in_hub
from flopcalc.pytorch.loading.building import build, check_arguments
from flopcalc.pytorch.loading.importing import HUBS, import_file, import_named
from flopcalc.pytorch.loading.time_limit import TimeLimit


class Loaded(NamedTuple):
    """A module. built: whether it was built for this call; else it is an object of the user's code."""

    module: nn.Module
    built: bool


def load_module(target: str, settings: Mapping[str, Any], limit: TimeLimit | None = None) -> Loaded:
    """The nn.Module that a target names, built on the meta device where its code allows.

    settings: keywords for the factory. limit: of the time that importing and building may take. Call it inside
    `visiting(target)`, as the forward. Raises FlopcalcError for any error of the target or of its code.
    """
    place, _, attribute = target.rpartition(":")
    if place in HUBS:
        found = find_in_hub(place, attribute, limit)
    else:
        source = import_file(place, limit) if place.endswith(".py") else import_named(place, limit)
        found = find_attribute(source, place, attribute, limit)
    return load_object(found, target, settings, limit)


def load_object(found: Any, target: str, settings: Mapping[str, Any], limit: TimeLimit | None = None) -> Loaded:
    """The nn.Module that an object is, or that it builds. target: its name in errors. Raises FlopcalcError."""
    if isinstance(found, nn.Module):
        if settings:
            why = f"--set has no effect: {target} is a module that is already built"
            raise FlopcalcError("bad-option", why, "name a class or a function that builds the module")
        return Loaded(_plain(found), built=False)
    if not callable(found):
        raise FlopcalcError(
            "not-a-module",
            f"{target} is {_article(found)}, not an nn.Module",
            "name an nn.Module, its class, or a function that returns one",
        )
    check_arguments(target, found, settings)
    module = build(target, found, settings, limit)
    if not isinstance(module, nn.Module):
        if inspect.iscoroutine(module):
            module.close()
        inside = isinstance(module, list | tuple | dict) and any(
            isinstance(item, nn.Module) for item in (module.values() if isinstance(module, dict) else module)
        )
        hint = (
            "return an nn.Module"
            if not inside
            else "there is a module inside: write a function that returns only the module"
        )
        raise FlopcalcError("not-a-module", f"{target} returned {_article(module)}, not an nn.Module", hint)
    return Loaded(_plain(module), built=True)


def _plain(module: nn.Module) -> nn.Module:
    """The module inside a compiled one, which torch.compile would compile again."""
    inner = getattr(module, "_orig_mod", None)
    return inner if isinstance(inner, nn.Module) else module


def _article(value: object) -> str:
    if isinstance(value, ModuleType):
        return "a Python module"
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
