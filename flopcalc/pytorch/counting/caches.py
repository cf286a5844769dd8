"""Caches outside of a module, in its code, which a forward fills: they must not keep what a counted pass made.

A tensor without values in a cache would break the next real forward. So tensors on the meta device are taken out of
whatever the code that may run can reach by name: globals, class attributes, objects and containers, closures, default
arguments, and attributes of functions. `functools.lru_cache` starts again if the pass put something into it: what it
holds cannot be looked at.
"""

import functools
import sys
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterable, Mapping
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

from torch import Tensor, nn

from flopcalc.pytorch.counting.contents import buffers_of, parameters_of
from flopcalc.pytorch.counting.twins import is_meta

_CONTAINERS = {dict, list, set, OrderedDict, defaultdict, deque}
_MANY = 10_000
# Longer containers are not searched for further containers.
_SEARCHED = 200
# How many functions, classes, objects and containers are looked at.
_NEAREST = 2_000
# Packages whose state is theirs: a user's forward puts nothing into it.
_THEIRS = frozenset({*sys.stdlib_module_names, "torch", "torchvision", "flopcalc", "numpy"}) - {"__main__"}
_ABSENT: Any = object()


class _Memory(NamedTuple):
    """What there was before the pass: namespaces, containers and closures with their items, and caches' misses."""

    namespaces: list[tuple[Any, dict[str, Any]]]
    containers: list[tuple[Any, Any]]
    cells: list[tuple[CellType, Any]]
    caches: list[tuple[Any, int]]


def remembered(modules: Iterable[nn.Module]) -> _Memory:
    """The state that the code of modules and of their classes can reach."""
    explorer = _Explorer()
    for child in modules:
        kind = type(child)
        explorer.visit(kind)
        # Functions of the instance: one in the place of its forward, hooks, and those that it is made of.
        for item in [one for one in list(vars(child).values()) if type(one) in _HOLDS_FUNCTIONS and one]:
            if type(item) in _FUNCTIONS:
                explorer.visit(item)
            elif len(item) < _SEARCHED:
                inside = list(item.values() if isinstance(item, dict) else item)
                if not _FUNCTIONS.isdisjoint(map(type, inside)):
                    for one in inside:
                        if type(one) in _FUNCTIONS:
                            explorer.visit(one)
    explorer.finish()
    return explorer.memory


def forget(memory: _Memory) -> None:
    """Take out of the caches what has no values and was not there before."""
    for space, before in memory.namespaces:
        for name in _new_and_valueless(vars(space), before):
            if name in before:
                setattr(space, name, before[name])
            else:
                delattr(space, name)
    for container, before in memory.containers:
        _restore(container, before)
    for cell, inside in memory.cells:
        now = _inside(cell)
        if now is not inside and _is_valueless(now):
            if inside is _ABSENT:
                del cell.cell_contents
            else:
                cell.cell_contents = inside
    for cache, misses in memory.caches:
        if cache.cache_info().misses != misses:
            cache.cache_clear()


