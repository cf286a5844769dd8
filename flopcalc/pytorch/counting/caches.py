"""Caches outside of a module, in its code, which a forward fills: they must not keep what a counted pass made.

A tensor without values in a cache would break the next real forward. So tensors on the meta device are taken out of
the globals, class attributes and containers of the code that ran, and `functools.lru_cache` starts again if the pass
put something into it: what it holds cannot be looked at.
"""

import functools
import sys
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any, NamedTuple

from torch import Tensor, nn

from flopcalc.pytorch.counting.twins import is_meta

_CONTAINERS = {dict, list, set, OrderedDict, defaultdict, deque}
_MANY = 10_000


class _Memory(NamedTuple):
    """What there was before the pass: namespaces and containers with their items, and caches with their misses."""

    namespaces: list[tuple[Any, dict[str, Any]]]
    containers: list[tuple[Any, Any]]
    caches: list[tuple[Any, int]]


def remembered(module: nn.Module) -> _Memory:
    """The state of the caches in the code of a module's classes."""
    memory = _Memory([], [], [])
    seen: set[int] = set()
    for space in _namespaces(module):
        items = dict(vars(space))
        memory.namespaces.append((space, items))
        for item in items.values():
            kind = type(item)
            if kind in _CONTAINERS and id(item) not in seen and len(item) < _MANY:
                seen.add(id(item))
                memory.containers.append((item, item.copy()))
            elif (cache := _lru_cache(item)) is not None and id(cache) not in seen:
                seen.add(id(cache))
                memory.caches.append((cache, cache.cache_info().misses))
    return memory


def forget(memory: _Memory) -> None:
    """Take out of the caches what has no values and was not there before."""
    for space, before in memory.namespaces:
        for name in _new_and_valueless(vars(space), before):
            if name in before:
                setattr(space, name, before[name])
            else:
                delattr(space, name)
    for container, before in memory.containers:
        if not isinstance(container, dict):
            known = set(map(id, before))
            for item in [one for one in list(container) if id(one) not in known and _is_valueless(one)]:
                _take_out(container, item)
            continue
        for key in _new_and_valueless(container, before):
            if key in before:
                container[key] = before[key]
            else:
                del container[key]
    for cache, misses in memory.caches:
        if cache.cache_info().misses != misses:
            cache.cache_clear()


def _new_and_valueless(items: Mapping[Any, Any], before: Mapping[Any, Any]) -> list[Any]:
    return [key for key, item in list(items.items()) if item is not before.get(key) and _is_valueless(item)]


def _take_out(container: Any, item: object) -> None:
    if isinstance(container, set):
        container.discard(item)
        return
    # By identity: comparing tensors asks for their values.
    place = next((index for index, one in enumerate(container) if one is item), None)
    if place is not None:
        del container[place]


def _namespaces(module: nn.Module) -> Iterator[Any]:
    """The classes of a module that are not torch's own, the files that define them, and those that these import."""
    kinds = {base for child in module.modules() for base in type(child).__mro__ if not _is_torch(base.__module__)}
    files = {id(file): file for kind in kinds if (file := sys.modules.get(kind.__module__)) is not None}
    for file in list(files.values()):
        package = file.__name__.partition(".")[0]
        for item in list(vars(file).values()):
            if isinstance(item, ModuleType) and item.__name__.partition(".")[0] == package:
                files[id(item)] = item
    yield from kinds
    yield from files.values()


def _is_torch(name: str) -> bool:
    return name.partition(".")[0] in {"builtins", "torch", "flopcalc"}


def _lru_cache(item: Any) -> Any:
    function: Callable[..., Any] = getattr(item, "__func__", item) if isinstance(item, staticmethod) else item
    return function if type(function) is functools._lru_cache_wrapper else None


def _is_valueless(item: Any, depth: int = 2) -> bool:
    if isinstance(item, Tensor):
        return is_meta(item)
    if depth == 0:
        return False
    if type(item) in {list, tuple}:
        return any(_is_valueless(one, depth - 1) for one in item[:100])
    if type(item) is dict and len(item) < 100:
        return any(_is_valueless(one, depth - 1) for one in item.values())
    return False
