"""`--timeout`: code that hangs ends in two lines and exit code 2."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import ROOT, Run

Runner = Callable[..., Run]

HANGS = """
import threading, time
def make():
    time.sleep(60)
def leaves_a_thread():
    thread = threading.Thread(target=time.sleep, args=(60,))
    thread.start()
    thread.join()
def spins():
    # No signal reaches a loop in C, which does not hold the lock of the interpreter either.
    import sqlite3
    endless = "with recursive n(x) as (select 1 union all select x + 1 from n) select max(x) from n"
    sqlite3.connect(":memory:").execute(endless).fetchall()
"""


@pytest.fixture
def hangs(tmp_path: Path) -> str:
    """A file of factories that do not end."""
    pytest.importorskip("torch")
    (tmp_path / "hangs.py").write_text(HANGS)
    return str(tmp_path / "hangs.py")


def test_all_commands_that_read_targets(hangs: str, run: Runner) -> None:
    """model, diff (inside and outside the quotes), check and lock."""
    folder = Path(hangs).parent
    (folder / "flopcalc.yaml").write_text(
        "targets:\n  - {name: it, network: 'hangs.py:make', input: [3, 8, 8], limits: [macs <= 3]}\n"
    )
    config = str(folder / "flopcalc.yaml")
    for command in (
        ("model", f"{hangs}:make", "--input", "3x8x8", "--timeout", "0.3"),
        ("diff", "resnet50", f"{hangs}:make", "--input", "3x64x64", "--timeout", "0.3"),
        ("diff", f"{hangs}:make --timeout 0.3", "resnet50", "--input", "3x64x64"),
        ("check", config, "--timeout", "0.3"),
        ("lock", config, "--timeout", "3/10"),
    ):
        done = run(*command)
        assert (done.code, done.out) == (2, ""), done.err
        error, hint = done.err.splitlines()
        assert "hangs.py:make did not end within 0.3 seconds (hangs.py, line 4)" in error
        assert "--timeout SECONDS" in hint


@pytest.mark.parametrize("value", ["0", "-1", "x", "", "nan", "inf", "1e9", "true", "none"])
def test_wrong_limits(value: str, run: Runner) -> None:
    """No limit is not a value: a large number is."""
    done = run("model", "resnet50", "--timeout", value)
    assert (done.code, done.out) == (2, "")
    error, hint = done.err.splitlines()
    assert f"--timeout is {value!r}; it must be a number of seconds, larger than 0" in error
    assert "--timeout 600" in hint


def test_a_limit_changes_nothing_else(run: Runner) -> None:
    """Of a description it has no effect."""
    assert run("model", "resnet50", "--timeout", "0.5") == run("model", "resnet50")


@pytest.mark.parametrize("name", ["leaves_a_thread", "spins"])
def test_a_process_that_cannot_be_interrupted_ends(name: str, hangs: str) -> None:
    """A thread that still runs does not keep it; neither does C code that no signal reaches."""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "flopcalc", "model", f"{hangs}:{name}", "--input", "3x8x8", "--timeout", "0.5"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "80"},
        timeout=50,
    )
    assert (done.returncode, done.stdout) == (2, "")
    error, hint = done.stderr.splitlines()
    assert error.startswith(f"error: building {hangs}:{name} did not end within 0.5 seconds")
    assert hint.startswith("hint:  fix the code that waits")
    assert time.monotonic() - started < 40
