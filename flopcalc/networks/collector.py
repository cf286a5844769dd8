"""The garbage collector, paused while a structure is read, copied or counted.

Each of these makes many objects that stay alive until its end. The collector would look at all of them again and again:
for ten thousand layers more than half of the time, and more than linear. On real values it goes on, for their memory.
"""

import gc
from collections.abc import Callable
from contextlib import AbstractContextManager

from flopcalc.networks.shared_state import SharedState

# Whether the process collects apart from the pause.
_collects = True


def paused() -> AbstractContextManager[None]:
    """Pause the collector of the process; it goes on as before when the last of several counts has ended."""
    return _pause.changed()


def _stop() -> Callable[[], None]:
    global _collects  # noqa: PLW0603 - the collector is the process's
    _collects = gc.isenabled()
    gc.disable()
    return lambda: gc.enable() if _collects else None


_pause = SharedState(_stop)


def collects() -> bool:
    """Whether the process collects, apart from a pause."""
    with _pause.lock:
        return _collects if _pause.users else gc.isenabled()


def set_collects(wanted: bool) -> None:
    """Let the process collect or not, after a pause if there is one."""
    global _collects  # noqa: PLW0603
    with _pause.lock:
        if _pause.users:
            _collects = wanted
        else:
            (gc.enable if wanted else gc.disable)()
