"""The installed package: a wheel with its configs and its type marker, working outside the checkout."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from helpers import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built once."""
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir", str(folder), str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


def test_contents(wheel: Path) -> None:
    """Configs and py.typed are in; tests and benchmarks are not."""
    names = zipfile.ZipFile(wheel).namelist()
    assert "flopcalc/py.typed" in names
    assert "flopcalc/configs/networks/resnet50.yaml" in names
    assert {f"flopcalc/pages/templates/page.{kind}" for kind in ("html.j2", "css", "js")} <= set(names)
    assert not [name for name in names if name.startswith(("tests", "benchmarks", "docs"))]


def test_it_works_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
    """Unpacked elsewhere, with the checkout out of reach."""
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    source = (
        f"import sys; sys.path.insert(0, {str(site)!r})\n"
        "import flopcalc\n"
        f"assert flopcalc.__file__.startswith({str(site)!r}), flopcalc.__file__\n"
        "from flopcalc.cli.main import main\n"
        "sys.exit(main(['model', 'resnet50', '--replace', 'spconv', '--format', 'json']))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", source], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["replaced"] == 16
