"""Fixtures of all tests."""

from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import Run, WriteNetwork
from hypothesis import settings

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
