"""How far a long call has come, as a bar on a terminal or in a notebook, once the call has taken a second.

On a terminal it is one line of plain characters, in a notebook one element of HTML, drawn by a thread that only reads
how far the count has come. At its end the bar is erased. Neither needs a package: the line needs no colours and no
cursor commands, and a notebook has IPython, which can exchange an output for another one.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import copy_context
from typing import Any, NamedTuple, TextIO

from flopcalc.cost.whole import as_flag
from flopcalc.errors import FlopcalcError, clip
from flopcalc.networks.progress import Progress
from flopcalc.networks.progress import progress as reported

# Seconds before the bar appears, and between two drawings.
_DELAY = 1.0
_PERIOD = 0.1
# Each drawing in a notebook is a message to its page.
_NOTEBOOK_PERIOD = 0.25
_LONGEST = 72

# Whether calls from Python show a bar; None for: in notebooks and interactive sessions.
_wanted: bool | None = None


class Words(NamedTuple):
    """What happens, and to what. start: what happens where no number is known."""

    name: str
    verb: str = "counting"
    unit: str = "modules"
    start: str = "loading"


def progress(show: bool | None = True) -> AbstractContextManager[Any]:
    """Show how far long calls have come, or not: for all calls from now on, or for those in a `with` block.

    show: True also in a script, where its standard error is a terminal; False nowhere; None, the default of a process,
    in notebooks, and where Python runs interactively on a terminal. A bar appears after a second, and is erased at the
    end. It is never written to a pipe or a file.

    >>> import flopcalc
    >>> with flopcalc.progress(False):
    ...     found = flopcalc.network("resnet50")
    """
    if show is not None and as_flag(show) is None:
        why = f"progress is {clip(show)}; it must be True, False or None"
        raise FlopcalcError("bad-usage", why, "write progress(True) to show it")
    stack = ExitStack()
    stack.callback(_want, _wanted)
    _want(show)
    return stack


def _want(show: bool | None) -> None:
    global _wanted  # noqa: PLW0603 - a setting of the process
    _wanted = show


@contextmanager
def progress_bar(name: str, verb: str = "counting", unit: str = "modules") -> Iterator[None]:
    """For commands: show what happens to a target, if stderr is a terminal, until the block has ended."""
    if not _is_terminal(sys.stderr):
        yield
        return
    shown = Progress()
    with _drawn(_draw, sys.stderr, Words(name, verb, unit), shown), _reported_to(shown):
        yield


@contextmanager
def following(words: Words, *, steady: bool = False) -> Iterator[Progress]:
    """For calls from Python: show how far the block has come, where the user wants it.

    Yields what a block may report to by itself. steady: the counts inside the block report nothing, since they are
    many short ones.
    """
    shown = Progress()
    place = None if reported.get() is not None or _wanted is False else _place()
    if place is None:
        yield shown
        return
    with _drawn(*place, words, shown), _reported_to(Progress() if steady else shown):
        yield shown


def _place() -> tuple[Callable[..., None], Any] | None:
    """How and where a bar is drawn; None for nowhere."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    if shell is not None and getattr(shell, "kernel", None) is not None:
        return _draw_in_notebook, None
    interactive = shell is not None or hasattr(sys, "ps1") or bool(sys.flags.interactive)
    if (interactive or _wanted) and _is_terminal(sys.stderr):
        return _draw, sys.stderr
    return None


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


@contextmanager
def _reported_to(shown: Progress) -> Iterator[None]:
    token = reported.set(shown)
    try:
        yield
    finally:
        reported.reset(token)


@contextmanager
def _drawn(draw: Callable[..., None], stream: Any, words: Words, shown: Progress) -> Iterator[None]:
    """Let a thread draw until the block has ended. In the context of the cell, to which an output belongs."""
    ended = threading.Event()
    arguments = (draw, stream, words, shown, ended)
    drawing = threading.Thread(target=copy_context().run, args=arguments, daemon=True)
    drawing.start()
    try:
        yield
    finally:
        ended.set()
        drawing.join()


def _draw(stream: TextIO, words: Words, shown: Progress, ended: threading.Event) -> None:
    start, width, wait = time.monotonic(), 0, _DELAY
    while not ended.wait(wait):
        wait = _PERIOD
        room = min(_LONGEST, _columns(stream) - 1)
        verb, unit = shown.words or words[1:3]
        seconds = time.monotonic() - start
        line = bar(words.name, len(shown.done), shown.total, seconds, room, verb, unit, words.start)
        stream.write(f"\r{line.ljust(min(width, room))}")
        stream.flush()
        width = len(line)
    if width:
        stream.write(f"\r{' ' * min(width, _columns(stream) - 1)}\r")
        stream.flush()


def _draw_in_notebook(stream: None, words: Words, shown: Progress, ended: threading.Event) -> None:
    # Only notebooks need it, and they have it.
    from IPython.display import display

    def show(html: str, text: str, **where: Any) -> Any:
        return display({"text/html": html, "text/plain": text}, raw=True, **where)  # type: ignore[no-untyped-call]

    start, wait, handle, last = time.monotonic(), _DELAY, None, ""
    while not ended.wait(wait):
        wait = _NOTEBOOK_PERIOD
        verb, unit = shown.words or words[1:3]
        now = words._replace(verb=verb, unit=unit)
        found = element(now, len(shown.done), shown.total, time.monotonic() - start)
        if found == last:
            continue
        last = found
        if handle is None:
            handle = show(found, "", display_id=True)
        else:
            show(found, "", display_id=handle.display_id, update=True)
    if handle is not None:
        # An output cannot be taken away without those of the user's own; it becomes empty.
        show("", "", display_id=handle.display_id, update=True)


def element(words: Words, done: int, total: int, seconds: float) -> str:
    """The bar as HTML, with its text."""
    from html import escape

    name = escape(words.name)
    if not total:
        return f"<progress></progress> {escape(words.start)} {name}, {seconds:.0f} s"
    done = min(done, total)
    numbers = f"{done:,} of {total:,} {escape(words.unit)}"
    return f'<progress max="{total}" value="{done}"></progress> {escape(words.verb)} {name}, {numbers}'


def bar(
    name: str,
    done: int,
    total: int,
    seconds: float,
    width: int,
    verb: str = "counting",
    unit: str = "modules",
    start: str = "loading",
) -> str:
    """One line of at most `width` ASCII characters: name, share and time. total: 0 before the count has begun.

    verb, unit: what happens, and to what. start: what happens where no number is known.
    """
    name = name.encode("ascii", "replace").decode()
    if not total:
        texts = [f"{start} {name}, {seconds:.0f} s", f"{start}, {seconds:.0f} s"]
    else:
        # A module that is called for the first time may itself take long; so the last one counts when all have ended.
        share = min(done, total) / total
        count = f"{done:,} of {total:,} {unit}"
        size = width - len(name) - max(30, len(verb) + len(count) + 6)
        drawn = f"[{('#' * int(share * size)).ljust(size, '.')}] " if size >= 5 else ""
        texts = [
            f"{verb} {name} {drawn}{count}",
            f"{verb} {count}",
            f"{share:.0%}",
        ]
    return next((text for text in texts if len(text) <= width), texts[-1][: max(0, width)])


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
