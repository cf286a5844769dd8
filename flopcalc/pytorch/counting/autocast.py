"""Autocast for tensors without values.

Models ask for it by the device of their input: `torch.autocast(x.device.type, enabled=False)`, as the position code of
many language models does. torch has none for the meta device and refuses the name. So the name is read as that of a
device that no tensor of a count is on: the calls work, and convert nothing.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch

from flopcalc.networks.shared_state import SharedState

# Each takes the name of a device first.
_FUNCTIONS: tuple[tuple[Any, str], ...] = (
    (torch, "is_autocast_enabled"),
    (torch, "set_autocast_enabled"),
    (torch, "get_autocast_dtype"),
    (torch, "set_autocast_dtype"),
    (torch._C, "_is_autocast_available"),
)
_INSTEAD = "ipu"


def asks_for_autocast(error: Exception) -> bool:
    """Whether a forward failed because it named the meta device as one with autocast."""
    why = str(error)
    return isinstance(error, RuntimeError) and any(sign in why for sign in _SIGNS)


_SIGNS = ("autocast device_type 'meta'", "unsupported scalarType", "unknown device type for autocast")


def autocast_on_meta() -> AbstractContextManager[None]:
    """Let torch take the meta device for one with autocast, until the last of several passes has ended."""
    return _names.changed()


def _replace_functions() -> Callable[[], None]:
    before = [(holder, name, getattr(holder, name)) for holder, name in _FUNCTIONS]
    for holder, name, function in before:
        setattr(holder, name, _renamed(function))

    def back() -> None:
        for holder, name, function in before:
            setattr(holder, name, function)

    return back


_names = SharedState(_replace_functions)


def _renamed(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        if args and args[0] == "meta":
            args = (_INSTEAD, *args[1:])
        return function(*args, **kwargs)

    return call
