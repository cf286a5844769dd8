"""The modes of a pass, where autograd runs a part of the forward again.

torch's checkpoint calls its function once more in the backward pass, where no mode for functions is active. There the
function would name its own devices again, and run other kernels than in the forward.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Protocol

import torch
from torch.overrides import _get_current_function_mode_stack
from torch.utils import checkpoint

from flopcalc.networks.shared_state import SharedState

_NAMES = ("CheckpointFunction", "_checkpoint_without_reentrant_generator")


class Again(Protocol):
    """A mode that is to be active in a part of the forward that runs again."""

    def again(self) -> AbstractContextManager[None]:
        """While the part runs."""


def modes_in_recomputation() -> AbstractContextManager[None]:
    """Let checkpoints keep the modes of their forward, until the last of several passes has ended."""
    return _checkpoints.changed()


def _replace_functions() -> Callable[[], None]:
    before = {name: getattr(checkpoint, name) for name in _NAMES if hasattr(checkpoint, name)}
    if (older := before.get(_NAMES[0])) is not None:
        setattr(checkpoint, _NAMES[0], _Reentrant(older))
    if (newer := before.get(_NAMES[1])) is not None:
        setattr(checkpoint, _NAMES[1], lambda function, *args, **kwargs: newer(_kept(function), *args, **kwargs))

    def back() -> None:
        for name, one in before.items():
            setattr(checkpoint, name, one)

    return back


_checkpoints = SharedState(_replace_functions)


class _Reentrant:
    """Takes the place of torch's class in its module."""

    def __init__(self, function: Any) -> None:
        self._function = function

    def apply(self, run: Callable[..., Any], *args: Any) -> Any:
        return self._function.apply(_kept(run), *args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._function, name)


def _modes() -> list[Again]:
    return [mode for mode in _get_current_function_mode_stack() if hasattr(mode, "again")]  # type: ignore[no-untyped-call]


def _kept(run: Callable[..., Any]) -> Callable[..., Any]:
    """The function, with the modes that are active now also where autograd calls it. Other threads have none."""
    modes = _modes()

    def again(*args: Any, **kwargs: Any) -> Any:
        if torch._C._current_autograd_node() is None:
            return run(*args, **kwargs)
        with _entered(modes):
            return run(*args, **kwargs)

    return again if modes else run


@contextmanager
def _entered(modes: list[Again]) -> Iterator[None]:
    active = _modes()
    with ExitStack() as stack:
        for mode in modes:
            if mode not in active:
                stack.enter_context(mode.again())
        yield
