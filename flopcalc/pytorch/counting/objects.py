"""Python objects that a copy meets: their attributes, and how one is made again without its constructor."""

import functools
import io
import types
from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.pytorch.named_class import file_of

_ATOMS: frozenset[type] = frozenset(
    {int, float, bool, complex, str, bytes, type(None), type, types.ModuleType, types.CodeType, range, slice}
)
_ABSENT: Any = object()
_POINTER = tuple.__itemsize__
_set_class = vars(object)["__class__"].__set__


def holds_tensors(value: Any, depth: int = 4) -> bool:
    """Whether a value holds a tensor or a module, down to some depth."""
    if isinstance(value, Tensor | nn.Module):
        return True
    if depth == 0 or type(value) in _ATOMS:
        return False
    inner: list[Any] = []
    if isinstance(value, dict):
        inner += value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        inner += value
    inner += attributes(value).values()
    return any(holds_tensors(one, depth - 1) for one in inner)


def attributes(value: Any) -> dict[str, Any]:
    """The attributes of an object, those in slots too."""
    found: dict[str, Any] = dict(getattr(value, "__dict__", None) or {})
    kind: Any = type(value)
    for name in slots(kind):
        item = getattr(value, name, _ABSENT)
        if item is not _ABSENT:
            found[name] = item
    return found


@functools.lru_cache(maxsize=4096)
def slots(kind: Any) -> tuple[str, ...]:
    """The attributes of a class outside of its dict; a private name has that of its class in front."""
    found: list[str] = []
    for base in kind.__mro__:
        held, own = vars(base).get("__slots__", ()), base.__name__.lstrip("_")
        names = (held,) if isinstance(held, str) else held
        found += [f"_{own}{name}" if name[:2] == "__" != name[-2:] else name for name in names]
    return tuple(name for name in found if name not in {"__dict__", "__weakref__"})


def is_all_attributes(kind: Any) -> bool:
    """Whether an object of a class is nothing but its attributes, so that it can be made from them.

    The rule is that of pickle: an object that is larger than its attributes holds something of C.
    """
    known = (kind.__dictoffset__ > 0) + (kind.__weakrefoffset__ > 0) + len(slots(kind))
    return bool(kind.__itemsize__ == 0 and kind.__basicsize__ <= object.__basicsize__ + _POINTER * known)


def set_attributes(made: Any, found: dict[str, Any]) -> None:
    """Set attributes as they are, whatever the class does where one is set."""
    kind: Any = type(made)
    for name, item in found.items():
        if name in slots(kind):
            object.__setattr__(made, name, item)
        else:
            made.__dict__[name] = item


def set_state(made: Any, state: Any) -> None:
    """Give an object the state that its class named for a copy."""
    if hasattr(made, "__setstate__"):
        made.__setstate__(state)
        return
    found, in_slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    if found:
        made.__dict__.update(found)
    for name, item in (in_slots or {}).items():
        object.__setattr__(made, name, item)


def same_generator(value: torch.Generator) -> torch.Generator:
    """A generator of random numbers in the same state."""
    made = torch.Generator(device=value.device)
    made.set_state(value.get_state())
    return made


def stream_to_nowhere(value: Any) -> Any:
    """A stream for what the forward writes to a file."""
    if getattr(value, "name", "") in {"<stdout>", "<stderr>"} or not value.writable():
        return value
    return io.StringIO() if isinstance(value, io.TextIOBase) else io.BytesIO()


def class_for_copy(kind: Any) -> Any:
    """The class of a copy of a module.

    torch makes a class for a module with parametrizations, and takes attributes off it when they are removed.
    """
    if file_of(kind) != "torch.nn.utils.parametrize":
        return kind
    held = {name: item for name, item in vars(kind).items() if name not in {"__dict__", "__weakref__"}}
    return type(kind)(kind.__name__, kind.__bases__, held)


def has_finaliser(kind: type) -> bool:
    """Whether something happens when an object of a class ends."""
    return hasattr(kind, "__del__")


def silence(made: Any) -> None:
    """Let a copy end without what its class does then: the file that it would close or delete is the original's."""
    try:
        _set_class(made, _quiet(type(made)))
    except TypeError:
        # A class of C, which cannot be changed.
        return


def _quiet(kind: Any) -> Any:
    """A subclass that does nothing when an object ends, and of which the class of the user does not hear."""
    metaclass: Any = type(kind)
    listening = type(metaclass)(metaclass.__name__, (metaclass,), {"mro": _with_quiet_first})
    return type.__new__(listening, kind.__name__, (kind,), {"__slots__": (), "__module__": file_of(kind)})


def _with_quiet_first(kind: Any) -> list[type]:
    first, *others = type.mro(kind)
    return [first, _Quiet, *others]


class _Quiet:
    __slots__ = ()

    def __init_subclass__(cls, **options: Any) -> None:
        """Do nothing; the class of the user may keep a list of its subclasses."""

    def __del__(self) -> None:
        """Do nothing."""
