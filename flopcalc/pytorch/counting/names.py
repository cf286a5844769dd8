"""Which module is running: the forward of each module of a copy tells the recorder its name."""

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from torch import nn

from flopcalc.networks.progress import report
from flopcalc.pytorch.counting.recorder import Recorder

# The modes that count in another thread, for a recorder of that thread.
Modes = Callable[[Recorder], AbstractContextManager[object]]


def name_modules(modules: Sequence[tuple[str, nn.Module]], recorder: Recorder, modes: Modes | None = None) -> None:
    """Let each module tell its name. It changes the modules: give it those of a copy.

    modes: a forward may run modules in threads of its own, where the modes of this one do not count.
    """
    report(recorder.times, len(modules))
    name_module = _namer(recorder, _Threads(recorder, modes) if modes else None)
    for name, child in modules:
        forward = getattr(child, "forward", None)
        if forward is None:
            # Part of a program of TorchScript, such as a list of modules.
            continue
        # By the instance's dict: modules may define __setattr__, and a forward of the instance comes first anyway.
        state = child.__dict__
        state["forward"], call = name_module(forward, name, child)
        if type(child).__call__ is nn.Module.__call__:
            # The way to a compiled forward is shorter by one call, and deep modules are near the limit of Python.
            state["_compiled_call_impl"] = call


def forget_names(modules: Sequence[tuple[str, nn.Module]]) -> None:
    """Take the names off again: without these references to itself a copy is freed at once."""
    for _, child in modules:
        for key in ("forward", "_compiled_call_impl"):
            child.__dict__.pop(key, None)


_Run = Callable[..., Any]


def _namer(
    recorder: Recorder, threads: "_Threads | None"
) -> Callable[[_Run, str, nn.Module | None], tuple[_Run, _Run]]:
    """Makes, of a module's forward, a forward that tells its name, and a call that runs the module's hooks as well.

    The functions of all modules share what is the same for them: a model has thousands of modules.
    """
    enter, leave, abandon = recorder.enter, recorder.leave, recorder.abandon
    home, this = threading.get_ident(), threading.get_ident

    def name_module(forward: _Run, name: str, child: nn.Module | None) -> tuple[_Run, _Run]:
        def run(*args: Any, **kwargs: Any) -> Any:
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

        # The same again with a look at the hooks, and not a call of `run`, for the limit of Python.
        def call(*args: Any, **kwargs: Any) -> Any:
            if child is not None and (
                child._forward_hooks
                or child._forward_pre_hooks
                or child._backward_hooks
                or child._backward_pre_hooks
                or child.__dict__["forward"] is not run
            ):
                return child._call_impl(*args, **kwargs)  # type: ignore[no-untyped-call]
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
        return run, call

    return name_module


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
            return _namer(self._here, None)(forward, name, None)[0](*args, **kwargs)
        with self._lock:
            self._here = self._recorder.elsewhere()
            try:
                with self._modes(self._here):
                    return _namer(self._here, None)(forward, name, None)[0](*args, **kwargs)
            finally:
                self._here = None
