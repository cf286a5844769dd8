"""Autocast for tensors without values.

Models ask for it by the device of their input: `torch.autocast(x.device.type, enabled=False)`, as the position code of
many language models does. torch has none for the meta device and refuses the name. So the name is read as that of a
device that no tensor of a count is on: the calls work, and convert nothing.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

# Each takes the name of a device first.
_FUNCTIONS: tuple[tuple[Any, str], ...] = (
    (torch, "is_autocast_enabled"),
    (torch, "set_autocast_enabled"),
    (torch, "get_autocast_dtype"),
    (torch, "set_autocast_dtype"),
    (torch._C, "_is_autocast_available"),
)
_INSTEAD = "ipu"

_lock = threading.Lock()
_passes = 0
_before: list[Any] = []


def asks_for_autocast(error: Exception) -> bool:
    """Whether a forward failed because it named the meta device as one with autocast."""
    why = str(error)
    return isinstance(error, RuntimeError) and any(sign in why for sign in _SIGNS)


_SIGNS = ("autocast device_type 'meta'", "unsupported scalarType", "unknown device type for autocast")


@contextmanager
def autocast_on_meta() -> Iterator[None]:
    """Let torch take the meta device for one with autocast, until the last of several passes has ended."""
    global _passes  # noqa: PLW0603 - the functions are the process's
    with _lock:
        if not _passes:
            _before[:] = [getattr(holder, name) for holder, name in _FUNCTIONS]
            for (holder, name), function in zip(_FUNCTIONS, _before, strict=True):
                setattr(holder, name, _renamed(function))
        _passes += 1
    try:
        yield
    finally:
        with _lock:
            _passes -= 1
            if not _passes:
                for (holder, name), function in zip(_FUNCTIONS, _before, strict=True):
                    setattr(holder, name, function)


def _renamed(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        if args and args[0] == "meta":
            args = (_INSTEAD, *args[1:])
        return function(*args, **kwargs)

    return call
