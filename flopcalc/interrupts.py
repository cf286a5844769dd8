"""Interrupts (Ctrl-C) that wait."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread


@contextmanager
def blocked_interrupts() -> Iterator[None]:
    """An interrupt waits until the block has ended; a process that starts meanwhile never gets one."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def delayed_interrupts() -> Iterator[None]:
    """An interrupt waits until the block has ended, whichever thread the system gives it to.

    A mask is not enough where other threads run, such as those of NumPy: Python would interrupt the main thread. Only
    there does Python run handlers, so nothing changes for other threads, nor where the signal has its default action.
    """
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler) or current_thread() is not main_thread():
        yield
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if came:
            signal.raise_signal(signal.SIGINT)
