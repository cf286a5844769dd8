"""The process that counts at another revision: its modules are those of the revision, and no other ones.

It runs in a folder with the files of the revision. Import folders of the working tree are exchanged for those of the
revision, editable installations included; a module that still comes from the working tree is an error.
"""

import json
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from flopcalc.errors import FlopcalcError, clip

JOBS = ("models", "costs")


def run(request_path: str, answer_path: str) -> None:
    """Answer the request of a file, in another file."""
    # What the user's code prints is no output of the command.
    os.dup2(2, 1)
    with open(request_path, encoding="utf-8", errors="surrogateescape") as file:
        request = json.load(file)
    os.chdir(request["folder"])
    top, files = request["top"], request["files"]
    _exchange(top, files)
    try:
        answer = {"answer": getattr(import_module("flopcalc.cli.git_sides"), request["job"])(request)}
        _check_modules(top, files, request)
    except FlopcalcError as error:
        answer = {"error": [error.code, error.message, error.hint, int(error.exit_code)]}
    with open(answer_path, "w", encoding="utf-8", errors="surrogateescape") as file:
        json.dump(answer, file)


def _exchange(top: str, files: str) -> None:
    """Let imports find the files of the revision in the place of those of the working tree."""
    sys.path[:] = [_exchanged(entry, top, files) for entry in sys.path]
    for name, module in list(sys.modules.items()):
        # The finder of an editable installation of setuptools has the folders of packages.
        mapping = getattr(module, "MAPPING", None)
        if name.startswith("__editable__") and isinstance(mapping, dict):
            for package, folder in mapping.items():
                mapping[package] = _exchanged(folder, top, files)


def _exchanged(entry: Any, top: str, files: str) -> Any:
    if not isinstance(entry, str) or not _is_inside(entry, top) or _is_installed(entry):
        return entry
    there = os.path.join(files, os.path.relpath(os.path.realpath(entry), top))
    return there if os.path.exists(there) else entry


def _is_inside(path: str, folder: str) -> bool:
    return (os.path.realpath(path) + os.sep).startswith(os.path.join(folder, ""))


def _is_installed(path: str) -> bool:
    """Whether a path belongs to an environment, which may itself be in the repository."""
    pieces = os.path.realpath(path).split(os.sep)
    prefixes = {os.path.realpath(one) for one in (sys.prefix, sys.base_prefix)}
    return not {"site-packages", "dist-packages"}.isdisjoint(pieces) or any(_is_inside(path, one) for one in prefixes)


def _check_modules(top: str, files: str, request: Mapping[str, Any]) -> None:
    """Raise FlopcalcError (mixed-revisions) for a module of the working tree."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or name.partition(".")[0] in ("flopcalc", "__main__"):
            continue
        if _is_inside(file, top) and not _is_inside(file, files) and not _is_installed(file):
            why = f"the module {name} comes from the working tree ({clip(os.path.relpath(file, top))})"
            hint = "import it by a path that is relative to the repository, so that each revision has its own"
            raise FlopcalcError("mixed-revisions", why, hint)
    for text in request.get("texts", ()):
        module_name, colon, _ = text.split()[0].partition(":")
        found = sys.modules.get(module_name) if colon and not module_name.endswith(".py") else None
        file = getattr(found, "__file__", None)
        if isinstance(file, str) and not _is_inside(file, files):
            why = f"{module_name} is an installed package, and not a part of this repository"
            raise FlopcalcError("not-in-repository", why, "name a model that is in the repository")
