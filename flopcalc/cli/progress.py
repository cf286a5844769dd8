"""The progress bar of commands that count a model or try combinations, on a terminal, once they have taken a second.

It is one line of plain characters, drawn by a thread that only reads how far the count has come. It needs neither
colours nor cursor commands, so nothing is left behind where the process is ended, and no package is imported for it.
"""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from flopcalc.networks.progress import Progress, progress

# Seconds before the bar appears, and between two drawings.
_DELAY = 1.0
_PERIOD = 0.1
_LONGEST = 72


@contextmanager
def progress_bar(name: str, verb: str = "counting", unit: str = "modules") -> Iterator[None]:
    """Show what happens to a target, if stderr is a terminal, until the block has ended; the line is then erased."""
    stream = sys.stderr
    if not stream.isatty() or os.environ.get("TERM") in ("dumb", "unknown"):
        yield
        return
    shown, ended = Progress(), threading.Event()
    drawing = threading.Thread(target=_draw, args=(stream, (name, verb, unit), shown, ended), daemon=True)
    drawing.start()
    token = progress.set(shown)
    try:
        yield
    finally:
        progress.reset(token)
        ended.set()
        drawing.join()


def _draw(stream: TextIO, texts: tuple[str, str, str], shown: Progress, ended: threading.Event) -> None:
    start, width, wait = time.monotonic(), 0, _DELAY
    while not ended.wait(wait):
        wait = _PERIOD
        room = min(_LONGEST, _columns(stream) - 1)
        words = shown.words or texts[1:]
        line = bar(texts[0], len(shown.done), shown.total, time.monotonic() - start, room, *words)
        stream.write(f"\r{line.ljust(min(width, room))}")
        stream.flush()
        width = len(line)
    if width:
        stream.write(f"\r{' ' * min(width, _columns(stream) - 1)}\r")
        stream.flush()


def bar(
    name: str, done: int, total: int, seconds: float, width: int, verb: str = "counting", unit: str = "modules"
) -> str:
    """One line of at most `width` ASCII characters: name, share and time. total: 0 before the count has begun.

    verb, unit: what happens, and to what.
    """
    name = name.encode("ascii", "replace").decode()
    if not total:
        texts = [f"loading {name}, {seconds:.0f} s", f"loading, {seconds:.0f} s"]
    else:
        # A module that is called for the first time may itself take long; so the last one counts when all have ended.
        share = min(done, total) / total
        count = f"{done:,} of {total:,} {unit}"
        size = max(0, width - len(name) - max(30, len(verb) + len(count) + 6))
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
