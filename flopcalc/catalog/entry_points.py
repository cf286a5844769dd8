"""Whether any installed package has entry points in a group, without loading `importlib.metadata`.

`importlib.metadata` takes 50 ms to import and to read all packages; most users have no plug-ins, and the folders
of sys.path say so in 2 ms.
"""

import os
import sys
from collections.abc import Iterator

_METADATA = (".dist-info", ".egg-info", ".egg")


def may_have(group: str) -> bool:
    """False where no installed package can have entry points in the group; True where one may have."""
    if any(map(_finds_packages, sys.meta_path)):
        return True
    wanted = group.encode()
    return any(wanted in content for path in dict.fromkeys(sys.path) for content in _entry_points(path or "."))


def _finds_packages(finder: object) -> bool:
    """Whether a finder may know packages that are in no folder of sys.path: one that is not Python's own."""
    cls = finder if isinstance(finder, type) else type(finder)
    if cls.__module__ in ("_frozen_importlib", "_frozen_importlib_external"):
        return False
    found = getattr(finder, "find_distributions", None)
    # Finders of editable installs have this method, and it finds nothing: their metadata is in a folder.
    return found is not None and not cls.__module__.startswith(("__editable__", "_distutils_hack"))


def _entry_points(path: str) -> Iterator[bytes]:
    try:
        names = os.listdir(path)
    except NotADirectoryError:
        # A zip file may hold packages as well.
        yield from _zipped(path)
        return
    except OSError:
        return
    for name in names:
        if name.endswith(_METADATA):
            # An egg has its metadata one folder deeper.
            folder = os.path.join(path, name, "EGG-INFO") if name.endswith(".egg") else os.path.join(path, name)
            try:
                with open(os.path.join(folder, "entry_points.txt"), "rb") as file:
                    yield file.read()
            except OSError:
                continue


def _zipped(path: str) -> Iterator[bytes]:
    from zipfile import BadZipFile, ZipFile

    try:
        with ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith("entry_points.txt"):
                    yield archive.read(name)
    except (OSError, BadZipFile):
        return
