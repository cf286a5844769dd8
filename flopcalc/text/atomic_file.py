"""Writing a file completely or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

from flopcalc.errors import FlopcalcError, clip


def write_atomically(path: str, text: str) -> None:
    """Write a file in UTF-8, completely or not at all. Raises FlopcalcError (unwritable-output)."""
    try:
        with open_atomically(path) as file:
            file.write(text)
    except ValueError as error:
        # A character that UTF-8 does not have.
        raise _unwritable(path, error) from None


@contextmanager
def open_atomically(path: str, *, binary: bool = False) -> Iterator[IO[Any]]:
    """A file for text in UTF-8 or for bytes, which appears under its name when the block has ended without an error.

    Until then it is a temporary file in the same folder. A link is followed. A path that is not a regular file (a pipe,
    /dev/stdout) is written to directly.

    Raises:
        FlopcalcError: unwritable-output.
    """
    mode, encoding = ("wb", None) if binary else ("w", "utf-8")
    try:
        if "\0" in path:
            raise OSError(22, "embedded null byte")
        if os.path.isdir(path) or path.endswith(os.sep):
            raise IsADirectoryError(21, "it is a folder")
        if os.path.exists(path) and not os.path.isfile(path):
            with open(path, mode, encoding=encoding) as file:
                yield file
            return
        path = os.path.realpath(path)
        folder = os.path.dirname(path)
        if os.path.islink(path):
            raise OSError(40, "it is a link to itself")
        old = os.stat(path) if os.path.exists(path) else None
        # Renaming would also replace a file that may not be written to.
        if old is not None and not os.access(path, os.W_OK):
            raise PermissionError(13, "it is read-only")
        # The name of the file may be as long as names can be. One of its own, for several threads and processes.
        beside = os.path.join(folder, f".flopcalc-{os.getpid()}-{os.urandom(6).hex()}.tmp")
        # Never an existing file, or what a link names. Not readable by others before it has the mode of the old file.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(beside, flags, 0o666 if old is None else 0o600)
        try:
            with open(descriptor, mode, encoding=encoding) as file:
                yield file
                # On the disk before it replaces the old file.
                file.flush()
                os.fsync(file.fileno())
            if old is not None:
                # As a file that is written in place keeps them.
                _like(beside, old)
            os.replace(beside, path)
        finally:
            if os.path.exists(beside):
                os.unlink(beside)
    except OSError as error:
        raise _unwritable(path, error) from None


def _like(path: str, old: os.stat_result) -> None:
    """Give a file the owner and the mode of another. Only root can give it away; others write files of their own."""
    if hasattr(os, "chown") and (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
        with suppress(OSError):
            os.chown(path, old.st_uid, old.st_gid)
    os.chmod(path, old.st_mode & 0o7777)


def _unwritable(path: str, error: Exception) -> FlopcalcError:
    why = getattr(error, "strerror", None) or str(error)
    return FlopcalcError(
        "unwritable-output", f"cannot write {clip(path)}: {why}", "give -o a file in a folder that you may write to"
    )
