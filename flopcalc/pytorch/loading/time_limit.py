"""A limit on the time in which the code of a target is imported and builds its module.

The code runs in this process, so it is interrupted as Ctrl-C would interrupt it: a timer sends a signal to the main
thread, and the signal's handler raises an exception there. Outside the main thread, and on systems without such
timers (Windows), there is no limit. Code of C that neither returns nor releases the interpreter cannot be
interrupted.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import FrameType
from typing import Any, NamedTuple, TypeVar

from flopcalc.errors import ExitCode, FlopcalcError
from flopcalc.pytorch.loading.user_errors import place_of

T = TypeVar("T")

# Seconds between two interruptions: code that swallows one is interrupted again.
_AGAIN = 0.21
# From this one on, the handlers of the code are interrupted too (`except BaseException: continue`).
_INSISTENT = 3
# Seconds after which the command line ends a process that no interruption reaches.
_GRACE = 5.0


class TimeLimit(NamedTuple):
    """When the code of a target must have ended.

    seconds: the whole limit, for messages. ends: by `time.monotonic`. ends_process: end the process if the code
    cannot be interrupted, or leaves threads that still run; only for a process that flopcalc itself started.
    """

    seconds: float
    ends: float
    ends_process: bool = False


class _TimedOut(BaseException):
    """Raised in the code that takes too long. Not an Exception, so that `except Exception` does not hide it."""


def start_limit(seconds: float | None, *, ends_process: bool = False) -> TimeLimit | None:
    """A limit that starts now; None for no limit."""
    return None if seconds is None else TimeLimit(seconds, time.monotonic() + seconds, ends_process)


def is_time_out(error: BaseException) -> bool:
    """Whether an error is the one that `run_limited` raises."""
    return isinstance(error, FlopcalcError) and error.code == "timed-out"


def run_limited(limit: TimeLimit | None, step: str, function: Callable[[], T]) -> T:
    """What the function returns. step: what it does, for the message (`importing net.py`).

    The caller's handler and timer for SIGALRM are restored. Raises FlopcalcError (timed-out) where the limit is
    exceeded, whatever the function does then.
    """
    if limit is None or not _can_interrupt():
        return function()
    fired, over, trace = 0, False, sys.gettrace()

    def interrupt(_signal: int, frame: FrameType | None) -> None:
        nonlocal fired
        # Nothing to interrupt in this file: the function has not started, or it has ended.
        if over or frame is None or frame.f_code.co_filename == _HERE:
            return
        fired += 1
        if fired >= _INSISTENT:
            _raise_at_next_line(frame)
        raise _TimedOut

    ended, threads = threading.Event(), set(threading.enumerate())
    if limit.ends_process:
        threading.Thread(target=_end_process, args=(limit, step, ended), daemon=True).start()
    handler = signal.signal(signal.SIGALRM, interrupt)
    started = time.monotonic()
    delay, interval = signal.setitimer(signal.ITIMER_REAL, max(limit.ends - started, 0.001), _AGAIN)
    error: BaseException | None = None
    try:
        found = next(_apart(function))
    except BaseException as caught:
        if not fired or isinstance(caught, KeyboardInterrupt):
            raise
        error = caught
    finally:
        over = True
        ended.set()
        if fired >= _INSISTENT:
            sys.settrace(trace)
        _restore(interrupt, handler, delay and max(delay - (time.monotonic() - started), 1e-6), interval)
    if fired:
        if limit.ends_process:
            _do_not_wait_for(set(threading.enumerate()) - threads)
        raise FlopcalcError("timed-out", _message(limit, step) + place_of(error), _HINT) from error
    return found


def _apart(function: Callable[[], T]) -> Iterator[T]:
    """A generator has a state of handled exceptions of its own.

    An exception that is raised in the midst of a handler, as an insistent interruption is, can leave Python with that
    handler open: all later exceptions of the process would have it as their context.
    """
    yield function()


_HERE = run_limited.__code__.co_filename
_HINT = "fix the code that waits, or raise the limit with --timeout SECONDS"


def _message(limit: TimeLimit, step: str) -> str:
    return f"{step} did not end within {limit.seconds:g} second{'' if limit.seconds == 1 else 's'}"


def _can_interrupt() -> bool:
    """Whether a timer can interrupt this thread, and its handler can be restored afterwards."""
    return (
        hasattr(signal, "SIGALRM")
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGALRM) is not None
    )


def _restore(mine: Any, handler: Any, delay: float, interval: float) -> None:
    """Restore the caller's handler and timer, unless the code has set its own."""
    if signal.getsignal(signal.SIGALRM) is not mine:
        if abs(signal.getitimer(signal.ITIMER_REAL)[1] - _AGAIN) < 1e-3:
            signal.setitimer(signal.ITIMER_REAL, 0)
        return
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, handler)
    if delay:
        signal.setitimer(signal.ITIMER_REAL, delay, interval)


def _raise_at_next_line(frame: FrameType | None) -> None:
    """Raise at the next line or call as well: in an `except` block, where the exception leaves the `try`."""

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        if event in ("line", "call") and frame.f_code.co_filename != _HERE:
            raise _TimedOut
        return trace

    while frame is not None and frame.f_code.co_filename != _HERE:
        frame.f_trace = trace
        frame = frame.f_back
    # Python removes it once it has raised.
    sys.settrace(trace)


def _end_process(limit: TimeLimit, step: str, ended: threading.Event) -> None:
    """End the process with the error, if the function has not ended some seconds after the limit."""
    if not ended.wait(max(limit.ends - time.monotonic(), 0) + _GRACE):
        os.write(2, f"error: {_message(limit, step)}\nhint:  {_HINT}\n".encode(errors="replace"))
        os._exit(ExitCode.USAGE)


def _do_not_wait_for(threads: set[threading.Thread]) -> None:
    """Let the process end with the error although these threads, which the code has started, still run."""
    register = getattr(threading, "_register_atexit", None)

    def leave() -> None:
        if any(thread.is_alive() and not thread.daemon for thread in threads):
            for stream in (sys.stdout, sys.stderr):
                with suppress(Exception):
                    stream.flush()
            os._exit(ExitCode.USAGE)

    if register is not None and any(not thread.daemon for thread in threads):
        register(leave)
