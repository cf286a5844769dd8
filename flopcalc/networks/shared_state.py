"""A state of the process that several threads may need changed at once."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class SharedState:
    """The first of several users changes it, and the last puts it back.

    change: makes the change, and returns what undoes it. lock, users: for code that must know whether it is changed.
    """

    def __init__(self, change: Callable[[], Callable[[], None]]) -> None:
        self.lock = threading.Lock()
        self.users = 0
        self._change = change
        self._undo: Callable[[], None]

    @contextmanager
    def changed(self) -> Iterator[None]:
        """Change it, or use the change of another user."""
        with self.lock:
            if not self.users:
                self._undo = self._change()
            self.users += 1
        try:
            yield
        finally:
            with self.lock:
                self.users -= 1
                if not self.users:
                    self._undo()
