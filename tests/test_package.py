"""The packages: what is in them, the same bytes from the same sources, metadata, and working outside the checkout."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
import yaml
from helpers import ROOT, for_author

from flopcalc import __version__

pytest.importorskip("hatchling")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def _sources() -> list[str]:
    """The files that belong to the project: those that git tracks, or the ones of an unpacked source distribution."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)  # noqa: S607
        inside = subprocess.run(["git", "rev-parse", "--show-toplevel"], cwd=ROOT, capture_output=True, check=True)  # noqa: S607
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no git, so which files belong to the project is not known")
    if Path(os.fsdecode(inside.stdout).strip()).resolve() != ROOT.resolve():
        pytest.skip("the folder is not a checkout")
    return [name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project's files."""
    folder = tmp_path_factory.mktemp("one") / "flopcalc"
    for name in _sources():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    return folder


def build(folder: Path, out: Path, epoch: str | None = None) -> tuple[Path, Path]:
    """The wheel and the source distribution of a folder, each built from the folder itself."""
    env = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    if epoch is not None:
        env["SOURCE_DATE_EPOCH"] = epoch
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(out), "-t", "sdist", "-t", "wheel"]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = out.glob("*.whl")
    (sdist,) = out.glob("*.tar.gz")
    return wheel, sdist


