"""Asking what targets cost at another revision, in a process of its own."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import Any

import flopcalc
from flopcalc.budget.git import Revision, relative
from flopcalc.errors import ExitCode, FlopcalcError

# The package that runs here is imported there too, whatever version of it the revision has.
_PROGRAM = """
import signal, sys
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # Ctrl-C ends it without a traceback; the process that started it reports.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
sys.path.insert(0, sys.argv[1])
import flopcalc.cli.git_worker as worker
sys.path.pop(0)
worker.run(*sys.argv[2:])
"""


def asked(revision: Revision, folder: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of the process. folder: where it runs, as a folder of the working tree. Raises FlopcalcError."""
    there = revision.path(folder)
    os.makedirs(there, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="flopcalc-", ignore_cleanup_errors=True) as temporary:
        paths = [os.path.join(temporary, name) for name in ("request.json", "answer.json")]
        full = {**request, "folder": there, "top": revision.top, "files": revision.files}
        with open(paths[0], "w", encoding="utf-8", errors="surrogateescape") as file:
            json.dump(full, file)
        package = os.path.dirname(os.path.dirname(os.path.abspath(flopcalc.__file__)))
        # -P: the folder it runs in is not looked at for flopcalc itself.
        command = [sys.executable, "-P", "-c", _PROGRAM, package, *paths]
        env = {**os.environ, "PWD": there, "PYTHONDONTWRITEBYTECODE": "1"}
        code = subprocess.run(command, cwd=there, env=env, stdin=subprocess.DEVNULL, check=False).returncode  # noqa: S603
        try:
            with open(paths[1], encoding="utf-8", errors="surrogateescape") as file:
                answer = json.load(file)
        except (OSError, ValueError):
            why = f"at {revision.label}: the process that counts ended with exit code {code}"
            hint = "its own message is above; a model that ends its process cannot be counted"
            raise FlopcalcError("worker-failed", why, hint) from None
    if "error" in answer:
        error, message, hint, exit_code = answer["error"]
        raise FlopcalcError(error, f"at {revision.label}: {message}{_submodules(revision)}", hint, ExitCode(exit_code))
    found: dict[str, Any] = answer["answer"]
    return found


def _submodules(revision: Revision) -> str:
    if not revision.missing:
        return ""
    return f" (the files of these submodules are not here: {', '.join(revision.missing[:4])})"


def earlier_name(text: str, revision: Revision, folder: str = ".") -> str:
    """A target with the path that its file had at the revision, where that was another one.

    folder: the one that paths of targets begin at.
    """
    path = text.partition(":")[0].partition(" ")[0]
    place = relative(os.path.join(folder, path), revision.top)
    old = None if place is None else revision.renamed.get(place)
    if old is None:
        return text
    return os.path.relpath(os.path.join(revision.top, old), os.path.realpath(folder)) + text[len(path) :]
