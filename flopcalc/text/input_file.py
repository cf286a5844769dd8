"""Reading files that users name: regular files of limited size, in UTF-8."""

import os
import stat

from flopcalc.errors import FlopcalcError, clip

MAX_BYTES = 1_000_000
# Device and inode of each file that was read, for `was_read`.
_READ: set[tuple[int, int]] = set()
_UTF_8_BOM = b"\xef\xbb\xbf"
_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


def read_bytes(path: str, what: str, most: int = MAX_BYTES) -> bytes:
    """The content of a regular file, at most one byte more than `most`. Raises FlopcalcError (unreadable-file).

    The file is opened without waiting: a FIFO that no program writes to would block for ever.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
        with open(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            mode = found.st_mode
            if stat.S_ISREG(mode):
                _READ.add((found.st_dev, found.st_ino))
                return file.read(most + 1)
        why = f"it is {_kind(mode)}, not a file"
    except (OSError, ValueError) as error:
        # Python itself refuses to open a folder, with a message of its own.
        why = getattr(error, "strerror", None) or str(error)
    raise FlopcalcError("unreadable-file", f"cannot read the {what} {clip(path)}: {why}", "check the path")


def note_read(path: str) -> None:
    """Note a file of a user that other code reads, such as a Python module."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return
    _READ.add((found.st_dev, found.st_ino))


def was_read(path: str) -> bool:
    """Whether a file was read since `forget`, under this name or another one."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return False
    return (found.st_dev, found.st_ino) in _READ


def forget() -> None:
    """Forget which files were read: a new command begins."""
    _READ.clear()


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    if stat.S_ISFIFO(mode):
        return "a FIFO (named pipe)"
    return "a socket" if stat.S_ISSOCK(mode) else "a device"


def decode(content: bytes) -> str:
    """The text of a file in UTF-8, without a BOM. Raises ValueError if it is in another encoding or too large."""
    if len(content) > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES:,} bytes")
    if encoding := _BOMS.get(content[:2]):
        raise ValueError(f"text in {encoding}, not in UTF-8")
    try:
        return content.removeprefix(_UTF_8_BOM).decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"not text in UTF-8 (see line {line})") from None