class _Explorer:
    """Collects the state that functions can reach. seen: what has been visited; waiting: what is still to be."""

    def __init__(self) -> None:
        self.memory = _Memory([], [], [], [])
        self._seen: set[int] = set()
        self._waiting: deque[Any] = deque()

    def visit(self, value: Any) -> None:
        """Visit a value later, unless it has been."""
        if type(value) not in _PLAIN and id(value) not in self._seen:
            self._seen.add(id(value))
            self._waiting.append(value)

    def finish(self) -> None:
        """Visit what waits, the nearest first: large packages lead from a model to all of their code."""
        for _ in range(_NEAREST):
            if not self._waiting:
                break
            value = self._waiting.popleft()
            kind = type(value)
            if kind is FunctionType:
                self._function(value)
            elif kind in _CONTAINERS:
                self._container(value)
            elif isinstance(value, type):
                self._class(value)
            elif kind is functools._lru_cache_wrapper:
                self.memory.caches.append((value, value.cache_info().misses))
                self.visit(value.__wrapped__)
            elif kind in _INSIDE:
                for name in _INSIDE[kind]:
                    self.visit(getattr(value, name))
            elif kind is tuple:
                for item in value[:_SEARCHED]:
                    self.visit(item)
            elif not (isinstance(value, ModuleType | nn.Module | Tensor) or _is_theirs(kind)):
                self._object(value)

    def _space(self, space: Any) -> None:
        self.memory.namespaces.append((space, dict(vars(space))))

    def _class(self, kind: type) -> None:
        for base in kind.__mro__:
            if not _is_theirs(base) and (base is kind or id(base) not in self._seen):
                self._seen.add(id(base))
                self._space(base)
                for item in list(vars(base).values()):
                    self.visit(item)

    def _object(self, value: Any) -> None:
        self.visit(type(value))
        if hasattr(value, "__dict__"):
            self._space(value)
            for item in list(vars(value).values())[:_SEARCHED]:
                self.visit(item)

    def _container(self, value: Any) -> None:
        if len(value) < _MANY:
            items = value.copy()
            self.memory.containers.append((value, items))
            if len(items) < _SEARCHED:
                for item in items.values() if isinstance(items, dict) else items:
                    self.visit(item)

    def _function(self, value: FunctionType) -> None:
        if _is_theirs(value):
            return
        if value.__dict__ or value.__name__ in value.__code__.co_names:
            # Attributes of a function are set by those that have its name, itself among them.
            self._space(value)
        for cell in value.__closure__ or ():
            if id(cell) in self._seen:
                continue
            self._seen.add(id(cell))
            inside = _inside(cell)
            self.memory.cells.append((cell, inside))
            self.visit(inside)
        for item in (*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values(), *value.__dict__.values()):
            self.visit(item)
        file = sys.modules.get(value.__module__)
        known = value.__globals__
        if file is not None and vars(file) is known and id(file) not in self._seen:
            self._seen.add(id(file))
            self._space(file)
        self._names(value.__code__, known)

    def _names(self, code: CodeType, known: Mapping[str, Any]) -> None:
        """What a function calls by name, also as an attribute of a file."""
        files = []
        for name in code.co_names:
            item = known.get(name)
            if type(item) is ModuleType:
                files.append(item)
            elif item is not None:
                self.visit(item)
        for file in files:
            if not _is_theirs_name(file.__name__):
                items = vars(file)
                if id(file) not in self._seen:
                    self._seen.add(id(file))
                    self._space(file)
                for name in code.co_names:
                    item = items.get(name)
                    if item is not None:
                        self.visit(item)
        for inner in code.co_consts:
            if type(inner) is CodeType:
                self._names(inner, known)


# What a module holds that are no functions.
_FUNCTIONS = {FunctionType, MethodType, functools.partial, functools._lru_cache_wrapper}
_HOLDS_FUNCTIONS = _FUNCTIONS | _CONTAINERS - {set}
_PLAIN = {int, float, bool, complex, str, bytes, type(None), Tensor, nn.Parameter, CodeType}
# Where functions are that are held by other objects.
_INSIDE: dict[type, tuple[str, ...]] = {
    MethodType: ("__func__", "__self__"),
    functools.partial: ("func", "args", "keywords"),
    staticmethod: ("__func__",),
    classmethod: ("__func__",),
    property: ("fget", "fset"),
    functools.cached_property: ("func",),
}


def _is_theirs(item: Any) -> bool:
    name = getattr(item, "__module__", None)
    return _is_theirs_name(name if isinstance(name, str) and name else "torch")


@functools.cache
def _is_theirs_name(name: str) -> bool:
    return name.partition(".")[0] in _THEIRS


def _inside(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return _ABSENT


def _new_and_valueless(items: Mapping[Any, Any], before: Mapping[Any, Any]) -> list[Any]:
    return [key for key, item in list(items.items()) if item is not before.get(key) and _is_valueless(item)]


def _restore(container: Any, before: Any) -> None:
    if not isinstance(container, dict):
        known = set(map(id, before))
        for item in [one for one in list(container) if id(one) not in known and _is_valueless(one)]:
            _take_out(container, item)
        return
    for key in _new_and_valueless(container, before):
        if key in before:
            container[key] = before[key]
        else:
            del container[key]


def _take_out(container: Any, item: object) -> None:
    if isinstance(container, set):
        container.discard(item)
        return
    # By identity: comparing tensors asks for their values.
    place = next((index for index, one in enumerate(container) if one is item), None)
    if place is not None:
        del container[place]


def _is_valueless(item: Any, depth: int = 4) -> bool:
    """Whether something holds a tensor without values."""
    kind = type(item)
    if kind in _PLAIN and kind is not Tensor and kind is not nn.Parameter:
        return False
    if isinstance(item, Tensor):
        return is_meta(item)
    if depth == 0:
        return False
    if isinstance(item, list | tuple | deque):
        return any(_is_valueless(one, depth - 1) for one in list(item)[:100])
    if isinstance(item, Mapping):
        return len(item) < 100 and any(_is_valueless(one, depth - 1) for one in list(item.values()))
    if isinstance(item, nn.Module):
        return any(map(is_meta, (*parameters_of(item), *buffers_of(item))))
    if isinstance(item, type | ModuleType) or kind is FunctionType or _is_theirs(kind):
        return False
    return any(_is_valueless(one, depth - 1) for one in list(getattr(item, "__dict__", {}).values())[:100])
