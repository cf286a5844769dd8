"""Interrupts (Ctrl-C) that wait."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


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
