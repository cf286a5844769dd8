"""The documentation site, built once for all tests and all workers."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ROOT

_NEEDED = ("mkdocs", "material", "mkdocstrings", "altair", "vl_convert", "sympy", "latex2mathml")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site, as `make site` builds it, with warnings as errors.

    The environment variable FLOPCALC_SITE can name the folder of a site that was just built.
    """
    if built := os.environ.get("FLOPCALC_SITE"):
        return Path(built)
    for name in _NEEDED:
        pytest.importorskip(name)
    base = tmp_path_factory.getbasetemp()
    # The workers of xdist have folders next to each other.
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    folder = shared / "site"
    with (shared / "site.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
            environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
            done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
    return folder
