"""Finding the file of targets in a folder. Imports no parser, so that a command may look for one at no cost."""

import os

DEFAULT_FILES = ("flopcalc.yaml", "flopcalc.yml", "pyproject.toml")


def default_file(folder: str = "") -> str | None:
    """The path of the first default file in a folder (by default the working directory); None without one."""
    for name in DEFAULT_FILES:
        path = os.path.join(folder, name)
        if os.path.isfile(path) and (name != "pyproject.toml" or _has_table(path)):
            return path
    return None


def _has_table(path: str) -> bool:
    # Most files of that name are not ours: they are not parsed.
    if not mentions(path, b"flopcalc"):
        return False
    from flopcalc.budget.toml import has_table

    return has_table(path)


def mentions(path: str, word: bytes) -> bool:
    """Whether the file can be read and contains the word."""
    try:
        with open(path, "rb") as file:
            return word in file.read()
    except OSError:
        return False
