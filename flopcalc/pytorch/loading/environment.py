"""Where the code of a target runs: its import folders, its command line, and its output on stderr."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress


@contextmanager
def visiting(target: str) -> Iterator[None]:
    """Let the code of a target run: what it prints goes to stderr, and it sees its own command line.

    It can import from the folder of its file and from the current one. Modules from there are removed
    afterwards, since another version of the same file, with other modules next to it, may come next.
    """
    path, _, _ = target.rpartition(":")
    folders = [os.getcwd()]
    if path.endswith(".py"):
        folders.insert(0, os.path.abspath(os.path.dirname(path)))
    modules, search, arguments = set(sys.modules), list(sys.path), sys.argv
    sys.path[:0] = folders
    sys.argv = [path]
    try:
        with redirect_stdout(sys.stderr), _descriptor_to_stderr():
            yield
    finally:
        sys.path[:], sys.argv = search, arguments
        for name in set(sys.modules) - modules:
            file = getattr(sys.modules[name], "__file__", None)
            if any(_is_theirs(file, folder) for folder in folders):
                del sys.modules[name]


def _is_theirs(file: object, folder: str) -> bool:
    """Whether a module's file lies in the folder, and is not an installed package or our own."""
    if not isinstance(file, str) or not os.path.abspath(file).startswith(os.path.join(folder, "")):
        return False
    ours = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return "site-packages" not in file and not os.path.abspath(file).startswith(os.path.join(ours, ""))


@contextmanager
def _descriptor_to_stderr() -> Iterator[None]:
    """Send what C code and child processes print to stderr as well, where there are descriptors."""
    try:
        for stream in (sys.stdout, sys.__stdout__):
            if stream is not None:
                stream.flush()
        kept = os.dup(1)
        os.dup2(2, 1)
    except (OSError, ValueError):
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError, ValueError):
            if sys.__stdout__ is not None:
                sys.__stdout__.flush()
        os.dup2(kept, 1)
        os.close(kept)
