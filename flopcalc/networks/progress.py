"""How far a count has come, for a reader in another thread: counting itself does nothing for it."""

from collections.abc import Sized
from contextvars import ContextVar


class Progress:
    """What is being done. A count puts the modules that have run into `done`, of `total`; 0 where it is not known.

    words: what happens and to what, where it is not what the reader expects.
    """

    def __init__(self) -> None:
        self.done: Sized = ()
        self.total = 0
        self.words: tuple[str, str] | None = None


# What the counts of this thread report to; None where nothing shows it.
progress: ContextVar[Progress | None] = ContextVar("progress", default=None)


def report(done: Sized, total: int, words: tuple[str, str] | None = None) -> None:
    """Say what a count is filling while it runs, and how long that becomes. words: as in `Progress`."""
    if (shown := progress.get()) is not None:
        shown.done, shown.total, shown.words = done, total, words


def report_number(done: int, total: int) -> None:
    """As `report`, of what is only a number."""
    report(range(done), total)
