"""Names that are almost the name of a network: the hint says how the user's one is written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import Runner


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("tiny.yam", "tiny.yaml"),
        ("nets.tiny.yamll", "nets.tiny.yaml"),
        ("tiny.Net", "tiny:Net"),
        ("package.module.Net", "package.module:Net"),
    ],
)
def test_the_hint_has_the_right_spelling(run: Runner, name: str, hint: str) -> None:
    """A description ends in .yaml; a Python model has a colon before its name."""
    done = run("model", name)
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[1].endswith(hint)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_fifo_in_place_of_a_python_file_does_not_hang(tmp_path: Path) -> None:
    """The file is opened to find the names that it defines."""
    path = tmp_path / "net.py"
    os.mkfifo(path)
    done = subprocess.run(
        [sys.executable, "-m", "flopcalc", "model", str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 2
