"""The environments of `make test-pythons` and `make test-lowest`, and whether targets, extras and constraints fit."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from helpers import ROOT, script

from flopcalc.installation.distributions import at_least


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    """The script."""
    found: ModuleType = script(ROOT / "tools" / "environments.py")
    return found


def test_the_supported_versions(tool: ModuleType) -> None:
    """From the classifiers."""
    assert tool.supported() == ["3.11", "3.12", "3.13", "3.14"]


def test_requirements_are_resolved(tool: ModuleType) -> None:
    """Extras that name extras, without PyTorch."""
    found = tool.requirements("test")
    assert {"sympy>=1.12", "altair>=5.4", "pytest>=8", "distributed>=2024.1"} <= set(found)
    assert not [one for one in found if one.startswith(("torch", "flopcalc"))]
    assert [one for one in tool.requirements("test", frozenset()) if one.startswith("torch")]


def test_interpreters(tool: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The running one is found; one that does not exist, or does not run, is not."""
    own = ".".join(map(str, sys.version_info[:2]))
    assert tool.interpreter(own)
    broken = tmp_path / "python3.99"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PYTHONS", str(broken))
    assert tool.interpreter("3.99") is None


def test_missing_interpreters_are_named(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are skipped, and the others decide the exit code."""
    monkeypatch.setattr(tool, "interpreter", lambda version: "python" if version == "3.12" else None)
    monkeypatch.setattr(tool, "prepared", lambda *_: Path("python"))
    monkeypatch.setattr(tool, "tested", lambda *_: False)
    assert tool.main(["pythons"]) == 1
    out = capsys.readouterr().out
    assert "Python 3.12: FAILED" in out
    assert "Python 3.14: skipped: no such interpreter was found" in out
    monkeypatch.setattr(tool, "tested", lambda *_: True)
    assert tool.main(["pythons", "3.12"]) == 0
    assert tool.main(["lowest"]) == 0


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_constraints_have_every_requirement(tool: ModuleType) -> None:
    """Each requirement of an extra has one version in constraints.txt, and it is new enough."""
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and line[0] != "#"]
    pinned = {_normal(name): version for name, _, version in (line.partition("==") for line in lines)}
    assert len(pinned) == len(lines), "a package is listed twice"
    extras = tool.PROJECT["optional-dependencies"]
    every = [*tool.PROJECT["dependencies"], *(one for name in extras for one in tool.requirements(name, frozenset()))]
    for requirement in every:
        name, _, least = requirement.partition(">=")
        name = _normal(name.partition("[")[0])
        assert name in pinned, f"{requirement}: add its version to constraints.txt"
        assert at_least(pinned[name], least), requirement


def test_targets_that_texts_name_exist() -> None:
    """`make NAME` in the guides and in .ci/run is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    texts = [ROOT / "CONTRIBUTING.md", ROOT / ".ci" / "run", ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    named = {
        name for path in texts for name in re.findall(r"(?:`|^)make ([a-z-]+)", path.read_text(), flags=re.MULTILINE)
    }
    assert {"test", "lint", "docs-check", "check", "test-pythons", "test-lowest", "test-package", "bench"} <= named
    assert named <= targets, named - targets


def test_every_extra_installs_from_the_makefile_or_a_guide() -> None:
    """An extra that no text names is found by no user."""
    texts = "".join(path.read_text() for path in (ROOT / "Makefile", ROOT / "README.md", *(ROOT / "docs").glob("*.md")))
    from tomllib import loads

    for name in loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]:
        assert re.search(rf"\[(?:\w+,)*{name}(?:,\w+)*\]|extra `{name}`", texts), name
