"""Which module is running: the forward of each module of a copy tells the recorder its name."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from torch import nn

from flopcalc.networks.progress import report
from flopcalc.pytorch.counting.recorder import Recorder

# The modes that count in another thread, for a recorder of that thread.
Modes = Callable[[Recorder], AbstractContextManager[object]]


def name_modules(module: nn.Module, recorder: Recorder, modes: Modes | None = None) -> None:
    """Let each module below `module`, itself included, tell its name. It changes the module: give it a copy.

    modes: a forward may run modules in threads of its own, where the modes of this one do not count.
    """
    threads = _Threads(recorder, modes) if modes else None
    modules = list(module.named_modules())
    report(recorder.times, len(modules))
    for name, child in modules:
        # By the instance's dict: modules may define __setattr__, and a forward of the instance comes first anyway.
        state, forward = child.__dict__, child.forward
        state["forward"] = _named(forward, name, recorder, threads)
        if type(child).__call__ is nn.Module.__call__:
            # The way to a compiled forward is shorter by one call, and deep modules are near the limit of Python.
            state["_compiled_call_impl"] = _named(forward, name, recorder, threads, child)


def _named(
    forward: Callable[..., Any],
    name: str,
    recorder: Recorder,
    threads: "_Threads | None",
    child: nn.Module | None = None,
) -> Callable[..., Any]:
    """A forward that tells its name. child: the module, where its hooks are still to run."""
    enter, leave, abandon = recorder.enter, recorder.leave, recorder.abandon
    home, this = threading.get_ident(), threading.get_ident
    state = child.__dict__ if child is not None else {}
    expected = state.get("forward")

    def run(*args: Any, **kwargs: Any) -> Any:
        if child is not None and (
            child._forward_hooks
            or child._forward_pre_hooks
            or child._backward_hooks
            or child._backward_pre_hooks
            or state["forward"] is not expected
        ):
            return child._call_impl(*args, **kwargs)
        if threads is not None and this() != home:
            return threads.run(name, forward, args, kwargs)
        enter(name)
        try:
            out = forward(*args, **kwargs)
        except BaseException as error:
            abandon(error)
            raise
        leave(args or kwargs, out)
        return out

    # Code that asks which arguments a forward takes finds those of the original.
    run.__wrapped__ = forward  # type: ignore[attr-defined]
    return run


class _Threads(threading.local):
    """Modules that run in threads which the forward started: one after the other, each thread with its own modes."""

    def __init__(self, recorder: Recorder, modes: Modes) -> None:
        self._recorder = recorder
        self._modes = modes
        self._lock = recorder.lock
        self._here: Recorder | None = None

    def run(self, name: str, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Run the forward of a module in this thread."""
        if self._here is not None:
            return _named(forward, name, self._here, None)(*args, **kwargs)
        with self._lock:
            self._here = self._recorder.elsewhere()
            try:
                with self._modes(self._here):
                    return _named(forward, name, self._here, None)(*args, **kwargs)
            finally:
                self._here = None
