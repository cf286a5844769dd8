"""A module that the user names: `package.module:factory`, `path/file.py:factory`, `torchvision:NAME`, `timm:NAME`,
`hf:NAME-OR-CONFIG.json`.

Only this package runs a user's code, and only the code that the user named. Whatever goes wrong
in it becomes one line and a hint. What it prints goes to stderr, so that JSON stays JSON.
"""

import inspect
import os
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, NamedTuple

from torch import nn

from flopcalc.errors import FlopcalcError
from flopcalc.pytorch.counting.contents import buffers_of, parameters_of
from flopcalc.pytorch.loading.attribute import find_attribute, find_in_hub
from flopcalc.pytorch.loading.building import build, build_with_values, check_arguments
from flopcalc.pytorch.loading.environment import visiting
from flopcalc.pytorch.loading.importing import HUBS, import_file, import_named, with_operators
from flopcalc.pytorch.loading.time_limit import TimeLimit, start_limit

# The part of the memory that a module with real values may take.
_MOST = 0.5


class Loaded(NamedTuple):
    """A module. rebuild: builds it again with real values, if it was built for this call; None for the user's own."""

    module: nn.Module
    rebuild: Callable[[TimeLimit | None], nn.Module] | None = None

    @property
    def built(self) -> bool:
        """Whether it was built for this call; else it is an object of the user's code."""
        return self.rebuild is not None

    def builder(self, limit: TimeLimit | None) -> Callable[[], nn.Module] | None:
        """Builds the module again; None for a module that the user has built."""
        rebuild = self.rebuild
        if rebuild is None:
            return None
        # The limit is for each time that it is built: how long the first pass took does not matter.
        return lambda: rebuild(start_limit(limit.seconds, ends_process=limit.ends_process) if limit else None)


def load_module(target: str, settings: Mapping[str, Any], limit: TimeLimit | None = None) -> Loaded:
    """The nn.Module that a target names, built on the meta device where its code allows.

    settings: keywords for the factory. limit: of the time that importing and building may take. Call it inside
    `visiting(target)`, as the forward. Raises FlopcalcError for any error of the target or of its code.
    """
    return with_operators(lambda: _load(target, settings, limit))


def _load(target: str, settings: Mapping[str, Any], limit: TimeLimit | None) -> Loaded:
    place, attribute = split_target(target)
    if place == "hf":
        from flopcalc.pytorch.loading.transformers_models import find_in_transformers

        return _build_object(find_in_transformers(attribute, settings, limit), target, {}, limit)
    return _load_object(_found(place, attribute, limit), target, settings, limit)


def _found(place: str, attribute: str, limit: TimeLimit | None) -> Any:
    """The object that a target names."""
    if place in HUBS:
        return find_in_hub(place, attribute, limit)
    source = import_file(place, limit) if place.endswith(".py") else import_named(place, limit)
    return find_attribute(source, place, attribute, limit)


def default_argument(what: Any, name: str, limit: TimeLimit | None) -> Any:
    """The default of a keyword of the factory that a target names; None where it is not known.

    Raises FlopcalcError for a keyword that the factory does not take, and as `load_module`.
    """
    found, target = what, getattr(what, "__name__", type(what).__name__)
    if isinstance(what, str):
        place, attribute = split_target(target := what)
        if place == "hf":
            # Fields of a configuration.
            return None
        with visiting(target):
            found = with_operators(lambda: _found(place, attribute, limit))
    if isinstance(found, nn.Module):
        raise _already_built(target)
    if not callable(found):
        return None
    check_arguments(target, found, {name: None}, complete=False)
    try:
        known = inspect.signature(found).parameters
    except (TypeError, ValueError):
        return None
    return known[name].default if name in known and known[name].default is not inspect.Parameter.empty else None


def split_target(target: str) -> tuple[str, str]:
    """The place and the name in it: `timm:resnet50`, `hf:path/config.json`, `net.py:Net`."""
    first, _, rest = target.partition(":")
    if first in (*HUBS, "hf"):
        return first, rest
    place, _, attribute = target.rpartition(":")
    return place, attribute


def load_object(found: Any, target: str, settings: Mapping[str, Any], limit: TimeLimit | None = None) -> Loaded:
    """The nn.Module that an object is, or that it builds. target: its name in errors. Raises FlopcalcError."""
    return with_operators(lambda: _load_object(found, target, settings, limit))


def _load_object(found: Any, target: str, settings: Mapping[str, Any], limit: TimeLimit | None) -> Loaded:
    if isinstance(found, nn.Module):
        if settings:
            raise _already_built(target)
        return Loaded(_plain(found))
    if not callable(found):
        raise FlopcalcError(
            "not-a-module",
            f"{target} is {_article(found)}, not an nn.Module",
            "name an nn.Module, its class, or a function that returns one",
        )
    check_arguments(target, found, settings)
    return _build_object(found, target, settings, limit)


def _already_built(target: str) -> FlopcalcError:
    why = f"--set has no effect: {target} is a module that is already built"
    return FlopcalcError("bad-option", why, "name a class or a function that builds the module")


def _build_object(
    found: Callable[..., Any], target: str, settings: Mapping[str, Any], limit: TimeLimit | None
) -> Loaded:
    module = _checked(build(target, found, settings, limit), target)

    def rebuild(limit: TimeLimit | None) -> nn.Module:
        _check_fits(module, target)
        return _checked(build_with_values(target, found, settings, limit), target)

    return Loaded(module, rebuild)


def _checked(module: Any, target: str) -> nn.Module:
    """What a factory returned, which must be a module. Raises FlopcalcError (not-a-module)."""
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
    return _plain(module)


def _check_fits(module: nn.Module, target: str) -> None:
    """Raise FlopcalcError (uncountable-module) for a module that the memory does not hold with real values."""
    size = sum(one.numel() * one.element_size() for one in (*parameters_of(module), *buffers_of(module)))
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return
    if size > _MOST * memory:
        raise FlopcalcError(
            "uncountable-module",
            f"{target} reads values, and would take {size / 1e9:.0f} GB with real values; the memory is "
            f"{memory / 1e9:.0f} GB",
            "count a model with fewer layers or channels",
        )


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
