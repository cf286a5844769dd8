"""Writing a file completely or not at all."""

import os

from flopcalc.errors import FlopcalcError, clip


def write_atomically(path: str, text: str) -> None:
    """Write a file in UTF-8, completely or not at all: to a temporary file in the same folder, which is then renamed.

    A link is followed. A path that is not a regular file (a pipe, /dev/stdout) is written to directly.

    Raises:
        FlopcalcError: unwritable-output.
    """
    try:
        if os.path.isdir(path) or path.endswith(os.sep):
            raise IsADirectoryError(21, "it is a folder")
        if os.path.exists(path) and not os.path.isfile(path):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            return
        path = os.path.realpath(path)
        folder, name = os.path.split(path)
        if os.path.islink(path):
            raise OSError(40, "it is a link to itself")
        there = os.path.exists(path)
        # Renaming would also replace a file that may not be written to.
        if there and not os.access(path, os.W_OK):
            raise PermissionError(13, "it is read-only")
        beside = os.path.join(folder, f".{name}.{os.getpid()}.tmp")
        try:
            with open(beside, "w", encoding="utf-8") as file:
                file.write(text)
                # On the disk before it replaces the old file.
                file.flush()
                os.fsync(file.fileno())
            if there:
                # As a file that is written in place keeps them.
                os.chmod(beside, os.stat(path).st_mode & 0o7777)
            os.replace(beside, path)
        finally:
            if os.path.exists(beside):
                os.unlink(beside)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise FlopcalcError(
            "unwritable-output", f"cannot write {clip(path)}: {why}", "give -o a file in a folder that you may write to"
        ) from None
