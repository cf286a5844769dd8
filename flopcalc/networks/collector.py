"""The garbage collector, paused while a structure is read, copied or counted.

Each of these makes many objects that stay alive until its end. The collector would look at all of them again and again:
for ten thousand layers more than half of the time, and more than linear. On real values it goes on, for their memory.
"""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_counts = 0
# Whether the process collects apart from the pause.
_collects = True


@contextmanager
def paused() -> Iterator[None]:
    """Pause the collector of the process; it goes on as before when the last of several counts has ended."""
    global _counts, _collects  # noqa: PLW0603 - the collector is the process's
    with _lock:
        if not _counts:
            _collects = gc.isenabled()
            gc.disable()
        _counts += 1
    try:
        yield
    finally:
        with _lock:
            _counts -= 1
            if not _counts and _collects:
                gc.enable()


def collects() -> bool:
    """Whether the process collects, apart from a pause."""
    with _lock:
        return _collects if _counts else gc.isenabled()


def set_collects(wanted: bool) -> None:
    """Let the process collect or not, after a pause if there is one."""
    global _collects  # noqa: PLW0603
    with _lock:
        if _counts:
            _collects = wanted
        else:
            (gc.enable if wanted else gc.disable)()
