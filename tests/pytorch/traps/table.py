"""The list of traps, and how one is written."""

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import nn


class Trap(NamedTuple):
    """A module with its answer.

    make: gives the module, its inputs by position and, where there are any, by name. right: its MACs; why: how they
    come about. alternatives: other defensible answers. params: where they are not the sum over the parameters.
    """

    name: str
    make: Callable[[], tuple[Any, ...]]
    right: int
    why: str
    alternatives: tuple[int, ...]
    params: int | None

    def build(self) -> tuple[nn.Module, tuple[Any, ...], dict[str, Any]]:
        """The module, its inputs by position, and by name."""
        module, given, *named = self.make()
        return module, given, named[0] if named else {}


TRAPS: list[Trap] = []
# Those of the files `more_...`, which are checked in three ways.
MORE: list[Trap] = []

_Make = Callable[[], tuple[Any, ...]]


def trap(right: int, why: str, alt: tuple[int, ...] = (), params: int | None = None) -> Callable[[_Make], _Make]:
    """Add a function that makes a module to the list."""
    return _into(TRAPS, right, why, alt, params)


def more(right: int, why: str, alt: tuple[int, ...] = (), params: int | None = None) -> Callable[[_Make], _Make]:
    """Add a function that makes a module to the second list."""
    return _into(MORE, right, why, alt, params)


def _into(
    traps: list[Trap], right: int, why: str, alt: tuple[int, ...], params: int | None
) -> Callable[[_Make], _Make]:
    def note(make: _Make) -> _Make:
        traps.append(Trap(make.__name__, make, right, why, alt, params))
        return make

    return note