@pytest.fixture(scope="module")
def built(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Both packages, built once."""
    return build(checkout, tmp_path_factory.mktemp("dist"))


def _sdist_names(sdist: Path) -> set[str]:
    with tarfile.open(sdist) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def test_the_wheel_has_its_files(built: tuple[Path, Path]) -> None:
    """Every module, every config and py.typed; nothing else."""
    names = zipfile.ZipFile(built[0]).namelist()
    expected = {name for name in _sources() if name.startswith("flopcalc/")}
    expected |= {f"flopcalc/{name}" for name in _sources() if name.startswith("configs/")}
    info = f"flopcalc-{__version__}.dist-info"
    assert "flopcalc/py.typed" in expected
    assert {name for name in names if not name.startswith(info)} == expected
    assert {name.removeprefix(f"{info}/") for name in names if name.startswith(info)} == {
        "METADATA",
        "WHEEL",
        "RECORD",
        "entry_points.txt",
        "licenses/LICENSE",
    }


def test_the_source_distribution_has_every_file(built: tuple[Path, Path]) -> None:
    """Tests read many files of the project, so all of them are in it."""
    missing = set(_sources()) - _sdist_names(built[1])
    advice = "add it to [tool.hatch.build.targets.sdist] in pyproject.toml"
    assert not missing, for_author(sorted(missing), advice, "CONTRIBUTING.md")
    assert _sdist_names(built[1]) - set(_sources()) == {"PKG-INFO"}


@pytest.mark.parametrize("epoch", [None, "1700000000"])
def test_the_same_sources_give_the_same_bytes(
    epoch: str | None, checkout: Path, built: tuple[Path, Path], tmp_path: Path
) -> None:
    """From another folder, with other times and permissions of the files, and with what tools leave behind."""
    other = tmp_path / "a folder with another name"
    shutil.copytree(checkout, other)
    for path in other.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
        path.chmod(0o700 if path.is_dir() or os.access(path, os.X_OK) else 0o600)
    for name in ("flopcalc/__pycache__/x.pyc", ".mypy_cache/y", "build/z", "dist/old.whl", ".venv/pyvenv.cfg"):
        (other / name).parent.mkdir(parents=True, exist_ok=True)
        (other / name).write_text("left behind")
    first = built if epoch is None else build(checkout, tmp_path / "first", epoch)
    second = build(other, tmp_path / "second", epoch)
    for one, two in zip(first, second, strict=True):
        assert one.name == two.name
        assert one.read_bytes() == two.read_bytes(), f"{one.name} differs"
    # SOURCE_DATE_EPOCH sets the times in the archives, and changes nothing else.
    assert zipfile.ZipFile(first[0]).read("flopcalc/errors.py") == zipfile.ZipFile(built[0]).read("flopcalc/errors.py")
    assert _sdist_names(first[1]) == _sdist_names(built[1])


def test_the_source_distribution_gives_the_same_wheel(built: tuple[Path, Path], tmp_path: Path) -> None:
    """As pip builds it where only the source distribution is given."""
    with tarfile.open(built[1]) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = [path for path in tmp_path.iterdir() if path.is_dir()]
    again = build(folder, tmp_path / "again")
    assert again[0].read_bytes() == built[0].read_bytes()
    assert again[1].read_bytes() == built[1].read_bytes()


def _metadata(wheel: Path) -> Message:
    return Parser().parsestr(zipfile.ZipFile(wheel).read(f"flopcalc-{__version__}.dist-info/METADATA").decode())


def test_metadata(built: tuple[Path, Path]) -> None:
    """Versions of Python, the licence, the extras; the three required packages and no other."""
    found = _metadata(built[0])
    assert (found["Name"], found["Version"]) == ("flopcalc", __version__)
    assert (found["License-Expression"], found["Requires-Python"]) == ("Apache-2.0", ">=3.11")
    classifiers = found.get_all("Classifier") or []
    versions = [one.rpartition(" ")[2] for one in classifiers if "Python :: 3." in one]
    assert versions == ["3.11", "3.12", "3.13", "3.14"]
    required = [one for one in found.get_all("Requires-Dist") or [] if "extra" not in one]
    assert sorted(one.partition(">=")[0] for one in required) == ["click", "pyyaml", "rich"]
    assert set(found.get_all("Provides-Extra") or []) == set(PROJECT["optional-dependencies"])


def test_urls_are_real(built: tuple[Path, Path]) -> None:
    """The project has no public address yet. Once it has one, it is no placeholder and the same everywhere."""
    urls = [one.partition(", ")[2] for one in _metadata(built[0]).get_all("Project-URL") or []]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert bool(urls) == ("repository-code" in citation)
    for url in urls:
        assert url.startswith("https://"), url
        assert not any(word in url.lower() for word in ("owner", "example", "localhost", "todo")), url
    if urls:
        assert citation["repository-code"] in urls
        assert "OWNER" not in (ROOT / "docs" / "budgets.md").read_text()


# The keys of the Citation File Format 1.2.0 that a file of software uses, and those that it must have.
_CFF_MUST = {"authors", "cff-version", "message", "title"}
_CFF_MAY = {
    *("abstract", "commit", "contact", "date-released", "doi", "identifiers", "keywords", "license", "license-url"),
    *("preferred-citation", "references", "repository", "repository-artifact", "repository-code"),
    *("type", "url", "version"),
}


def test_citation() -> None:
    """CITATION.cff follows the format's schema, and has the version, the licence and the keywords of the package."""
    found = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert set(found) >= _CFF_MUST
    assert set(found) - _CFF_MUST <= _CFF_MAY
    assert (found["cff-version"], found["type"]) == ("1.2.0", "software")
    assert found["authors"]
    for author in found["authors"]:
        # An entity has a name; a person may have neither of these.
        assert set(author) <= {"name", "alias", "website", "email"}
        assert author["name"]
    assert all(isinstance(found[key], str) for key in ("message", "title", "abstract", "license"))
    assert str(found["version"]) == __version__
    assert found["license"] == PROJECT["license"]
    assert found["keywords"] == PROJECT["keywords"]
    assert len(set(found["keywords"])) == len(found["keywords"])


def test_it_works_without_the_checkout(built: tuple[Path, Path], tmp_path: Path) -> None:
    """Unpacked elsewhere, with the checkout out of reach."""
    site = tmp_path / "site"
    zipfile.ZipFile(built[0]).extractall(site)  # noqa: S202 - our own wheel
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
