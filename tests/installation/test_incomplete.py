"""Commands of an installation with missing files say so, and do not blame the output."""

import shutil
from pathlib import Path

import pytest
from helpers import ROOT, Run, fresh


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package without the descriptions of networks and without one command."""
    found = tmp_path_factory.mktemp("installed")
    shutil.copytree(ROOT / "flopcalc", found / "flopcalc", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "configs", found / "flopcalc" / "configs", ignore=shutil.ignore_patterns("networks"))
    (found / "flopcalc" / "cli" / "solve.py").unlink()
    return found


def _called(package: Path, *words: str) -> Run:
    start = f"import sys; sys.path.insert(0, {str(package)!r}); sys.argv = ['flopcalc', *{words!r}]"
    return fresh(f"{start}; from flopcalc.__main__ import run; run()")


def test_missing_descriptions(package: Path) -> None:
    """It said that the output cannot be written."""
    done = _called(package, "memory", "resnet18")
    assert (done.code, done.out) == (3, "")
    assert "networks': No such file or directory" in done.err
    assert "hint:  install flopcalc again" in done.err


def test_a_missing_command(package: Path) -> None:
    done = _called(package, "solve", "resnet18", "--for", "batch", "--target", "macs <= 1G")
    assert done.code == 70
    assert "No module named 'flopcalc.cli.solve'" in done.err
    assert "install flopcalc again" in done.err
    assert _called(package, "layer", "ghost", "--cin", "64").code == 0
