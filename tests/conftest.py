"""Fixtures of all tests, and a guard: no test may change a file that git tracks."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import ROOT, Run, WriteNetwork
from hypothesis import settings

# As many workers as cores: more threads of each only wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Reproducible in CI, and no deadline: shared machines are slow at times.
settings.register_profile("flopcalc", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("flopcalc")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Run a flopcalc command line in process, at 80 columns, without colour."""
    from flopcalc.cli.main import main

    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def call(*args: str) -> Run:
        code = main(list(args))
        captured = capsys.readouterr()
        return Run(int(code), captured.out, captured.err)

    return call


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the files that examples of help texts and guides read and write; commands run there."""
    folder = tmp_path / "workplace"
    shutil.copytree(ROOT / "examples", folder / "examples")
    for name in ("flopcalc.yaml", "flopcalc.lock"):
        shutil.copy(ROOT / name, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def write_network(tmp_path: Path) -> WriteNetwork:
    """Write the description of a network and return its path."""

    def to_file(text: str) -> str:
        path = tmp_path / "net.yaml"
        path.write_text(text)
        return str(path)

    return to_file


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--golden-update` rewrites the golden texts of the command line."""
    parser.addoption("--golden-update", action="store_true", help="rewrite tests/golden/*.txt")


# The guard ----------------------------------------------------------------------------------------

_BEFORE = pytest.StashKey[dict[str, str]]()
_CHANGED = pytest.StashKey[list[str]]()


def _fingerprint(path: Path) -> str:
    if path.is_symlink():
        return f"link to {path.readlink()}"
    if not path.is_file():
        return "missing"
    content = path.read_bytes()
    return f"{len(content)} {hashlib.sha256(content).hexdigest()}"


def _tracked_files() -> dict[str, str]:
    """Every file that git tracks here, with its size and a hash; none if there is no git."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)  # noqa: S607
    except (OSError, subprocess.CalledProcessError):
        return {}
    names = filter(None, listed.stdout.decode("utf-8", "surrogateescape").split("\0"))
    return {name: _fingerprint(ROOT / name) for name in names}


def pytest_sessionstart(session: pytest.Session) -> None:
    """Remember the tracked files as they are before the first test. The workers of xdist leave that to their parent."""
    if not hasattr(session.config, "workerinput"):
        session.config.stash[_BEFORE] = _tracked_files()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail where a tracked file is not as it was at the start. A tree with changes of one's own is fine."""
    before = session.config.stash.get(_BEFORE, {})
    changed = [name for name, was in before.items() if _fingerprint(ROOT / name) != was]
    if session.config.getoption("--golden-update"):
        changed = [name for name in changed if not name.startswith("tests/golden/")]
    session.config.stash[_CHANGED] = changed
    if changed and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which files changed, and what to do."""
    if changed := config.stash.get(_CHANGED, []):
        terminalreporter.section("FAILED: tracked files changed during the tests", red=True, bold=True)
        for name in changed:
            terminalreporter.line(f"  {name}")
        terminalreporter.line("A test writes to tmp_path only; the examples of texts run in the fixture `workplace`.")
        terminalreporter.line(
            "See `git diff` and undo it. Where you edited the files while the tests ran, run them again."
        )
